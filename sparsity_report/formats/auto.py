"""
Auto: the format that is fastest on this machine, measured.

For each shape, type and share of kept weights, dense and every format that can hold the matrix are timed once, at the
numbers of tokens that matter (`tokens`), beside each other. The one with the least product of times is taken, so dense
where dense wins. Choices are kept in the user's cache, by processor and version of the kernels; the cell's record says
what was picked and how it compares with dense.

Bytes by arithmetic are those of the choice, once there is one; before, those of "nm" or "bitmask".
"""

from __future__ import annotations

import json
import math
import os
import statistics
import time
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from .. import contracts, registry
from ..contracts import Info, Pattern

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

INFO = Info(
    name="auto",
    summary="the fastest of dense, bitmask, csr and nm for each matrix, as measured on this machine",
    cite="fan2025spinfer",
)
SKIPS_ZEROS = False
IN_PLACE = False
CANDIDATES = ("dense", "bitmask", "csr", "nm")
ROUNDS = 5
STEP = 0.05
"""Shares of kept weights count as equal within this step."""


class Params(contracts.Params):
    """`tokens`: how many there are in the calls that matter; one is decoding, many are a prompt or a batch."""

    tokens: tuple[int, ...] = (1, 64)


@dataclass(frozen=True)
class Choice:
    """What was measured of one kind of matrix: seconds at each number of tokens, by format."""

    entry: str
    tokens: tuple[int, ...]
    seconds: dict[str, list[float]]

    def speedups(self) -> list[float]:
        """Of the choice over dense."""
        return [dense / own for dense, own in zip(self.seconds["dense"], self.seconds[self.entry], strict=True)]


def refuses(pattern: Pattern) -> str:
    return ""


def key_of(rows: int, cols: int, kept: int, value_bytes: int, pattern: Pattern, params: Params) -> str:
    share = round(kept / (rows * cols) / STEP) * STEP if rows * cols else 0
    tokens = ",".join(map(str, params.tokens))
    return f"{rows}x{cols} {value_bytes} bytes {share:.2f} kept {pattern} at {tokens} tokens"


@cache
def file() -> Path:
    """Where the choices of this machine are kept."""
    from ..kernels.cache import user_cache
    from ..kernels.cpu import fingerprint

    return user_cache("choices") / f"{fingerprint()}.json"


def known() -> dict[str, Choice]:
    """Choices that were made before."""
    try:
        stored: dict[str, Any] = json.loads(file().read_text(encoding="utf-8"))
        return {key: Choice(each["entry"], tuple(each["tokens"]), each["seconds"]) for key, each in stored.items()}
    except (OSError, ValueError, KeyError, TypeError):  # not there yet, or cut short: measure again
        return {}


def remember(key: str, choice: Choice) -> None:
    """Adds a choice to the file, which is complete at any moment."""
    file().parent.mkdir(parents=True, exist_ok=True)
    partial = file().with_suffix(f".{os.getpid()}.partial")
    everything = {name: asdict(each) for name, each in (known() | {key: choice}).items()}
    partial.write_text(json.dumps(everything, indent=1), encoding="utf-8")
    partial.replace(file())


def stored_bytes(
    rows: int, cols: int, kept: int, value_bytes: int, pattern: Pattern, params: Params, permuted: bool = False
) -> dict[str, int]:
    choice = known().get(key_of(rows, cols, kept, value_bytes, pattern, params))
    module = registry.get("formats", choice.entry if choice else "nm" if pattern.is_nm else "bitmask")
    sizes: dict[str, int] = module.stored_bytes(rows, cols, kept, value_bytes, pattern, module.Params(), permuted)
    return sizes


def encode(
    weight_OI: Tensor, pattern: Pattern, params: Params, permutation_I: Tensor | None = None
) -> dict[str, Tensor]:
    kept, (rows, cols) = int(weight_OI.count_nonzero()), weight_OI.shape
    key = key_of(rows, cols, kept, weight_OI.element_size(), pattern, params)
    choice = known().get(key)
    if choice is None:
        choice = measured(weight_OI, pattern, params, permutation_I)
        remember(key, choice)
    module = registry.get("formats", choice.entry)
    tensors: dict[str, Tensor] = module.encode(weight_OI, pattern, module.Params(), permutation_I)
    for tensor in tensors.values():
        _reasons()[tensor] = choice
    return tensors


@cache
def _reasons() -> Any:
    """The choice behind each stored tensor, as long as there is the tensor."""
    from torch.utils.weak import WeakTensorKeyDictionary

    return WeakTensorKeyDictionary()


def measured(weight_OI: Tensor, pattern: Pattern, params: Params, permutation_I: Tensor | None) -> Choice:
    """Times every format that can hold the matrix and multiply by it here, interleaved; the median of rounds."""
    import torch

    dtype = str(weight_OI.dtype).removeprefix("torch.")
    device = weight_OI.device.type
    encoded = {}
    for name in CANDIDATES:
        module = registry.get("formats", name)
        if module.refuses(pattern) or (name == "nm" and not pattern.is_nm):
            continue
        tensors = module.encode(weight_OI, pattern, module.Params(), permutation_I)
        instead = module.fallback(device, dtype, [tensors], pattern)
        if instead is None or instead[0] != "not executed":  # what is unpacked or widened takes the time for it
            encoded[name] = tensors
    shape = (weight_OI.shape[0], weight_OI.shape[1])
    computes_in = weight_OI.dtype if weight_OI.is_floating_point() else torch.float32
    seconds: dict[str, list[float]] = {name: [] for name in encoded}
    with torch.inference_mode():
        for tokens in params.tokens:
            x = torch.ones(tokens, shape[1], dtype=computes_in, device=weight_OI.device)
            for name, times in _interleaved(encoded, shape, pattern, x).items():
                seconds[name].append(statistics.median(times))
    entry = min(seconds, key=lambda name: sum(map(math.log, seconds[name])))
    return Choice(entry, params.tokens, seconds)


def _interleaved(
    encoded: dict[str, dict[str, Tensor]], shape: tuple[int, int], pattern: Pattern, x: Tensor
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in encoded}
    for number in range(ROUNDS + 2):
        for name, tensors in encoded.items():
            started = time.perf_counter()
            registry.get("formats", name).apply(tensors, shape, pattern, x, None)
            if number >= 2:  # the first calls compile and fill caches
                times[name].append(time.perf_counter() - started)
    return times


def entry_of(tensors: dict[str, Tensor]) -> str:
    """Which format's tensors these are."""
    marks = {"dense": "dense", "mask": "bitmask", "indices": "csr", "positions": "nm", "semi_structured": "nm"}
    return next(entry for component, entry in marks.items() if component in tensors)


def decode(tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern) -> Tensor:
    weight_OI: Tensor = registry.get("formats", entry_of(tensors)).decode(tensors, shape, pattern)
    return weight_OI


def apply(
    tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern, x: Tensor, bias: Tensor | None
) -> Tensor:
    y: Tensor = registry.get("formats", entry_of(tensors)).apply(tensors, shape, pattern, x, bias)
    return y


def fallback(
    device: str, dtype: str, layers: Sequence[dict[str, Tensor]], pattern: Pattern
) -> tuple[str, str, int] | None:
    """What was picked, and why: how the choices compare with dense."""
    if not layers:
        return None
    counts = Counter(map(entry_of, layers))
    picked = ", ".join(f"{entry} in {count} layer{'s' * (count > 1)}" for entry, count in counts.most_common())
    reasons = [_reasons()[tensor] for tensors in layers for tensor in tensors.values() if tensor in _reasons()]
    why = [
        _comparison(entry, [each for each in reasons if each.entry == entry]) for entry in counts if entry != "dense"
    ]
    return (f"picked {picked}", "; ".join(filter(None, why)) or "no format was faster than dense", len(layers))


def _comparison(entry: str, choices: Sequence[Choice]) -> str:
    """ "bitmask measured at 3.1–4.0 × dense with 1 token, …" """
    parts = []
    for number, tokens in enumerate(choices[0].tokens if choices else ()):
        speedups = [each.speedups()[number] for each in choices]
        low, high = min(speedups), max(speedups)
        span = f"{low:.1f}" if f"{low:.1f}" == f"{high:.1f}" else f"{low:.1f}–{high:.1f}"
        parts.append(f"{span} × dense with {tokens} token{'s' * (tokens > 1)}")
    return f"{entry} measured at {', '.join(parts)}" if parts else ""
