"""Memory: the peak of a stretch of work, and what is left to take; Linux says both, other systems less."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
""" "memory.max" and its like, where a container or a cluster's job has a limit of its own."""


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


def available_bytes() -> int | None:
    """What may still be taken: the least of what the system and the control group have left. None where none says."""
    left = []
    try:
        lines = MEMINFO.read_text().splitlines()
        left += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError):
        pass
    try:
        limit, used = ((CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        if limit != "max":  # pages of files are given back when they are in the way
            left.append(int(limit) - int(used) + int(stat.get("inactive_file", 0)) + int(stat.get("active_file", 0)))
    except (OSError, ValueError):
        pass
    return max(0, min(left)) if left else None


def anonymous_bytes() -> int | None:
    """
    Resident memory that is backed by no file: what the process has filled itself. None where Linux does not say.

    What the allocator only holds for later is given back first, where it can be (glibc): it is not in use.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), None)
