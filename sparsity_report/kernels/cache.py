"""A folder of this user for what can be made again. Torch-free."""

from __future__ import annotations

import getpass
import os
import tempfile
from contextlib import suppress
from pathlib import Path


def user_cache(name: str) -> Path:
    """`$XDG_CACHE_HOME/sparsity-report/NAME`, or a temporary folder where there is no home to write to."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "sparsity-report" / name
    with suppress(OSError):
        root.mkdir(parents=True, exist_ok=True)
        if os.access(root, os.W_OK):
            return root
    return Path(tempfile.gettempdir()) / f"sparsity-report-{getpass.getuser()}" / name
