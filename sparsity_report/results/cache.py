"""What a run folder keeps so that it need not be made again: listed, verified and trimmed. No torch."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from . import sealed, store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

Kind = Literal["cells", "details", "timings", "behaviour", "evidence", "states", "hidden", "unfinished"]

KINDS: dict[Kind, tuple[str, str]] = {
    "cells": ("cells/*.json", "finished cells"),
    "details": ("detail/*.json.gz", "raw samples and window means of cells"),
    "timings": ("timings/*.json", "timings, apart from their cells"),
    "behaviour": ("nodes/*.json", "what was measured of pruned states"),
    "evidence": ("evidence/*.json", "what allocations read of the dense model"),
    "states": ("artifacts/*.state.safetensors", "pruned states: masks and changed weights"),
    "hidden": ("artifacts/*.hidden.safetensors", "hidden states that an interrupted run left"),
    "unfinished": (f".*{store.PARTIAL}", "files whose writer was killed"),
}
"""Where each kind lies in a run folder, and what it is."""
DROPPED_FIRST: tuple[Kind, ...] = ("unfinished", "hidden", "states")
"""What trimming takes, in this order: large, and made again without a number changing."""


@dataclass(frozen=True)
class Entry:
    """A file of the cache. `sound` is None where nobody has looked."""

    kind: Kind
    path: Path
    bytes: int
    used: float
    sound: bool | None = None


def is_whole(kind: Kind, file: Path) -> bool:
    """Whether a file is what was written, by its hash."""
    if kind == "unfinished":
        return False
    if kind in ("states", "hidden"):
        return sealed.is_sound(file)
    return unpacks(file) if kind == "details" else sealed.read_entry(file) is not None


def unpacks(file: Path) -> bool:
    """A gzip's own checksum; read piece by piece, so that nothing that it unpacks to fills the memory."""
    try:
        with gzip.open(file) as stream:
            while stream.read(sealed.PIECE):
                pass
    except (OSError, EOFError, zlib.error):
        return False
    return True


def entries(folder: Path, *, verify: bool = False) -> tuple[Entry, ...]:
    """Every file of the cache, kind by kind; with `verify` each is read through."""
    return tuple(found(folder, is_whole if verify else lambda *_: None))


def found(folder: Path, look: Callable[[Kind, Path], bool | None]) -> Iterator[Entry]:
    for kind, (pattern, _) in KINDS.items():
        for file in sorted(folder.rglob(pattern) if kind == "unfinished" else folder.glob(pattern)):
            if kind == "unfinished" and store.is_alive(file.name.split(".")[-2]):
                continue
            with contextlib.suppress(OSError):  # another run may just have dropped it
                known = file.stat()
                yield Entry(kind, file, known.st_size, known.st_mtime, look(kind, file))


def to_drop(known: Sequence[Entry], limit: int) -> list[Entry]:
    """Damaged entries, and as many of the longest unused large ones as it takes to come down to `limit` bytes."""
    dropped = [each for each in known if each.sound is False]
    left = sum(each.bytes for each in known if each.sound is not False)
    candidates = [each for each in known if each.kind in DROPPED_FIRST and each.sound is not False]
    for each in sorted(candidates, key=lambda entry: (DROPPED_FIRST.index(entry.kind), entry.used)):
        if left <= limit:
            break
        dropped.append(each)
        left -= each.bytes
    return dropped


def drop(gone: Sequence[Entry]) -> int:
    """Removes them. How many bytes that freed."""
    freed = 0
    for each in gone:
        with contextlib.suppress(OSError):
            each.path.unlink()
            freed += each.bytes
    return freed


def runs(folder: Path) -> list[Path]:
    """The run folders directly below a folder."""
    if not folder.is_dir():
        return []
    return sorted(each for each in folder.iterdir() if (each / "cells").is_dir() or (each / "results.json").is_file())
