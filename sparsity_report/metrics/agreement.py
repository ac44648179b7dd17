"""Agreement with dense: the same most likely token, that token among the first five, and how many of the five."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info, Quantity
from ..results.stats import bootstrap_mean, wilson
from ._record import record

if TYPE_CHECKING:
    from torch import Tensor

    from ..engine.behaviour import Scores
    from ..results.model import Condition, Measurement
    from ..windows import Windows

LEVEL = "behaviour"
WINDOWED = ("top1", "top5", "overlap5")
"""What the columns of `per_token` are called where their mean over each window is kept."""

FIRST = 5

INFO = Info(
    name="agreement",
    summary="share of positions at which dense and variant rank the same token first; the same for the first five",
    equation=r"\mathrm{top1} \;=\; \dfrac{1}{n}\; \#\left\{\, t \;:\; \hat{k}_t^{\,(d)} = \hat{k}_t^{\,(v)} \,\right\}",
    spoken="top-1 agreement is the share of the n positions t at which dense d and variant v rank the same token first",
    cite="wilson1927probable",
    result_version=2,
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
        Quantity(
            "agreement_top5",
            "1",
            "measured",
            "float",
            "higher",
            "share of predicted positions at which the dense model's first token is among the variant's first five; "
            "95 % interval by Wilson",
            "forgives a decision that was nearly tied; neighbouring positions are not independent",
        ),
        Quantity(
            "overlap_top5",
            "1",
            "measured",
            "float",
            "higher",
            "mean share of the dense model's first five tokens that are among the variant's first five; "
            "95 % bootstrap interval over windows",
            "says nothing of their order",
        ),
    ),
)


def per_token(scores: Scores) -> Tensor:
    """
    (T, 3): 1 where the largest logits coincide; where dense's is among the variant's five; the share of five in common.

    All are 0 where the variant's largest logit is not finite.
    """
    import torch

    values, own = scores.variant.ranked
    own, dense = own[:, :FIRST], scores.dense.ranked[1][:, :FIRST]
    shared = own[:, :, None] == dense[:, None, :]
    found = torch.stack(
        [shared[:, 0, 0], shared[:, :, 0].any(1), shared.sum((1, 2)) / dense.shape[1]], dim=1
    )  # NaN anywhere makes the largest NaN
    return found * values[:, :1].isfinite()


def measure(values_NT3: Tensor, conditions: dict[str, Condition], windows: Windows) -> list[Measurement]:
    """Two shares with Wilson's interval for n positions, and a mean with a bootstrap interval over windows."""
    count = values_NT3[..., 0].numel()
    top1, top5 = (int(hits) for hits in values_NT3[..., :2].sum((0, 1)))
    overlap, ci = bootstrap_mean(values_NT3[..., 2].mean(dim=1).numpy())
    return [
        record(INFO, "agreement_top1", top1 / count, conditions, ci=wilson(top1, count), n=count),
        record(INFO, "agreement_top5", top5 / count, conditions, ci=wilson(top5, count), n=count),
        record(INFO, "overlap_top5", overlap, conditions, ci=ci, n=count),
    ]
