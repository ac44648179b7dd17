"""
Layerwise sparsity allocation: how a study's sparsity is spread over its matrices. One file a rule, torch-free heads.

An entry exports `INFO`, `Params` (a `Bounded`), `NEEDS` (what it reads of the dense model: "outliers", "sensitivity",
or nothing) and `allocate(shapes, sparsity, evidence, params) -> dict[path, float]`: the wanted sparsity of every
matrix, in 0..1. The shares need not add up, nor keep the bounds: `counting.py` turns them into exact counts that do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from ..contracts import Params
from ..errors import Problem, SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..contracts import MatrixShape


class Bounded(Params):
    """No matrix loses less than `minimum` or more than `maximum` of its weights."""

    minimum: float = Field(default=0.0, ge=0, lt=1)
    maximum: float = Field(default=0.99, gt=0, lt=1)

    @model_validator(mode="after")
    def _in_order(self) -> Bounded:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum:g} is more than maximum {self.maximum:g}")
        return self


@dataclass(frozen=True)
class Evidence:
    """
    What was measured on the dense model, by decoder block.

    `outliers`: per cent of the block's |W|·‖x‖ that lie above a multiple of their mean. `sensitivity`: increase of the
    negative log-likelihood when the block alone is pruned, nats per token; blocks that were not scanned are absent.
    """

    outliers: Mapping[int, float] = field(default_factory=dict)
    sensitivity: Mapping[int, float] = field(default_factory=dict)


def around(
    shapes: Sequence[MatrixShape], sparsity: float, importance: Mapping[int, float], spread: float
) -> dict[str, float]:
    """
    OWL's rule: block sparsities within ± `spread` of the asked one, the most important block the least sparse.

    Importance is scaled to [0, 2·spread] and centred on its mean over blocks; shares are cut at 0 and 1. Matrices
    outside of the decoder blocks stay at the mean. Raises SpecError where no decoder block was measured.
    """
    if not importance:
        message = "this allocation compares decoder blocks, and none of them was measured"
        raise SpecError(Problem("variant.allocation", message, hint="target matrices of decoder blocks"))
    low, high = min(importance.values()), max(importance.values())
    steepness = 2 * spread / (high - low) if high > low else 0.0
    scaled = {block: (value - low) * steepness for block, value in importance.items()}
    mean = sum(scaled.values()) / len(scaled)
    return {shape.path: min(max(sparsity - scaled.get(shape.block, mean) + mean, 0.0), 1.0) for shape in shapes}
