"""
What comparing methods needs of their pruned states: reconstruction errors and mask overlap, matrix by matrix.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import torch

from ..results.model import OverlapRecord
from .walk import blocks_of, statistics_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from ..contracts import Node
    from ..models.blocks import BlockSource
    from .state import ModelState

Errors = tuple[tuple[float, float], ...]
"""For every targeted matrix ‖(W − Ŵ)X‖² and ‖WX‖², per calibration token."""


def quadratic(weight_OI: Tensor, gram_II: Tensor) -> float:
    """‖W X‖² = Σ (W G) ∘ W, where G = XXᵀ."""
    return float(((weight_OI @ gram_II) * weight_OI).sum(dtype=torch.float64))


@torch.no_grad()
def reconstruction_errors(
    dense: ModelState, states: Mapping[str, ModelState], source: BlockSource, ids_NL: Tensor
) -> dict[str, Errors]:
    """
    Errors of every state, by its key, on the dense model's inputs: one walk for all of them.

    The dense inputs are the same for every method, so that the errors can be compared; they are not the inputs that a
    method with `propagate = "pruned"` has minimised its error on.
    """
    targets = blocks_of(dense)
    found: dict[str, dict[str, tuple[float, float]]] = {key: {} for key in states}
    for index, statistics in statistics_of(dense, source, ids_NL, ("gram",)):
        for matrix in targets[index]:
            seen, weight_OI = statistics[matrix.input_group], dense.weight_OI(matrix).float()
            gram_II = seen.gram_II
            assert gram_II is not None
            gram_II = gram_II / seen.tokens
            whole = quadratic(weight_OI, gram_II)
            for key, state in states.items():
                error = quadratic(weight_OI - state.weight_OI(matrix).float(), gram_II)
                found[key][matrix.shape.path] = (error, whole)
    return {key: tuple(errors[matrix.shape.path] for matrix in dense.targets) for key, errors in found.items()}


def comparable(nodes: Sequence[Node]) -> list[tuple[Node, Node]]:
    """Pairs of states of one model, of one pruning stage each, that were asked for the same pattern and sparsity."""

    def asked(node: Node) -> tuple[str, str, str]:
        stage = node.stages[-1]
        return (node.model, str(stage.pattern), str(stage.sparsity))

    pruned = [node for node in nodes if [stage.op for stage in node.stages] == ["prune"]]
    seeds = [seed for node in nodes if (seed := calibration_seed(node)) is not None]
    single = [node for node in pruned if calibration_seed(node) in (None, *seeds[:1])]
    return [pair for pair in combinations(single, 2) if asked(pair[0]) == asked(pair[1])]


def calibration_seed(node: Node) -> int | None:
    """The seed of the last stage's calibration set; states with another than the study's first are repetitions."""
    calibration = node.stages[-1].params.get("calibration") if node.stages else None
    return None if calibration is None else int(calibration["seed"])


def overlap(first: Node, second: Node, states: tuple[ModelState, ModelState]) -> OverlapRecord:
    """Jaccard index |A ∩ B| / |A ∪ B| of what two states remove; 1 where neither removes anything."""
    both = either = one = other = weights = 0
    values = []
    for matrix in states[0].targets:
        removed, too = (~state.keep_masks[matrix.shape.path] for state in states)
        shared, union = int((removed & too).sum()), int((removed | too).sum())
        values.append(shared / union if union else 1.0)
        both, either = both + shared, either + union
        one, other, weights = one + int(removed.sum()), other + int(too.sum()), weights + removed.numel()
    s, t = one / weights, other / weights
    return OverlapRecord(
        model=first.model,
        first=first.key,
        second=second.key,
        jaccard=tuple(values),
        total=both / either if either else 1.0,
        chance=s * t / (s + t - s * t) if s + t else 1.0,
    )
