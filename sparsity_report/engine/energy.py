"""
Energy, where the machine lets it be read: RAPL counters of whole processor packages, NVML's of a CUDA device.

Both count what the whole device draws, other processes included.
"""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .timing import read_clock

if TYPE_CHECKING:
    import torch

    from .timing import Clock

POWERCAP = Path("/sys/class/powercap")


class Package:
    """The counter of one processor package, in joules since the first reading; it wraps around."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "energy_uj"
        self.range = int((folder / "max_energy_range_uj").read_text())
        self.last, self.total = self.raw(), 0

    def raw(self) -> int:
        return int(self.file.read_text())

    def joules(self) -> float:
        now = self.raw()
        self.total += (now - self.last) % (self.range + 1)
        self.last = now
        return self.total / 1e6


def packages(root: Path) -> tuple[list[Package], str]:
    """The packages' counters, or why they cannot be read. Zones inside a package are part of its count."""
    zones = sorted(each for each in root.glob("*-rapl:*") if each.name.count(":") == 1)
    if not zones:
        return [], f"no RAPL counters: {root} {'is empty' if root.is_dir() else 'does not exist'}"
    try:
        return [Package(zone) for zone in zones], ""
    except (OSError, ValueError) as problem:
        return [], f"RAPL counters cannot be read: {getattr(problem, 'strerror', None) or problem}"


def clock(device: torch.device, root: Path = POWERCAP) -> tuple[Clock, str]:
    """A clock that also reads joules; or one that does not, and the reason."""
    if device.type == "cuda":
        return nvml_clock(device.index or 0)
    counters, reason = packages(root)
    if reason:
        return read_clock, reason
    return lambda: np.array([time.perf_counter(), sum(each.joules() for each in counters)]), ""


def nvml_clock(index: int) -> tuple[Clock, str]:
    """NVML counts millijoules since the driver was loaded."""
    try:
        nvml: Any = importlib.import_module("pynvml")
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except ImportError:
        return read_clock, "no NVML: pip install nvidia-ml-py"
    except nvml.NVMLError as problem:
        return read_clock, f"NVML does not count energy here: {problem}"
    return lambda: np.array([time.perf_counter(), nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3]), ""
