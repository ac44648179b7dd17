"""Perplexity: the exponential of the mean negative log-likelihood per token (Jelinek et al., 1977)."""

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
WINDOWED = ("nll", "nll_of_dense")
"""What the columns of `per_token` are called where their mean over each window is kept."""
INFO = Info(
    name="perplexity",
    summary="exponential of the mean negative log-likelihood per token; its ratio to dense; bits per byte",
    equation=r"\mathrm{PPL} \;=\; \exp\left( -\dfrac{1}{n}\; \sum_{t=1}^{n}\; \ln\, p_t(x_{t+1}) \right)",
    spoken="perplexity is the exponential of the mean negative log probability of the next token",
    cite="jelinek1977perplexity",
    quantities=(
        Quantity(
            "perplexity",
            "1",
            "measured",
            "float",
            "lower",
            "exp of the mean negative log-likelihood per predicted token over equal windows; "
            "95 % bootstrap interval over windows",
            "comparable only for the same text, tokenizer, window length and BOS policy: the protocol says which",
        ),
        Quantity(
            "perplexity_ratio",
            "1",
            "measured",
            "float",
            "lower",
            "perplexity over that of dense, from the same windows in pairs: exp of the mean difference of losses; "
            "95 % bootstrap interval over windows",
            "tighter than two perplexities side by side, whose intervals mostly say how unlike the windows are",
        ),
        Quantity(
            "bits_per_byte",
            "bit/B",
            "measured",
            "float",
            "lower",
            "negative log₂-likelihood of the predicted tokens over their UTF-8 bytes; comparable across tokenizers",
            "",
        ),
    ),
)


def per_token(scores: Scores) -> Tensor:
    """Negative log-likelihood of the next token in nats, of the variant and of dense, (T, 2)."""
    import torch

    target = scores.target_T[:, None]
    return -torch.cat(
        [
            scores.variant.log_probability_TV.gather(1, target),
            scores.dense.log_probability_TV.gather(1, target),
        ],
        dim=1,
    )


def measure(values_NT2: Tensor, conditions: dict[str, Condition], windows: Windows) -> list[Measurement]:
    """Means of window means, which are token means because all windows have equal length."""
    count = values_NT2[..., 0].numel()
    own, dense = values_NT2.mean(dim=1).unbind(-1)
    loss, ci = bootstrap_mean(own.numpy())
    excess, excess_ci = bootstrap_mean((own - dense).numpy())
    bits = count / math.log(2) / windows.predicted_bytes if windows.predicted_bytes else math.nan
    return [
        record(INFO, "perplexity", _exp(loss), conditions, ci=_exp_interval(ci), n=count),
        record(INFO, "perplexity_ratio", _exp(excess), conditions, ci=_exp_interval(excess_ci), n=count),
        record(INFO, "bits_per_byte", loss * bits, conditions, ci=ci and (ci[0] * bits, ci[1] * bits), n=count),
    ]


def _exp_interval(ci: tuple[float, float] | None) -> tuple[float, float] | None:
    """None where a bound is not finite."""
    if ci is None or not all(math.isfinite(_exp(bound)) for bound in ci):
        return None
    return (_exp(ci[0]), _exp(ci[1]))


def _exp(loss: float) -> float:
    """exp that overflows to infinity: a collapsed model has one."""
    return math.exp(loss) if loss < 700 else math.inf
