"""
Timing is a property of a pair: a variant and dense, interleaved in one process, so that drift hits both.

A turn runs both models once, stage by stage: prefill of the prompt by one and then the other, greedy decoding token by
token with the KV cache by one and then the other. A round is two turns in opposite order, because who comes second is
faster (prefill of a small model: by 6 %). Dense against a copy of itself, measured the same way, is the noise floor.

Shapes: R rounds, 2 models (variant, dense), S stages of a turn (prefill, then up to each decoded length).
"""

from __future__ import annotations

import gc
import inspect
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..results.timing import is_precise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor, nn

    Floats = NDArray[np.float64]
    Clock = Callable[[], Floats]

WARM_UP_ROUNDS = 4
"""At most so many rounds before measuring …"""
STABLE = 0.1
"""… until the turns of a round differ by less than this fraction."""


@dataclass(frozen=True)
class Setting:
    """
    One point of the latency grid: sequences at a time, prompt length, and the numbers of tokens decoded one by one.

    Rounds are measured until there are `runs` of them, they took `seconds`, and the ratio of every phase is known to
    within the precision of `results.timing`; but no longer than `limit` seconds for the sake of precision.
    """

    batch: int
    prompt: int
    decode: tuple[int, ...]
    runs: int
    seconds: float
    limit: float = 0.0

    @property
    def longest(self) -> int:
        """Decoded tokens in all."""
        return max(self.decode, default=0)


@dataclass(frozen=True)
class Phase:
    """
    Seconds of each round, (R,), the mean of its turns: a whole prefill, or decoding per token. Joules of the variant
    likewise, NaN where none are read.
    """

    name: str
    decode: int
    variant: Floats
    dense: Floats
    joules: Floats

    @property
    def ratio(self) -> Floats:
        """The speed-up of every round."""
        return self.dense / self.variant


@dataclass(frozen=True)
class PairSamples:
    """What was read of a pair: `table` is (2R, 2, S, 2), turn by turn; the last axis is seconds and joules."""

    setting: Setting
    table: Floats

    def phases(self) -> Iterator[Phase]:
        """Prefill, and each decoded length."""
        rounds = (self.table[::2] + self.table[1::2]) / 2
        (variant, joules), dense = np.moveaxis(rounds[:, 0], -1, 0), rounds[:, 1, :, 0]
        yield Phase("prefill", 0, variant[:, 0], dense[:, 0], joules[:, 0])
        for stage, length in enumerate(self.setting.decode, start=1):
            per_token = (each[:, 1 : stage + 1].sum(1) / length for each in (variant, dense, joules))
            yield Phase("decode", length, *per_token)


def read_clock() -> Floats:
    """Seconds, and no joules."""
    return np.array([time.perf_counter(), np.nan])


def synchronise(device: torch.device) -> None:
    """Waits for a CUDA device; a CPU is always in step."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def cache_of(output: Any) -> dict[str, Any]:
    """The key-value cache as the next call takes it: `cache` since transformers 5.24, `past_key_values` before."""
    name = "cache" if hasattr(output, "cache") else "past_key_values"
    return {name: getattr(output, name)}


def prefill(model: nn.Module, prompt_BT: Tensor) -> tuple[Tensor, Any]:
    """The token that follows the prompt, (B, 1), and what the model put out."""
    last = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
    output = model(input_ids=prompt_BT, use_cache=True, **last)
    return output.logits[:, -1:].argmax(-1), output


def decode(model: nn.Module, token_B1: Tensor, output: Any, steps: int) -> tuple[Tensor, Any]:
    """`steps` tokens more, one after another."""
    for _ in range(steps):
        output = model(input_ids=token_B1, use_cache=True, **cache_of(output))
        token_B1 = output.logits[:, -1:].argmax(-1)
    return token_B1, output


@torch.inference_mode()
def run_once(model: nn.Module, prompt_BT: Tensor, steps: int) -> tuple[float, float]:
    """Seconds of one prefill, and seconds per decoded token (0.0 without decoding)."""
    synchronise(prompt_BT.device)
    started = time.perf_counter()
    reached = prefill(model, prompt_BT)
    synchronise(prompt_BT.device)
    prefilled = time.perf_counter()
    decode(model, *reached, steps)
    synchronise(prompt_BT.device)
    return prefilled - started, (time.perf_counter() - prefilled) / steps if steps else 0.0


@torch.inference_mode()
def turn(models: tuple[nn.Module, nn.Module], prompt_BT: Tensor, lengths: tuple[int, ...], clock: Clock) -> Floats:
    """(2, S, 2): both models, stage by stage, in the order given."""
    table = np.empty((2, 1 + len(lengths), 2))
    reached: list[tuple[Tensor, Any]] = [(prompt_BT, None), (prompt_BT, None)]
    for stage, steps in enumerate((0, *np.diff((0, *lengths)).tolist())):
        for place, model in enumerate(models):
            synchronise(prompt_BT.device)
            started = clock()
            reached[place] = decode(model, *reached[place], steps) if stage else prefill(model, prompt_BT)
            synchronise(prompt_BT.device)
            table[place, stage] = clock() - started
    return table


def rounds_of(
    variant: nn.Module, dense: nn.Module, prompt_BT: Tensor, lengths: tuple[int, ...], clock: Clock = read_clock
) -> Iterator[Floats]:
    """Rounds without end, (2, 2, S, 2): two turns, the variant's numbers first in both."""
    while True:
        one = turn((variant, dense), prompt_BT, lengths, clock)
        other = turn((dense, variant), prompt_BT, lengths, clock)[::-1]
        yield np.stack([one, other])


def warm_up(rounds: Iterator[Floats]) -> None:
    """Runs until two turns agree: first calls compile, allocate and fill caches."""
    for _ in range(WARM_UP_ROUNDS):
        one, other = next(rounds)[..., 0].sum((1, 2))
        if abs(one - other) < STABLE * one:
            return


def is_enough(pair: PairSamples, elapsed: float) -> bool:
    """Whether the rounds meet what the setting asks for after `elapsed` seconds."""
    setting = pair.setting
    if len(pair.table) < 2 * setting.runs or elapsed < setting.seconds:
        return False
    return elapsed >= setting.limit or all(is_precise(phase.ratio) for phase in pair.phases())


def collect(rounds: Iterator[Floats], setting: Setting, clock: Callable[[], float] = time.perf_counter) -> PairSamples:
    """Rounds until they are enough."""
    turns: list[Floats] = []
    started = clock()
    while True:
        turns.extend(next(rounds))
        pair = PairSamples(setting, np.stack(turns))
        if is_enough(pair, clock() - started):
            return pair


def time_pair(
    variant: nn.Module, dense: nn.Module, prompt_BT: Tensor, setting: Setting, clock: Clock = read_clock
) -> PairSamples:
    """Warm-up, then rounds until they are enough, with garbage collection held back."""
    rounds = rounds_of(variant, dense, prompt_BT, setting.decode, clock)
    warm_up(rounds)
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        return collect(rounds, setting)
    finally:
        if was_enabled:
            gc.enable()
