"""What can be counted of a variant without running it: zeros, bytes, multiplications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..models.anatomy import read
from .variant import component_bytes, model_bytes

if TYPE_CHECKING:
    from torch.nn import Module

    from ..contracts import ModelShape
    from ..models.anatomy import Anatomy, Matrix
    from .state import ModelState
    from .variant import Variant


@dataclass(frozen=True)
class Structure:
    """Counts of one leaf. Groups are those of `contracts.GROUPS`; parameters count once, tied ones in "embedding"."""

    shape: ModelShape
    targets: frozenset[str]
    """Paths of the targeted matrices."""
    target_weights: int
    pruned: int
    """Targeted weights that the masks remove."""
    target_zeros: int
    """Targeted weights that are zero, whether pruned or zero before."""
    zeros: dict[str, int]
    """Zeros per group, over all parameters."""
    model_bytes: int
    components: dict[str, int]
    executed: dict[str, int]
    """Weights multiplied per token, per group; the head counts even where its weights are tied."""


def zeros_by_parameter(model: Module) -> dict[str, int]:
    """Zeros of every parameter of the dense model; counted once a model, not once a cell."""
    return {name: parameter.numel() - int(parameter.count_nonzero()) for name, parameter in model.named_parameters()}


def group_zeros(state: ModelState, dense_zeros: dict[str, int]) -> tuple[dict[str, int], int]:
    """Zeros per group, and those among the targeted matrices, in this state."""
    zeros = dict.fromkeys(state.anatomy.shape.groups, 0)
    for name, count in dense_zeros.items():
        zeros[state.anatomy.group_of[name]] += count
    in_target = 0
    for matrix in state.targets:
        weight_OI = state.weight_OI(matrix)
        now = weight_OI.numel() - int(weight_OI.count_nonzero())
        in_target += now
        if state.differs(matrix.shape.path):
            before = _dense_zeros(state, matrix)
            zeros[matrix.shape.group] += now - before
    return zeros, in_target


def _dense_zeros(state: ModelState, matrix: Matrix) -> int:
    weight_OI = read(state.model, matrix)
    return weight_OI.numel() - int(weight_OI.count_nonzero())


def executed_by_group(anatomy: Anatomy, variant: Variant) -> dict[str, int]:
    """Weights multiplied per token in each group; look-ups and norms multiply no matrix."""
    totals = dict.fromkeys(anatomy.shape.groups, 0)
    totals.setdefault("lm_head", 0)
    counted: set[str] = set()
    for matrix in anatomy.matrices:
        if matrix.module not in variant.executed:
            totals[matrix.shape.group] += matrix.shape.numel
        elif matrix.module not in counted:  # the slices of a fused projection are executed together
            counted.add(matrix.module)
            totals[matrix.shape.group] += variant.executed[matrix.module]
    return totals


def count(state: ModelState, variant: Variant, dense_zeros: dict[str, int]) -> Structure:
    """All counts of a leaf."""
    zeros, target_zeros = group_zeros(state, dense_zeros)
    return Structure(
        shape=state.anatomy.shape,
        targets=frozenset(matrix.shape.path for matrix in state.targets),
        target_weights=sum(matrix.shape.numel for matrix in state.targets),
        pruned=sum(mask.numel() - int(mask.count_nonzero()) for mask in state.keep_masks.values()),
        target_zeros=target_zeros,
        zeros=zeros,
        model_bytes=model_bytes(variant.model),
        components=component_bytes(variant),
        executed=executed_by_group(state.anatomy, variant),
    )
