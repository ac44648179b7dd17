"""How far the variant's next-token distribution is from the dense model's: Kullback–Leibler and Jensen–Shannon."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..contracts import Info, Quantity
from ..results.stats import bootstrap_mean
from ._record import record

if TYPE_CHECKING:
    from torch import Tensor

    from ..engine.behaviour import Scores
    from ..results.model import Condition, Measurement
    from ..windows import Windows

LEVEL = "behaviour"
WINDOWED = ("kl", "js")
"""What the columns of `per_token` are called where their mean over each window is kept."""

FURTHEST = 20.0
"""Of two log-probabilities, in nats: beyond it the smaller probability is none beside the larger in float32."""

INFO = Info(
    name="divergence",
    summary="KL(dense ‖ variant) and Jensen–Shannon over the whole vocabulary, mean over positions",
    equation=r"\mathrm{KL} \;=\; \dfrac{1}{n}\; \sum_{t=1}^{n} \;\sum_{k=1}^{V}\; "
    r"p_t^{(d)}(k)\; \ln \dfrac{p_t^{(d)}(k)}{p_t^{(v)}(k)}",
    spoken="the divergence is the mean over positions of the dense probabilities times the log of dense over variant",
    cite="kullback1951information",
    result_version=2,
    quantities=(
        Quantity(
            "kl_divergence",
            "nat",
            "measured",
            "float",
            "lower",
            "mean over predicted positions of KL(dense ‖ variant), float32, whole vocabulary; "
            "95 % bootstrap interval over windows",
            "weights every position alike; says how far the distributions are apart, not which is better",
        ),
        Quantity(
            "js_divergence",
            "nat",
            "measured",
            "float",
            "lower",
            "mean over predicted positions of the Jensen–Shannon divergence of dense and variant, float32, whole "
            "vocabulary: symmetric, and at most ln 2; 95 % bootstrap interval over windows",
            "saturates where the distributions have little in common",
        ),
    ),
)


def per_token(scores: Scores) -> Tensor:
    """KL(dense ‖ variant) and their Jensen–Shannon divergence in nats, (T, 2)."""
    import torch

    p_TV, log_p_TV, log_q_TV = (
        scores.dense.probability_TV,
        scores.dense.log_probability_TV,
        scores.variant.log_probability_TV,
    )
    difference = log_p_TV - log_q_TV
    if scores.dense.excludes_tokens:  # 0 · log 0 is 0; with −inf on both sides the difference is NaN
        difference.masked_fill_(log_p_TV.isneginf(), 0.0)
    kl_T = torch.linalg.vecdot(difference, p_TV)
    if scores.dense.excludes_tokens:
        difference.masked_fill_(log_p_TV.isneginf(), -FURTHEST)
    return torch.stack([kl_T, jensen_shannon(difference, p_TV, scores.variant.probability_TV)], dim=1)


def jensen_shannon(difference_TV: Tensor, p_TV: Tensor, q_TV: Tensor) -> Tensor:
    """
    ½ KL(p ‖ m) + ½ KL(q ‖ m) with m = ½ (p + q), (T,), from ln p − ln q, which it overwrites.

    ln p/m is ln 2 − ln(1 + q/p): no difference of entropies, which would lose small divergences, and exactly 0 for
    equal distributions.
    """
    import torch

    difference_TV.clamp_(-FURTHEST, FURTHEST)
    away = torch.linalg.vecdot(difference_TV, q_TV)
    share = torch.nn.functional.softplus(difference_TV.neg_(), threshold=FURTHEST).neg_().add_(math.log(2))
    found: Tensor = (torch.linalg.vecdot(share, p_TV) + torch.linalg.vecdot(share, q_TV) - away) / 2
    return found.clamp_min(0.0)


def measure(values_NT2: Tensor, conditions: dict[str, Condition], windows: Windows) -> list[Measurement]:
    """The means, with bootstrap intervals over windows."""
    count = values_NT2[..., 0].numel()
    found = []
    for metric, means in zip(("kl_divergence", "js_divergence"), values_NT2.mean(dim=1).unbind(-1), strict=True):
        mean, ci = bootstrap_mean(means.numpy())
        found.append(record(INFO, metric, mean, conditions, ci=ci, n=count))
    return found
