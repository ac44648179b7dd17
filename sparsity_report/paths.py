"""
Paths that a spec names: beside its file, absolute, or in somebody's home. What cannot be a path is none. And names of
files that are the same on every system.
"""

from __future__ import annotations

import errno
import re
import unicodedata
from pathlib import Path

LONGEST_NAME = 120
"""Bytes. Systems take 255 of a name, to which endings come, and some 260 of a whole path."""
DEVICES = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³])(\.|$)", re.IGNORECASE)
"""What Windows takes for a device, whatever follows the point."""


def slug(text: str) -> str:
    """The nearest name that every file system takes: letters, digits, ".", "_" and "-"; empty where none is left."""
    kept = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", text))
    kept = kept.encode()[:LONGEST_NAME].decode(errors="ignore").strip("-.")
    return f"_{kept}" if DEVICES.match(kept) else kept


def readable(path: Path | str) -> str:
    """A path as text that can be written: bytes that are no UTF-8, which Linux allows in names, stand there as "?"."""
    return str(path).encode("utf-8", "replace").decode()


def beside(folder: Path | str, name: str) -> Path:
    """The path, counted from the folder; a home that nobody has stays as it is written, and is then not there."""
    try:
        return Path(folder, Path(name).expanduser())
    except RuntimeError:  # ~somebody, whom this machine does not know
        return Path(folder, name)


def is_file(path: Path) -> bool:
    """Whether there is such a file: also where the name is too long for any file system, or holds a zero byte."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def regular(path: Path) -> Path:
    """The path itself. Raises OSError for what is there and is no ordinary file: a device can be read for ever."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "it is no ordinary file")
    return path


def is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
