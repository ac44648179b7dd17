"""Rank correlation: does the variant put the dense model's most likely tokens in the same order? (Spearman, 1904)"""

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
WINDOWED = ("spearman",)
"""What the columns of `per_token` are called where their mean over each window is kept."""

INFO = Info(
    name="ranks",
    summary="Spearman correlation of the ranks that dense and variant give the dense model's ten most likely tokens",
    equation=r"\rho_t \;=\; 1 - \dfrac{6\; \Sigma_{i=1}^{k}\; (i - r_{ti})^2}{k\,(k^2 - 1)}",
    spoken="Spearman's rho at position t is one minus six times the sum over the k tokens of the squared differences "
    "of their ranks, over k times k squared minus one",
    cite="spearman1904proof",
    quantities=(
        Quantity(
            "rank_correlation",
            "1",
            "measured",
            "float",
            "higher",
            "mean over predicted positions of Spearman's correlation between the order of the dense model's ten "
            "largest logits and that of the variant's logits for the same tokens (equal logits by the lower token id); "
            "1 is the same order; 95 % bootstrap interval over windows",
            "blind to tokens that rise from below the first ten, and to how far logits lie apart",
        ),
    ),
)


def per_token(scores: Scores) -> Tensor:
    """Spearman's correlation over the dense model's first k tokens, (T,); NaN where the variant is not finite."""
    import torch

    tokens = scores.dense.ranked[1]
    count = tokens.shape[1]
    own = scores.variant.logits_TV.gather(1, tokens)
    by_token = tokens.argsort(dim=1)  # a stable sort after it breaks ties by the lower token
    order = by_token.gather(1, own.gather(1, by_token).argsort(dim=1, descending=True, stable=True))
    ranks = order.argsort(dim=1)
    squares = (ranks - torch.arange(count, device=ranks.device)).square().sum(1).double()
    found = 1 - 6 * squares / max(1, count * (count**2 - 1))
    return found.masked_fill_(~own.isfinite().all(1), torch.nan)


def measure(values_NT: Tensor, conditions: dict[str, Condition], windows: Windows) -> list[Measurement]:
    """The mean, with a bootstrap interval over windows."""
    mean, ci = bootstrap_mean(values_NT.mean(dim=1).numpy())
    return [record(INFO, "rank_correlation", mean, conditions, ci=ci, n=values_NT.numel())]
