"""
What differs from the dense model: keep masks, and nothing more.

The dense weights stay where they are; a state is cheap to keep and to throw away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import registry
from ..contracts import Pattern
from ..errors import Problem, SpecError
from ..models.anatomy import Anatomy, Matrix, read, rows_of
from ..selection import keep_masks
from ..targeting import targeted_shapes
from ..tasks import Task

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from ..contracts import Node, Stage
    from ..spec.model import Target


UNSTRUCTURED = Pattern()


@dataclass(frozen=True)
class ModelState:
    """A node's model: the dense one, with masks by matrix path. keep_masks are True where kept, (O, I)."""

    model: Module
    anatomy: Anatomy
    targets: tuple[Matrix, ...]
    pattern: Pattern = UNSTRUCTURED
    keep_masks: dict[str, Tensor] = field(default_factory=dict)

    def weight_OI(self, matrix: Matrix) -> Tensor:
        """The matrix as this state has it, canonical (O, I); pruned weights are +0."""
        weight = read(self.model, matrix)
        mask = self.keep_masks.get(matrix.shape.path)
        return weight if mask is None else weight.masked_fill(~mask.to(weight.device), 0.0)


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


def prune(state: ModelState, stage: Stage) -> ModelState:
    """The state after a prune stage: scores of what is not yet pruned, then exact masks."""
    method = registry.need("methods", stage.entry)
    own = {name: value for name, value in stage.params.items() if name in method.Params.model_fields}
    params = method.Params.model_validate(own)
    scores = [
        method.score(state.weight_OI(matrix), Task(matrix.shape.path, stage.pattern, 0, seed=stage.seed), params)
        for matrix in state.targets
    ]
    masks = keep_masks(
        scores, pattern=stage.pattern, scope=stage.scope, sparsity=stage.sparsity, compat=stage.params["compat"]
    )
    by_path = {matrix.shape.path: mask for matrix, mask in zip(state.targets, masks, strict=True)}
    return ModelState(state.model, state.anatomy, state.targets, stage.pattern, by_path)


def reach(dense: ModelState, node: Node) -> ModelState:
    """The dense state taken through all stages of the node."""
    state = dense
    for stage in node.stages:
        state = prune(state, stage)
    return state


def module_keep_mask(state: ModelState, module_path: str, shape: tuple[int, int]) -> Tensor | None:
    """The mask of a whole module, (O, I): slices of a fused projection put together. None if nothing is pruned."""
    import torch

    whole: Tensor | None = None
    for matrix in state.anatomy.matrices:
        mask = state.keep_masks.get(matrix.shape.path)
        if matrix.module != module_path or mask is None:
            continue
        if whole is None:
            whole = torch.ones(shape, dtype=torch.bool, device=mask.device)
        whole[rows_of(matrix)] = mask
    return whole
