"""
Flips: where the variant's most likely token is another than dense's, by how sure dense was and how frequent its token.

The margin of a decision is the probability of dense's first token minus that of its second. A flip of a decision that
was nearly tied says less than one where dense was sure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info, Quantity
from ..results.stats import wilson
from ._record import record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ..engine.behaviour import Scores
    from ..results.model import Condition, Measurement
    from ..windows import Windows

LEVEL = "behaviour"

MARGINS = ((0.0, 0.1), (0.1, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.0))
"""Bins of the margin, the upper end excluded but for the last."""
FREQUENCIES = ((0.0, 1e-4), (1e-4, 1e-3), (1e-3, 1e-2), (1e-2, 1.0))
"""Bins of a token's share of the evaluated tokens, the upper end excluded but for the last."""

INFO = Info(
    name="flips",
    summary="share of changed first tokens by the dense model's margin and by the frequency of its token",
    equation=r"m_t \;=\; p_t^{(d)}(\hat{k}_t) - p_t^{(d)}(\hat{k}_t^{\prime}), \qquad "
    r"\mathrm{flips}(B) \;=\; \dfrac{\#\{\, t \in B \;:\; \hat{k}_t^{\,(v)} \neq \hat{k}_t^{\,(d)} \,\}}{|B|}",
    spoken="the margin at position t is the dense probability of its first token minus that of its second; the flips "
    "of a bin B are the share of its positions at which variant and dense rank another token first",
    cite="wilson1927probable",
    quantities=(
        Quantity(
            "flip_rate",
            "1",
            "measured",
            "float",
            "lower",
            "share of predicted positions at which the variant's largest logit is another token's than dense's; by "
            "`margin`, the dense probability of its first token minus that of its second, or by `frequency`, the "
            "share of dense's first token among all tokens of the evaluated windows; 95 % interval by Wilson",
            "a flip is a change, not an error; neighbouring positions are not independent",
        ),
    ),
)


def per_token(scores: Scores) -> Tensor:
    """(T, 3): whether the first token changed, dense's margin, and dense's first token."""
    import torch

    dense = scores.dense
    two = dense.ranked[1][:, :2]
    first, *second = dense.log_probability_TV.gather(1, two).double().exp().unbind(1)
    margin = first - second[0] if second else first
    values, own = scores.variant.ranked
    flipped = (own[:, 0] != two[:, 0]) | ~values[:, 0].isfinite()
    return torch.stack([flipped.double(), margin, two[:, 0].double()], dim=1)


def measure(values_NT3: Tensor, conditions: dict[str, Condition], windows: Windows) -> list[Measurement]:
    """Over all positions, by margin and by frequency; a bin without positions has no value."""
    import torch

    flipped, margin, token = values_NT3.flatten(0, 1).unbind(-1)
    ids = windows.ids.flatten()
    counts = torch.bincount(ids, minlength=int(token.max()) + 1)
    frequency = counts[token.long()].double() / ids.numel()
    return [
        rate(flipped, conditions),
        *by_bin(flipped, margin, MARGINS, "margin", conditions),
        *by_bin(flipped, frequency, FREQUENCIES, "frequency", conditions),
    ]


def by_bin(
    flipped: Tensor, of: Tensor, bins: tuple[tuple[float, float], ...], name: str, conditions: dict[str, Condition]
) -> Iterator[Measurement]:
    """The flips of every bin that has positions; the condition is "0.1–0.2"."""
    for low, high in bins:
        inside = (of >= low) & ((of < high) | (of <= high if (low, high) == bins[-1] else False))
        if inside.any():
            yield rate(flipped[inside], conditions | {name: f"{low:g}–{high:g}"})


def rate(flipped: Tensor, conditions: dict[str, Condition]) -> Measurement:
    count, hits = flipped.numel(), int(flipped.sum())
    return record(INFO, "flip_rate", hits / count, conditions, ci=wilson(hits, count), n=count)
