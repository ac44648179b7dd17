"""Kullback–Leibler divergence of the variant's next-token distribution from the dense model's."""

from __future__ import annotations

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
INFO = Info(
    name="divergence",
    summary="KL(dense ‖ variant) over the whole vocabulary, mean over positions",
    equation=r"\mathrm{KL} \;=\; \dfrac{1}{n}\; \sum_{t=1}^{n} \;\sum_{k=1}^{V}\; "
    r"p_t^{(d)}(k)\; \ln \dfrac{p_t^{(d)}(k)}{p_t^{(v)}(k)}",
    spoken="the divergence is the mean over positions of the dense probabilities times the log of dense over variant",
    cite="kullback1951information",
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
    ),
)


def per_token(scores: Scores) -> Tensor:
    """KL(dense ‖ variant) in nats, (T,). A token that dense gives probability 0 contributes 0."""
    dense = scores.dense
    difference = dense.log_probability_TV - scores.log_probability_TV
    if dense.excludes_tokens:
        difference.masked_fill_(dense.log_probability_TV.isneginf(), 0.0)
    return difference.mul_(dense.probability_TV).sum(-1)


def measure(values_NT: Tensor, conditions: dict[str, Condition], windows: Windows) -> list[Measurement]:
    """The mean, with a bootstrap interval over windows."""
    mean, ci = bootstrap_mean(values_NT.mean(dim=1).numpy())
    return [record(INFO, "kl_divergence", mean, conditions, ci=ci, n=values_NT.numel())]
