"""
The roofline model: a phase takes at least as long as its bytes take to read, and at least as long as its operations
take to compute (Williams, Waterman and Patterson, 2009).

What counts as work is the least that any execution must do: every stored weight that is not only looked up is read
once a forward, the key-value cache is read and written, linear maps and attention products are computed. Activations,
norms and softmax are left out. So the bound is one from below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..contracts import AttentionShape
    from ..results.model import MachineRecord

Limit = Literal["memory", "compute"]


@dataclass(frozen=True)
class Work:
    """One forward: bytes moved and operations done, of which `flops_2_4` multiply 2:4 sparse weights (as if dense)."""

    bytes: float
    flops: float
    flops_2_4: float = 0.0

    @property
    def intensity(self) -> float:
        """FLOP per byte."""
        return self.flops / self.bytes


@dataclass(frozen=True)
class Weights:
    """
    A variant's weights: bytes read by every forward, bytes that one token looks up, and weights multiplied per token
    in the body and in the head. `body_2_4` are those of the body that a 2:4 unit could take.
    """

    read: int
    looked_up: int
    body: int
    head: int
    body_2_4: int = 0


@dataclass(frozen=True)
class Bound:
    """Seconds that a forward takes at least; None where the machine's figure for that side is not known."""

    memory_s: float | None
    compute_s: float | None

    @property
    def seconds(self) -> float:
        return max(self.memory_s or 0.0, self.compute_s or 0.0)

    @property
    def limit(self) -> Limit:
        return "memory" if (self.memory_s or 0.0) >= (self.compute_s or 0.0) else "compute"


def cached(shape: AttentionShape, tokens: int) -> int:
    """Tokens whose keys and values are kept, summed over the layers: all, or as many as a layer's window holds."""
    return sum(tokens if kept is None else min(tokens, kept) for kept in shape.kept)


def cache_bytes(shape: AttentionShape, tokens: int, value_bytes: int) -> int:
    """Bytes of the key-value cache of one sequence: keys and values of every layer's own heads (GQA has fewer)."""
    return 2 * shape.kv_heads * shape.head_dim * value_bytes * cached(shape, tokens)


def attention_flops(shape: AttentionShape, position: int) -> int:
    """QKᵀ and AV of the token at `position` (the first is 1): two operations a product, for each key that it sees."""
    seen = sum(position if kept is None else min(position, kept + 1) for kept in shape.kept)
    return 2 * 2 * shape.heads * shape.head_dim * seen


def prefill(weights: Weights, shape: AttentionShape | None, batch: int, prompt: int, value_bytes: int) -> Work:
    """One forward over a prompt; the head only at its last position."""
    tokens = batch * prompt
    keys = 0 if shape is None else batch * sum(attention_flops(shape, each) for each in range(1, prompt + 1))
    written = 0 if shape is None else batch * cache_bytes(shape, prompt, value_bytes)
    return Work(
        weights.read + tokens * weights.looked_up + written,
        2 * (tokens * weights.body + batch * weights.head) + keys,
        2 * tokens * weights.body_2_4,
    )


def decode(
    weights: Weights, shape: AttentionShape | None, batch: int, contexts: Iterable[int], value_bytes: int
) -> Work:
    """The mean forward of one token a sequence; `contexts` are the tokens in the cache after each, itself included."""
    lengths = list(contexts)
    moved = keys = 0.0
    if shape is not None:
        moved = sum(cache_bytes(shape, each, value_bytes) for each in lengths) / len(lengths)
        keys = sum(attention_flops(shape, each) for each in lengths) / len(lengths)
    return Work(
        weights.read + batch * (weights.looked_up + moved),
        batch * (2 * (weights.body + weights.head) + keys),
        2 * batch * weights.body_2_4,
    )


def bandwidth(machine: MachineRecord, working_set: float) -> float | None:
    """
    Bytes per second. Where rates were measured by buffer size, that of the largest buffer that the working set holds:
    what fits into a cache is read faster.
    """
    fitting = [each for each in machine.read_rates if each.bytes <= working_set]
    if machine.read_rates:
        chosen = fitting[-1] if fitting else machine.read_rates[0]
        return chosen.bytes_per_s
    return machine.bandwidth


def compute_seconds(work: Work, machine: MachineRecord, dtype: str) -> float | None:
    """At the dtype's peak; what is 2:4 sparse at the peak of 2:4 units where the machine has them."""
    peak = machine.peak.get(dtype)
    if peak is None:
        return None
    sparse = machine.peak_2_4.get(dtype, peak)
    return (work.flops - work.flops_2_4) / peak + work.flops_2_4 / sparse


def bound(work: Work, machine: MachineRecord, dtype: str) -> Bound | None:
    """None where nothing is known about the machine that the work needs."""
    rate = bandwidth(machine, work.bytes)
    found = Bound(None if rate is None else work.bytes / rate, compute_seconds(work, machine, dtype))
    return None if found.memory_s is None and found.compute_s is None else found


def sequences(machine: MachineRecord, weight_bytes: float, sequence_bytes: int) -> int | None:
    """Sequences whose caches fit beside the weights; 0 where not even one does, None without a memory size."""
    if machine.memory_bytes is None:
        return None
    return max(0, int(machine.memory_bytes - weight_bytes) // sequence_bytes)


def cost_per_million(price_per_hour: float, seconds: float, tokens: int) -> float:
    """What a million tokens cost at least, where a forward of `tokens` takes `seconds`."""
    return price_per_hour / 3600 * seconds / tokens * 1e6
