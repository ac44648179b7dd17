"""
Erdős–Rényi densities: small matrices keep more (Mocanu et al., 2018; Evci et al., "RigL", ICML 2020, section 3.1).

For linear layers the "kernel" variant and the original are the same.
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
    name="erk",
    summary="density in proportion to (rows + columns) / (rows · columns): small matrices keep more",
    equation=r"1 - s_m = \min\!\left( 1, \; \epsilon\, \dfrac{O_m + I_m}{O_m I_m} \right)",
    spoken="the density of matrix m is epsilon times its rows plus columns over rows times columns, at most one; "
    "epsilon is such that the total is right",
    cite="evci2020rigging",
)
NEEDS: tuple[str, ...] = ()


class Params(Bounded):
    """Nothing to tune: ε follows from the sparsity."""


def allocate(shapes: Sequence[MatrixShape], sparsity: Decimal, evidence: Evidence, params: Params) -> dict[str, float]:
    """Matrices whose density would exceed 1 stay dense, and ε is solved again for the rest."""
    kept = (1 - float(sparsity)) * sum(shape.numel for shape in shapes)
    dense: set[str] = set()
    while True:
        rest = [shape for shape in shapes if shape.path not in dense]
        left = kept - sum(shape.numel for shape in shapes if shape.path in dense)
        epsilon = left / sum(shape.rows + shape.cols for shape in rest) if rest else 0.0
        density = {shape.path: epsilon * (shape.rows + shape.cols) / shape.numel for shape in rest}
        over = {path for path, value in density.items() if value > 1}
        if not over:
            return {shape.path: 1 - density.get(shape.path, 1.0) for shape in shapes}
        dense |= over
