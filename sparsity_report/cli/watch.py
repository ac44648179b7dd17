"""Watching files: looks at their times every half second, which every file system can do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

PAUSE_SECONDS = 0.5


def fingerprint(files: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """Time and size of every file that is there."""
    found = {}
    for file in files:
        try:
            state = file.stat()
        except OSError:  # an editor is just replacing it
            continue
        found[file] = (state.st_mtime_ns, state.st_size)
    return found


def changes(
    files: Callable[[], Iterable[Path]], pause: Callable[[], None] = lambda: time.sleep(PAUSE_SECONDS)
) -> Iterator[None]:
    """Once at first, then every time that a file changed, came or went. `pause` is called between two looks."""
    seen: dict[Path, tuple[int, int]] | None = None
    while True:
        now = fingerprint(files())
        if now != seen:
            seen = now
            yield
        pause()
