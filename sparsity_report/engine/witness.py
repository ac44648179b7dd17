"""What else the machine did while something was timed: Linux counts it. Elsewhere nothing is known."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

STAT = Path("/proc/stat")
STATUS = Path("/proc/self/task")
BUSY = (0, 1, 2, 5, 6, 7)
"""Columns of /proc/stat: user, nice, system, irq, softirq, steal. Idle and waiting for a disk are not busy."""


@dataclass(frozen=True)
class Witness:
    """
    Averages over a stretch of time; None where the system does not say.

    `other_cores`: cores of those this process may use that others (or the hypervisor) kept busy.
    `preemptions`: per second, how often one of the process's threads had to give way.
    """

    seconds: float
    other_cores: float | None
    preemptions: float | None


def busy_seconds(text: str, cores: frozenset[int]) -> float:
    """Seconds that the cores were busy since the machine started, of all processes together."""
    ticks = 0
    for line in text.splitlines():
        name, *counts = line.split()
        if name[3:].isdecimal() and name.startswith("cpu") and int(name[3:]) in cores:
            ticks += sum(int(counts[column]) for column in BUSY if column < len(counts))
    return ticks / os.sysconf("SC_CLK_TCK")


def all_busy_seconds() -> float | None:
    try:
        return busy_seconds(STAT.read_text(), frozenset(os.sched_getaffinity(0)))
    except (OSError, AttributeError, ValueError):
        return None


def preempted() -> int | None:
    """Involuntary context switches of all threads of this process."""
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


@contextlib.contextmanager
def watch() -> Iterator[list[Witness]]:
    """The list holds one witness when the block ends."""
    found: list[Witness] = []
    started, all_before, own_before, switches = time.perf_counter(), all_busy_seconds(), own_seconds(), preempted()
    yield found
    seconds = max(time.perf_counter() - started, 1e-9)
    all_after, own, after = all_busy_seconds(), own_seconds() - own_before, preempted()
    others = None
    if all_before is not None and all_after is not None:
        others = round(max(0.0, all_after - all_before - own) / seconds, 3)
    rate = None if switches is None or after is None else round((after - switches) / seconds, 1)
    found.append(Witness(seconds, others, rate))


def own_seconds() -> float:
    """Processor time of this process, all threads."""
    times = os.times()
    return times.user + times.system
