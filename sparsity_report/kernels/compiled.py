"""
Compiles the loops, keeps the machine code in the user's cache, and runs them on PyTorch's own OpenMP pool.

A loop is compiled when it is first called and loaded in later processes. The folder's name is a fingerprint of our
sources, Numba and the processor: Numba alone would not notice that an intrinsic changed.
"""

from __future__ import annotations

import os
import threading
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import torch  # before Numba: both then share one OpenMP library, and one pool of threads

from .cache import user_cache
from .cpu import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable

LAYERS = ["omp", "tbb", "workqueue"]
"""Numba's threading layers in our order: one pool with PyTorch first."""


@cache
def _prepare_numba() -> None:
    """Numba as we want it in this process, where the user has not said otherwise."""
    from numba import config

    if "NUMBA_THREADING_LAYER_PRIORITY" not in os.environ:
        config.THREADING_LAYER_PRIORITY = LAYERS


def loop(function: Callable[..., Any]) -> Callable[..., Any]:
    """
    Compiles a loop whose `prange` runs in parallel; arguments are addresses and counts.

    Numba would merge two such loops of equal length: it does not see that the second reads, through addresses, what
    all threads wrote in the first.
    """
    return _compile(function, parallel={"fusion": False})


def step(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles what loops call."""
    return _compile(function, parallel=False)


def _compile(function: Callable[..., Any], parallel: bool | dict[str, bool]) -> Callable[..., Any]:
    from numba import config, njit

    _prepare_numba()
    before = config.CACHE_DIR
    config.CACHE_DIR = str(user_cache("kernels") / fingerprint())  # read when a function is decorated
    try:
        compiled: Callable[..., Any] = njit(function, cache=True, parallel=parallel, nogil=True, error_model="numpy")
    finally:
        config.CACHE_DIR = before
    return compiled


class Pool:
    """How many threads the loops use, and whether several callers may use them at once."""

    def __init__(self) -> None:
        self.threads = 0
        self.lock: threading.Lock | None = threading.Lock()
        self.started = False

    def parts(self) -> int:
        """Pieces to cut the rows into: PyTorch's threads, of which Numba uses as many as it has."""
        threads = torch.get_num_threads()
        if threads != self.threads:
            import numba

            numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
            torch.set_num_threads(threads)  # the first call of Numba's gave the pool that both share all cores
            self.threads = threads
        return threads

    def run(self, loop: Callable[..., Any], *arguments: int) -> None:
        """Runs a loop: the first one, which starts the threads, alone; then one at a time where the layer asks it."""
        if self.lock is None:
            loop(*arguments)
            return
        with self.lock:
            loop(*arguments)
            if not self.started:
                self.started = True
                self.lock = self.lock if _layer() == "workqueue" else None


def _layer() -> str:
    """Numba's threading layer, with a warning where it is not PyTorch's."""
    import numba

    layer: str = numba.threading_layer()
    if layer != "omp":
        warnings.warn(
            f"Numba runs on {layer}, not on PyTorch's OpenMP threads: two pools compete, and timings suffer",
            RuntimeWarning,
            stacklevel=4,
        )
    return layer


POOL = Pool()
