"""Sparsity: the fraction of zeros, over the target, over the model, and by group; and where the parameters are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info, Quantity
from ._record import record

if TYPE_CHECKING:
    from ..engine.structure import Structure
    from ..results.model import Measurement

LEVEL = "structure"
INFO = Info(
    name="sparsity",
    summary="fraction of zero weights over the target, the model and each group",
    equation=r"S \;=\; 1 - \dfrac{N}{T}",
    spoken="sparsity is one minus the nonzero parameters over all parameters",
    cite="gale2019state",
    quantities=(
        Quantity(
            "sparsity",
            "1",
            "counted",
            "exact",
            "none",
            "zeros among all parameters of the model, or of a group; the same for every format of one mask",
            "mixes pruned and untouched parts; zeros that the model had before count too",
        ),
        Quantity(
            "sparsity_target", "1", "counted", "exact", "none", "zeros among the weights of the targeted matrices"
        ),
        Quantity(
            "pruned_fraction",
            "1",
            "counted",
            "exact",
            "none",
            "weights that the mask removes among those of the targeted matrices, whatever their values were",
        ),
        Quantity(
            "parameter_fraction",
            "1",
            "counted",
            "exact",
            "none",
            "a group's share of all parameters; tied weights count once, in the embedding",
        ),
    ),
)


def measure(structure: Structure) -> list[Measurement]:
    """Sparsities and shares; a group without parameters has neither."""
    groups = {group: size for group, size in structure.shape.groups.items() if size}
    total = structure.shape.parameters
    return [
        record(INFO, "sparsity", sum(structure.zeros.values()) / total),
        record(INFO, "sparsity_target", structure.target_zeros / structure.target_weights),
        record(INFO, "pruned_fraction", structure.pruned / structure.target_weights),
        *(record(INFO, "sparsity", structure.zeros[group] / size, {"group": group}) for group, size in groups.items()),
        *(record(INFO, "parameter_fraction", size / total, {"group": group}) for group, size in groups.items()),
    ]
