"""
What this machine reaches: bytes read per second from buffers of several sizes, and operations per second of a matrix
product. Medians of a few rounds, in this process and with its threads; about a second in all.

Reading is tried in two ways, a sum and a matrix-vector product, because no one kernel is the fastest everywhere; the
better median counts. The peak is that of the largest product that does not take long.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..hardware.machines import THIS
from ..results.model import MachineRecord, ReadRate
from ..results.stats import bootstrap_median
from .timing import synchronise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ..results.model import EnvironmentRecord

BUFFERS_MIB = (1, 4, 16, 64, 256)
"""From what a core's cache holds to what only memory does."""
PASS_MIB = 64
"""A reading reads so much at least, small buffers again and again: a single pass would time the call."""
ROUNDS = 7
COLUMNS = 1024
PRODUCTS = (256, 512, 1024, 1536)
LONG_S = 0.1
"""No larger product is tried once one takes longer."""


def rounds(run: Callable[[], object], device: torch.device) -> NDArray[np.float64]:
    """Seconds of each round, (R,), after one that is not counted."""
    seconds = []
    for _ in range(ROUNDS + 1):
        synchronise(device)
        started = time.perf_counter()
        run()
        synchronise(device)
        seconds.append(time.perf_counter() - started)
    return np.array(seconds[1:])


def read_rate(size: int, device: torch.device) -> ReadRate:
    """Bytes per second from a buffer of `size` bytes, by the faster of two ways to read it."""
    buffer = torch.ones(size // 4, device=device)
    matrix, vector = buffer.view(-1, COLUMNS), torch.ones(COLUMNS, device=device)
    passes = max(1, PASS_MIB * 2**20 // size)
    ways: Sequence[Callable[[], object]] = (
        lambda: [buffer.sum() for _ in range(passes)],
        lambda: [torch.mv(matrix, vector) for _ in range(passes)],
    )
    fastest = min((rounds(way, device) for way in ways), key=np.median)
    rate, ci = bootstrap_median(size * passes / fastest)
    return ReadRate(bytes=size, bytes_per_s=rate, ci=ci)


def peak(dtype: str, device: torch.device) -> tuple[float, tuple[float, float] | None]:
    """Operations per second of a square matrix product in a dtype, and the interval."""
    best: tuple[float, tuple[float, float] | None] = (0.0, None)
    for side in PRODUCTS:
        square = torch.ones(side, side, dtype=getattr(torch, dtype), device=device)
        seconds = rounds(lambda square=square: square @ square, device)  # type: ignore[misc]  # bound at once
        best = max(best, bootstrap_median(2 * side**3 / seconds), key=lambda each: each[0])
        if np.median(seconds) > LONG_S:
            break
    return best


@torch.inference_mode()
def measure(environment: EnvironmentRecord, dtypes: Sequence[str]) -> MachineRecord:
    """This machine as a target, its figures measured: reading rates by buffer size, and the peak of each dtype."""
    device = torch.device(environment.device)
    room = environment.memory_bytes or BUFFERS_MIB[-1] * 2**20
    sizes = [mib * 2**20 for mib in BUFFERS_MIB if mib * 2**20 <= room // 8] or [BUFFERS_MIB[0] * 2**20]
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        rates = tuple(read_rate(size, device) for size in sizes)
        peaks = {dtype: peak(dtype, device) for dtype in dict.fromkeys(dtypes)}
    finally:
        if was_enabled:
            gc.enable()
    on_gpu = device.type == "cuda"
    memory = torch.cuda.get_device_properties(device).total_memory if on_gpu else environment.memory_bytes
    return MachineRecord(
        name=THIS,
        title=torch.cuda.get_device_name(device) if on_gpu else environment.cpu or "this machine",
        kind="measured here",
        bandwidth=rates[-1].bytes_per_s,
        memory_bytes=memory,
        peak={dtype: value for dtype, (value, _) in peaks.items()},
        source=f"measured in this study, medians of {ROUNDS} rounds, {environment.threads} threads",
        read_rates=rates,
        peak_ci={dtype: ci for dtype, (_, ci) in peaks.items() if ci is not None},
    )
