"""
Magnitude pruning: keep the weights with the largest |W| (Han et al., NeurIPS 2015).

Shapes: O out features, I in features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info, NoParams

if TYPE_CHECKING:
    from torch import Tensor

    from ..contracts import Pattern
    from ..tasks import Task

INFO = Info(
    name="magnitude",
    summary="remove the weights of smallest absolute value; needs no data",
    equation=r"S_{ij} = |W_{ij}|",
    spoken="the score of weight i j is its absolute value",
    cite="han2015learning",
    traits={
        "family": "data-free criterion",
        "removes": "weights, N:M groups, tiles, rows or columns",
        "speed-up": "as its pattern allows; single weights need a sparse kernel",
        "hardware": "any",
        "weight update": "none",
    },
)
DEFAULT_SCOPE = "layer"
SEEDED = False
NEEDS: tuple[str, ...] = ()


class Params(NoParams):
    """Nothing to tune."""


def refuses(pattern: Pattern, scope: str) -> str:
    """Any pattern and scope that selection knows."""
    return ""


def score(weight_OI: Tensor, task: Task, params: Params) -> Tensor:
    """|W| in float32, (O, I): half-precision weights are ranked by their exact values."""
    return weight_OI.float().abs()
