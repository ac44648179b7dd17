"""
OWL, outlier weighed layerwise sparsity: decoder blocks with more outliers among |W|·‖x‖ keep more (Yin et al., ICML
2024).

The authors centre on the mean over blocks, which is right where all blocks have the same number of weights. Ours are
the same numbers there; elsewhere `counting.py` shifts them until the achieved sparsity is the asked one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from ..contracts import Info
from . import Bounded, around

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from torch import Tensor

    from ..contracts import MatrixShape
    from . import Evidence

INFO = Info(
    name="owl",
    summary="decoder blocks with more outliers among |W|·‖x‖ keep more",
    equation=r"s_b = s - d_b + \bar{d} , \qquad d_b = 2 \lambda\, \dfrac{D_b - \min D}{\max D - \min D}",
    spoken="D b is the per cent of the block's scores above M times their mean; scaled to between zero and two lambda "
    "and centred, it is taken off the sparsity of block b",
    cite="yin2024owl",
    needs=("calibration",),
    result_version=2,
)
NEEDS = ("outliers",)


class Params(Bounded):
    """`multiple` is M: an outlier is above M times its block's mean. `spread` is λ: blocks stay within ± λ of s."""

    multiple: float = Field(default=5.0, gt=1)
    spread: float = Field(default=0.08, ge=0, lt=1)


def outlier_ratio(scores: Sequence[Tensor], multiple: float) -> float:
    """D: per cent of all scores of a decoder block, taken together, that lie above `multiple` times their mean."""
    count = sum(score.numel() for score in scores)
    mean = sum(float(score.double().sum()) for score in scores) / count
    return 100 * sum(int((score > multiple * mean).sum()) for score in scores) / count


def allocate(shapes: Sequence[MatrixShape], sparsity: Decimal, evidence: Evidence, params: Params) -> dict[str, float]:
    """One sparsity a decoder block."""
    return around(shapes, float(sparsity), evidence.outliers, params.spread)
