"""Peak resident memory of a stretch of work, where Linux lets the high-water mark be reset."""

from __future__ import annotations

import sys
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def reset_peak() -> None:
    """Begins a new stretch; does nothing where the system does not offer it."""
    try:
        CLEAR.write_text("5")  # resets the peak resident set size: proc(5)
    except OSError:
        return


def peak_bytes() -> int | None:
    """Largest resident set since the last reset (since the start of the process where that is not offered)."""
    try:
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    if sys.platform == "win32":
        return None
    import resource

    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def anonymous_bytes() -> int | None:
    """Resident memory that is backed by no file: what the process has filled itself. None where Linux does not say."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), None)
