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
INFO = Info(
    name="perplexity",
    summary="exponential of the mean negative log-likelihood per token; bits per byte beside it",
    equation=r"\mathrm{PPL} = \exp\left( -\frac{1}{n} \sum_{t} \log p(x_{t+1} \mid x_{\leq t}) \right)",
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
    """Negative log-likelihood of the next token in nats, (T,)."""
    return -scores.log_probability_TV.gather(-1, scores.target_T[:, None])[:, 0]


def measure(values_NT: Tensor, conditions: dict[str, Condition], windows: Windows) -> list[Measurement]:
    """Mean of window means, which is the token mean because all windows have equal length."""
    loss, ci = bootstrap_mean(values_NT.mean(dim=1).numpy())
    bits = float(values_NT.sum()) / math.log(2) / windows.predicted_bytes if windows.predicted_bytes else math.nan
    bounds = None if ci is None else (_exp(ci[0]), _exp(ci[1]))
    finite = bounds if bounds is not None and all(map(math.isfinite, bounds)) else None
    return [
        record(INFO, "perplexity", _exp(loss), conditions, ci=finite, n=values_NT.numel()),
        record(INFO, "bits_per_byte", bits, conditions, n=values_NT.numel()),
    ]


def _exp(loss: float) -> float:
    """exp that overflows to infinity: a collapsed model has one."""
    return math.exp(loss) if loss < 700 else math.inf
