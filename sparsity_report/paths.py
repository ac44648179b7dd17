"""Paths that a spec names: beside its file, absolute, or in somebody's home. What cannot be a path is none."""

from __future__ import annotations

import errno
from pathlib import Path


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
