"""
Magnitude pruning: keep the weights with the largest |W| (Han et al., NeurIPS 2015).

Shapes: O out features, I in features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info, NoParams

if TYPE_CHECKING:
    from torch import Tensor

INFO = Info(
    name="magnitude",
    summary="remove the weights of smallest absolute value; needs no data",
    equation=r"S_{ij} = |W_{ij}|",
    spoken="the score of weight i j is its absolute value",
    cite="han2015learning",
)
DEFAULT_SCOPE = "layer"
SEEDED = False


class Params(NoParams):
    """Nothing to tune."""


def score(weight_OI: Tensor, params: Params, *, seed: int, path: str) -> Tensor:
    """|W| in float32, (O, I): half-precision weights are ranked by their exact values."""
    return weight_OI.float().abs()
