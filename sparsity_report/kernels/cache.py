"""A folder of this user for what can be made again. Torch-free."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path


def user_cache(name: str) -> Path:
    """`$XDG_CACHE_HOME/sparsity-report/NAME`, or a temporary folder where there is no home to write to."""
    with suppress(OSError, RuntimeError):  # of a container's user without a home
        root = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "sparsity-report" / name
        root.mkdir(parents=True, exist_ok=True)
        if os.access(root, os.W_OK):
            return root
    return own_temporary() / name


@cache
def own_temporary() -> Path:
    """This user's own among everybody's. What others could write there could be code, and is not read."""
    user = os.getuid() if hasattr(os, "getuid") else "cache"  # Windows has a temporary folder for each user
    found = Path(tempfile.gettempdir()) / f"sparsity-report-{user}"
    with suppress(OSError):
        found.mkdir(mode=0o700, exist_ok=True)
        known = found.lstat()
        if found.is_dir() and not found.is_symlink() and user in ("cache", known.st_uid) and not known.st_mode & 0o022:
            return found
    return Path(tempfile.mkdtemp(prefix="sparsity-report-"))
