"""The FLOPs proxy: two operations for each weight that a linear map multiplies, per token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info, Quantity
from ._record import record

if TYPE_CHECKING:
    from ..engine.structure import Structure
    from ..results.model import Measurement

LEVEL = "structure"
INFO = Info(
    name="flops",
    summary="floating-point operations of the linear maps per token, as the format executes them",
    equation=r"F \;=\; 2 \, O \, I \quad\;\mathrm{or}\;\quad F \;=\; 2 \; \mathrm{nnz}(W)",
    spoken="operations are twice in features times out features, or twice the nonzeros where the format skips zeros",
    cite="gale2019state",
    quantities=(
        Quantity(
            "flops_per_token",
            "FLOP",
            "counted",
            "exact",
            "lower",
            "2 · in · out for each linear map, 2 · nnz where the format multiplies only stored values; "
            "in total or by group",
            "a proxy, not a time: without attention's QKᵀ and AV products, norms and look-ups, and without the cost "
            "of indices and irregular memory access",
        ),
    ),
)


def measure(structure: Structure) -> list[Measurement]:
    """Total and by group."""
    return [
        record(INFO, "flops_per_token", 2 * sum(structure.executed.values())),
        *(
            record(INFO, "flops_per_token", 2 * weights, {"group": group})
            for group, weights in structure.executed.items()
        ),
    ]
