"""
Random pruning: the control that every criterion must beat (Gale et al., 2019, use it as their baseline).

Shapes: O out features, I in features.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ..contracts import Info, NoParams

if TYPE_CHECKING:
    from torch import Tensor

    from ..contracts import Pattern
    from ..tasks import Task

INFO = Info(
    name="random",
    summary="remove weights at random; the control that a criterion must beat",
    equation=r"S_{ij} \sim \mathcal{U}(0, 1)",
    spoken="the score of weight i j is drawn uniformly between zero and one",
    cite="gale2019state",
    traits={
        "family": "control",
        "removes": "weights, N:M groups, tiles, rows or columns",
        "speed-up": "as its pattern allows",
        "hardware": "any",
        "weight update": "none",
    },
)
DEFAULT_SCOPE = "layer"
SEEDED = True
NEEDS: tuple[str, ...] = ()


class Params(NoParams):
    """Nothing to tune but the seed."""


def refuses(pattern: Pattern, scope: str) -> str:
    """Any pattern and scope that selection knows."""
    return ""


def score(weight_OI: Tensor, task: Task, params: Params) -> Tensor:
    """
    Uniform scores, (O, I) float32, from the seed and the matrix's path.

    Seeding by path makes a matrix's mask independent of which other matrices are pruned, and in what order.
    """
    import torch

    digest = hashlib.sha256(f"{task.seed}:{task.path}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
    return torch.rand(weight_OI.shape, generator=generator).to(weight_OI.device)
