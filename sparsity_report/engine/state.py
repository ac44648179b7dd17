"""
What differs from the dense model: keep masks, changed or low-precision weights, reordered in_features; nothing more.

The dense weights stay where they are; a state is cheap to keep and to throw away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from ..contracts import Pattern
from ..errors import Problem, SpecError
from ..models import anatomy as anatomies
from ..models.anatomy import Anatomy, Matrix, read, rows_of
from ..targeting import targeted_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor
    from torch.nn import Module

    from ..low_precision import LowPrecision
    from ..spec.model import Target


UNSTRUCTURED = Pattern()


@dataclass(frozen=True)
class ModelState:
    """
    A node's model: the dense one, with what its stages changed.

    keep_masks (O, I) are True where kept; changed_weights (O, I) hold the weights that a method updated, 0 where
    pruned; low_precision holds, instead, what a quantize stage left; all by matrix path. permutations (I,) by module
    path are the orders of in_features in which a pattern N:M holds.
    """

    model: Module
    anatomy: Anatomy
    targets: tuple[Matrix, ...]
    pattern: Pattern = UNSTRUCTURED
    keep_masks: Mapping[str, Tensor] = field(default_factory=dict)
    changed_weights: Mapping[str, Tensor] = field(default_factory=dict)
    low_precision: Mapping[str, LowPrecision] = field(default_factory=dict)
    permutations: Mapping[str, Tensor] = field(default_factory=dict)

    def differs(self, path: str) -> bool:
        """Whether a stage has changed the matrix."""
        return path in self.keep_masks or path in self.low_precision

    def weight_OI(self, matrix: Matrix) -> Tensor:
        """The matrix as this state has it, canonical (O, I); pruned weights are +0."""
        path = matrix.shape.path
        weight = read(self.model, matrix).detach()
        if path in self.low_precision:
            return self.low_precision[path].weight_OI(weight.dtype).to(weight.device)
        if path in self.changed_weights:
            return self.changed_weights[path].to(weight.device)
        if path not in self.keep_masks:
            return weight
        return weight.masked_fill(~self.keep_masks[path].to(weight.device), 0.0)

    def module_weight_OI(self, path: str) -> Tensor:
        """A whole module's weight as this state has it, (O, I): slices of a fused projection put together."""
        parts = [matrix for matrix in self.anatomy.matrices if matrix.module == path]
        weight = anatomies.module_weight_OI(self.model.get_submodule(path)).detach()
        if not any(self.differs(matrix.shape.path) for matrix in parts):
            return weight
        if len(parts) == 1:
            return self.weight_OI(parts[0])
        whole = weight.clone()
        for matrix in parts:
            whole[rows_of(matrix)] = self.weight_OI(matrix)
        return whole

    def module_values(self, path: str) -> tuple[Tensor, Tensor | None]:
        """What a format stores of a module: values (O, I), and row scales (O,) where a quantize stage left them."""
        parts = [matrix for matrix in self.anatomy.matrices if matrix.module == path]
        if not all(matrix.shape.path in self.low_precision for matrix in parts):
            return self.module_weight_OI(path), None
        weight = anatomies.module_weight_OI(self.model.get_submodule(path))
        stored = [self.low_precision[matrix.shape.path] for matrix in parts]
        order = torch.cat([rows_of(matrix) for matrix in parts]).argsort()
        values_OI = torch.cat([each.values_OI for each in stored])[order].to(weight.device)
        scales = [each.scales_O for each in stored if each.scales_O is not None]
        return values_OI, torch.cat(scales)[order].to(weight.device) if scales else None


def targeted(anatomy: Anatomy, target: Target) -> tuple[Matrix, ...]:
    """
    The matrices that the spec's target names, in the model's order.

    Raises SpecError as `targeted_shapes` does, and for weights that are tied to the embedding.
    """
    chosen = set(targeted_shapes(anatomy.shape.matrices, target))
    matrices = tuple(matrix for matrix in anatomy.matrices if matrix.shape in chosen)
    problems = [
        Problem(
            "target.groups",
            f"{matrix.shape.path} shares its weights with {matrix.tied_to}: pruning it would prune the embedding",
            hint='leave "lm_head" out for this model',
        )
        for matrix in matrices
        if matrix.tied_to
    ]
    if problems:
        raise SpecError(*problems)
    return matrices
