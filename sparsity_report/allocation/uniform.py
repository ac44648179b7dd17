"""
The same share of every matrix: what the methods of a comparison have in common unless it is about allocation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info
from . import Bounded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from ..contracts import MatrixShape
    from . import Evidence

INFO = Info(
    name="uniform",
    summary="the same sparsity for every matrix",
    equation=r"s_m = s",
    spoken="the sparsity of every matrix m is the asked sparsity s",
    cite="gale2019state",
)
NEEDS: tuple[str, ...] = ()


class Params(Bounded):
    """Nothing to tune; the bounds matter only where the sparsity itself is outside of them."""


def allocate(shapes: Sequence[MatrixShape], sparsity: Decimal, evidence: Evidence, params: Params) -> dict[str, float]:
    """s for all."""
    return {shape.path: float(sparsity) for shape in shapes}
