"""
RIA, relative importance and activations (Zhang et al., ICLR 2024).

Shapes: O out features, I in features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from ..contracts import Info
from ..contracts import Params as Base

if TYPE_CHECKING:
    from torch import Tensor

    from ..contracts import Pattern
    from ..tasks import Task

INFO = Info(
    name="ria",
    summary="remove the weights of smallest share in their row and column, times a power of their input's norm",
    equation=r"S_{ij} = \left( \dfrac{|W_{ij}|}{\Sigma_k\, |W_{kj}|} + \dfrac{|W_{ij}|}{\Sigma_k\, |W_{ik}|} \right)"
    r" \cdot \Vert X_j \Vert_2^{\,a}",
    spoken="the score of weight i j is its absolute value over the sum of its column, plus its absolute value over the "
    "sum of its row, times the norm of input feature j to the power a",
    cite="zhang2024ria",
    needs=("sq_sum",),
    result_version=2,
    traits={
        "family": "activation-aware criterion",
        "removes": "weights, N:M groups, tiles, rows or columns",
        "speed-up": "as its pattern allows; single weights need a sparse kernel",
        "hardware": "any",
        "weight update": "none",
    },
)
DEFAULT_SCOPE = "layer"
SEEDED = False
NEEDS: tuple[str, ...] = ("sq_sum",)


class Params(Base):
    """`a` is the power of the input's norm; 0 leaves relative importance alone."""

    a: float = Field(0.5, ge=0)


def refuses(pattern: Pattern, scope: str) -> str:
    """Any pattern and scope that selection knows."""
    return ""


def score(weight_OI: Tensor, task: Task, params: Params) -> Tensor:
    """
    (|W| / column sum + |W| / row sum) · rms(x)^a in float32, (O, I); a row or column of zeros scores 0.

    Raises ValueError where no calibration statistics were collected.
    """
    size_OI = weight_OI.float().abs()
    relative_OI = _shares(size_OI, 0) + _shares(size_OI, 1)
    return relative_OI * task.inputs.rms_I.float().pow(params.a)


def _shares(size_OI: Tensor, dim: int) -> Tensor:
    """Each weight's share of the sum along `dim`; 0 of a sum of 0."""
    total = size_OI.sum(dim, keepdim=True)
    return size_OI / total.masked_fill(total == 0, 1.0)
