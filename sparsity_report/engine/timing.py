"""
Timing is a property of a pair: a variant and dense, interleaved in one process, so that drift hits both.

A round runs each model once: prefill of a prompt, then greedy decoding token by token with the KV cache. The order
within a round alternates. Dense against dense, measured the same way, is the noise floor.
"""

from __future__ import annotations

import gc
import inspect
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor, nn

WARM_UP_ROUNDS = (2, 8)
"""At least and at most so many rounds before measuring …"""
STABLE = 0.1
"""… until two rounds in a row differ by less than this fraction."""


@dataclass(frozen=True)
class Setting:
    """One point of the latency grid: sequences at a time, prompt length and tokens decoded one by one."""

    batch: int
    prompt: int
    decode: int
    runs: int
    seconds: float


@dataclass(frozen=True)
class PairSamples:
    """Seconds of each round, (R,): the whole prefill, and decoding per token (empty without decoding)."""

    setting: Setting
    variant_prefill: NDArray[np.float64]
    dense_prefill: NDArray[np.float64]
    variant_decode: NDArray[np.float64]
    dense_decode: NDArray[np.float64]

    def phases(self) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
        """(phase, variant, dense) for each phase that was timed."""
        yield "prefill", self.variant_prefill, self.dense_prefill
        if self.setting.decode:
            yield "decode", self.variant_decode, self.dense_decode


def synchronise(device: torch.device) -> None:
    """Waits for a CUDA device; a CPU is always in step."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def cache_of(output: Any) -> dict[str, Any]:
    """The key-value cache as the next call takes it: `cache` since transformers 5.24, `past_key_values` before."""
    name = "cache" if hasattr(output, "cache") else "past_key_values"
    return {name: getattr(output, name)}


@torch.inference_mode()
def run_once(model: nn.Module, prompt_BT: Tensor, decode: int) -> tuple[float, float]:
    """Seconds of one prefill, and seconds per decoded token (0.0 without decoding)."""
    last: dict[str, Any] = (
        {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
    )
    synchronise(prompt_BT.device)
    started = time.perf_counter()
    output = model(input_ids=prompt_BT, use_cache=True, **last)
    token = output.logits[:, -1:].argmax(-1)
    synchronise(prompt_BT.device)
    prefilled = time.perf_counter()
    for _ in range(decode):
        output = model(input_ids=token, use_cache=True, **cache_of(output))
        token = output.logits[:, -1:].argmax(-1)
    synchronise(prompt_BT.device)
    return prefilled - started, (time.perf_counter() - prefilled) / decode if decode else 0.0


def interleave(
    variant: nn.Module, dense: nn.Module, prompt_BT: Tensor, setting: Setting
) -> Iterator[NDArray[np.float64]]:
    """Rounds without end: [[variant prefill, decode], [dense prefill, decode]], the order alternating."""
    flip = False
    while True:
        times: dict[bool, tuple[float, float]] = {}
        for is_dense in (flip, not flip):
            times[is_dense] = run_once(dense if is_dense else variant, prompt_BT, setting.decode)
        yield np.array([times[False], times[True]])
        flip = not flip


def warm_up(rounds: Iterator[NDArray[np.float64]]) -> None:
    """Runs until two rounds agree: first calls compile, allocate and fill caches."""
    least, most = WARM_UP_ROUNDS
    previous = np.inf
    for number in range(most):
        total = float(next(rounds).sum())
        if number + 1 >= least and abs(total - previous) < STABLE * total:
            return
        previous = total


def time_pair(variant: nn.Module, dense: nn.Module, prompt_BT: Tensor, setting: Setting) -> PairSamples:
    """At least `setting.runs` rounds and `setting.seconds`, with garbage collection held back."""
    rounds = interleave(variant, dense, prompt_BT, setting)
    warm_up(rounds)
    samples: list[NDArray[np.float64]] = []
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        started = time.perf_counter()
        while len(samples) < setting.runs or time.perf_counter() - started < setting.seconds:
            samples.append(next(rounds))
    finally:
        if was_enabled:
            gc.enable()
    table = np.stack(samples)
    return PairSamples(setting, table[:, 0, 0], table[:, 1, 0], table[:, 0, 1], table[:, 1, 1])
