"""
First-order Taylor saliency: |W ⊙ ∂L/∂W| (Molchanov et al., CVPR 2019; for language models as in LLM-Pruner, Ma et al.,
NeurIPS 2023).

The papers square it, or sum it over whole filters and heads; single weights rank alike either way.

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
    name="taylor",
    summary="remove the weights whose removal changes the loss least, to first order",
    equation=r"S_{ij} = | \, W_{ij} \cdot \partial \mathcal{L} \,/\, \partial W_{ij} \, |",
    spoken="the score of weight i j is the absolute value of the weight times the derivative of the loss by it",
    cite="molchanov2019importance",
    needs=("gradient",),
    traits={
        "family": "gradient criterion",
        "removes": "weights, N:M groups, tiles, rows or columns",
        "speed-up": "as its pattern allows; single weights need a sparse kernel",
        "hardware": "memory for a backward pass",
        "weight update": "none",
    },
)
DEFAULT_SCOPE = "layer"
SEEDED = False
NEEDS: tuple[str, ...] = ("gradient",)


class Params(NoParams):
    """Nothing to tune."""


def refuses(pattern: Pattern, scope: str) -> str:
    """Any pattern and scope that selection knows: scores are losses, so that they compare across matrices."""
    return ""


def score(weight_OI: Tensor, task: Task, params: Params) -> Tensor:
    """
    |W ⊙ g| in float32, (O, I), with g the gradient of the mean loss over the calibration tokens.

    Raises ValueError where no gradient was collected.
    """
    if task.gradient_OI is None:
        raise ValueError(f"{task.path}: no gradient was collected")
    return (weight_OI.float() * task.gradient_OI.float()).abs()
