"""
Entries of a run folder's cache carry a hash of what is in them: a damaged one is as good as none, and is made again.

JSON entries are `{"sha256": …, "entry": …}`; safetensors files have the hash of everything else in their metadata.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from .store import json_text, read_json, write_text

if TYPE_CHECKING:
    from pathlib import Path

SEAL = "sha256"
UNSEALED = "0" * 64
"""What stands in a safetensors file's metadata until `seal` knows better: as long as a hash."""
LONGEST_HEADER = 100_000_000
"""Bytes; that of safetensors itself."""
PIECE = 2**20

_sound: dict[Path, tuple[int, int, int]] = {}
"""Files that were read through and found sound in this process, by what changes when a file does."""


def digest(entry: Any) -> str:
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def write_entry(path: Path, entry: Any) -> None:
    """Plain data, atomically and with their hash. Raises EnvironmentProblem when the disk is full."""
    plain = json.loads(json_text(entry))  # as it will be read: keys are text, tuples are lists
    write_text(path, json_text({SEAL: digest(plain), "entry": plain}))


def read_entry(path: Path) -> Any:
    """The entry; None if there is none, or if it is not what was written."""
    kept = read_json(path)
    try:
        return kept["entry"] if kept[SEAL] == digest(kept["entry"]) else None
    except (TypeError, KeyError):
        return None


def _read_header(raw: bytes) -> tuple[str, dict[str, Any]]:
    """The seal of a safetensors file, and its header without it. Raises ValueError, KeyError."""
    header = json.loads(raw)
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__"), dict):
        raise ValueError("no header of ours")
    return str(header["__metadata__"].pop(SEAL)), header


def _hash(file: Path) -> tuple[str, str]:
    """The seal of a safetensors file, and the one that it should have. Raises OSError, ValueError, KeyError."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > LONGEST_HEADER:
            raise ValueError("the header is too long")
        found, header = _read_header(stream.read(length))
        total = hashlib.sha256(digest(header).encode())
        while piece := stream.read(PIECE):
            total.update(piece)
    return found, total.hexdigest()


def metadata(file: Path) -> dict[str, str]:
    """Of a safetensors file, without reading its tensors; empty where it cannot be read."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            found: dict[str, str] = _read_header(stream.read(min(length, LONGEST_HEADER)))[1]["__metadata__"]
    except (OSError, ValueError, KeyError):
        return {}
    return found


def seal(file: Path) -> None:
    """Puts the hash of a safetensors file in the place of UNSEALED in its metadata. Raises OSError."""
    _, made = _hash(file)
    with file.open("r+b") as stream:
        head = stream.read(8 + int.from_bytes(stream.read(8), "little"))
        stream.seek(8 + head.index(UNSEALED.encode()))
        stream.write(made.encode())


def is_sound(file: Path) -> bool:
    """Whether a safetensors file is what was written. A file is read through once in a process."""
    try:
        state = _state(file)
        if _sound.get(file) == state:
            return True
        found, made = _hash(file)
    except (OSError, ValueError, KeyError):
        return False
    if found == made:
        _sound[file] = state
    return found == made


def touch(file: Path) -> None:
    """Marks a sound file as used now, without reading it through again. Raises OSError."""
    file.touch()
    if file in _sound:
        _sound[file] = _state(file)


def _state(file: Path) -> tuple[int, int, int]:
    known = file.stat()
    return known.st_ino, known.st_size, known.st_mtime_ns
