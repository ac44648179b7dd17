"""
Wanda's variant with a share of each row's score (Sun et al., ICLR 2024, appendix; `use_variant` in their code).

Every output row loses its smallest scores as long as their sum stays within a share α of the row's whole sum; α is one
number for the matrix, such that the matrix as a whole loses what was asked. The authors find α by bisection, to within
0.1 % of the sparsity. Here it needs no search: call c_ij the share of its row's sum that is gone once weight ij is gone
and all smaller ones of its row are. Row i loses ij exactly when c_ij ≤ α, so that removing the k smallest c of the
matrix is the rule with α = the k-th smallest c, and the count is exact (equal c: by position).

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
    name="wanda-alpha",
    summary="Wanda's scores, but every output row loses the same share of its summed score, not the same number",
    equation=r"C_{ij} = \dfrac{\Sigma_{k\,:\,S_{ik} \leq S_{ij}}\; S_{ik}}{\Sigma_k\; S_{ik}}, \qquad "
    r"S_{ij} = |W_{ij}| \cdot \Vert X_j \Vert_2",
    spoken="the score of weight i j is the share of its row's summed Wanda scores that belongs to scores up to its own",
    cite="sun2024wanda",
    needs=("sq_sum",),
    traits={
        "family": "activation-aware criterion",
        "removes": "weights",
        "speed-up": "needs a sparse kernel",
        "hardware": "any",
        "weight update": "none",
    },
)
DEFAULT_SCOPE = "layer"
SEEDED = False
NEEDS: tuple[str, ...] = ("sq_sum",)


class Params(NoParams):
    """Nothing to tune: α follows from the sparsity."""


def refuses(pattern: Pattern, scope: str) -> str:
    """Single weights only, with rows that may lose different numbers of them."""
    if not pattern.unstructured:
        return f'"wanda-alpha" spreads single weights over rows, and the pattern "{pattern}" leaves nothing to spread'
    if scope == "row":
        return '"wanda-alpha" lets rows lose different numbers of weights: with scope "row" it is "wanda"'
    return ""


def score(weight_OI: Tensor, task: Task, params: Params) -> Tensor:
    """
    The share of the row's summed score up to each weight, (O, I) float32 in 0..1; 0 in a row without any score.

    Raises ValueError where no calibration statistics were collected.
    """
    import torch

    own_OI = weight_OI.float().abs() * task.inputs.rms_I.float()
    order = own_OI.argsort(dim=1, stable=True)
    running_OI = own_OI.double().gather(1, order).cumsum(1)
    total_O1 = running_OI[:, -1:]
    share_OI = torch.where(total_O1 > 0, running_OI / total_O1, 0.0)
    return torch.zeros_like(own_OI).scatter_(1, order, share_OI.float())
