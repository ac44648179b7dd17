"""Top-1 agreement: how often the variant's most likely token is the dense model's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info, Quantity
from ._record import record

if TYPE_CHECKING:
    from torch import Tensor

    from ..engine.behaviour import Scores
    from ..results.model import Condition, Measurement
    from ..windows import Windows

LEVEL = "behaviour"
INFO = Info(
    name="agreement",
    summary="share of positions at which dense and variant rank the same token first",
    equation=r"\mathrm{top1} \;=\; \dfrac{1}{n}\; \#\left\{\, t \;:\; \hat{k}_t^{\,(d)} = \hat{k}_t^{\,(v)} \,\right\}",
    spoken="top-1 agreement is the share of the n positions t at which dense d and variant v rank the same token first",
    cite="wilson1927probable",
    quantities=(
        Quantity(
            "agreement_top1",
            "1",
            "measured",
            "float",
            "higher",
            "share of predicted positions at which dense and variant have the same largest logit "
            "(in float32, equal logits by the lower token id); 95 % interval by Wilson",
            "ignores confidence and rank structure; depends on the text; neighbouring positions are not independent",
        ),
    ),
)


def per_token(scores: Scores) -> Tensor:
    """1 where the largest logits coincide, else 0; 0 where the variant's largest is not finite. (T,)"""
    largest, token = scores.variant_TV.max(-1)  # NaN anywhere makes the largest NaN
    return (scores.dense.top_T == token) & largest.isfinite()


def measure(values_NT: Tensor, conditions: dict[str, Condition], windows: Windows) -> list[Measurement]:
    """The share, with Wilson's interval for n positions."""
    from scipy.stats import binomtest

    count, hits = values_NT.numel(), int(values_NT.sum())
    interval = binomtest(hits, count).proportion_ci(method="wilson")
    ci = (float(interval.low), float(interval.high))
    return [record(INFO, "agreement_top1", hits / count, conditions, ci=ci, n=count)]
