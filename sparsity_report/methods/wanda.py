"""
Wanda: weight times the norm of its input (Sun et al., ICLR 2024, equation 1).

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
    name="wanda",
    summary="remove, in every output row, the weights of smallest |W| times the norm of their input",
    equation=r"S_{ij} = |W_{ij}| \cdot \Vert X_j \Vert_2",
    spoken="the score of weight i j is its absolute value times the norm of input feature j",
    cite="sun2024wanda",
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
DEFAULT_SCOPE = "row"
SEEDED = False
NEEDS: tuple[str, ...] = ("sq_sum",)


class Params(NoParams):
    """Nothing to tune."""


def refuses(pattern: Pattern, scope: str) -> str:
    """Any pattern and scope that selection knows."""
    return ""


def score(weight_OI: Tensor, task: Task, params: Params) -> Tensor:
    """
    |W|·rms(x) in float32, (O, I).

    The paper's norm over all tokens is rms(x)·√T: within a matrix both rank alike, and the rms compares across matrices
    whatever the number of tokens. Raises ValueError where no calibration statistics were collected.
    """
    return weight_OI.float().abs() * task.inputs.rms_I.float()
