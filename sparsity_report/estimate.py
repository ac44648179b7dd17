"""
What a study will take, before anything is loaded: arithmetic on the model's shape. Torch-free, and rough on purpose.

Bytes are exact; memory is what the engine keeps at the same time; time assumes one speed for all machines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .accounting import VALUE_BYTES, break_even, kept_weights, target_bytes
from .contracts import FormatChoice, Pattern
from .planning import nodes_of
from .targeting import is_targeted
from .windows import MAX_DEFAULT_LENGTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .contracts import Cell, MatrixShape, ModelShape
    from .spec.model import Model, Spec

ASSUMED_FLOPS_PER_SECOND = 60e9
"""Two ordinary CPU cores in float32."""
BASE_MEMORY_BYTES = 450 * 2**20
"""Python, PyTorch and transformers, loaded."""


def matching(shape: ModelShape, spec: Spec) -> tuple[MatrixShape, ...]:
    """The matrices that the spec's target names."""
    return tuple(matrix for matrix in shape.matrices if is_targeted(matrix, spec.target))


@dataclass(frozen=True)
class CellBytes:
    """Bytes of a cell, by arithmetic: of the targeted matrices and of the whole model's parameters."""

    target: int
    model: int
    ratio: float


def cell_bytes(shape: ModelShape, targets: Sequence[MatrixShape], cell: Cell, dtype: str) -> CellBytes:
    value = VALUE_BYTES[dtype]
    dense_target = sum(matrix.numel for matrix in targets) * value
    pattern = cell.node.stages[-1].pattern if cell.node.stages else Pattern()
    kept = kept_weights(targets, cell.node.stages)
    target = sum(target_bytes(targets, cell.format, kept, value, pattern).values())
    dense_model = shape.parameters * value
    model = dense_model - dense_target + target
    return CellBytes(target, model, model / dense_model)


def account(shape: ModelShape, spec: Spec, model: Model, cells: Sequence[Cell]) -> dict[str, Any]:
    """Parameters, bytes of every cell and break-even sparsities, as plain data."""
    targets, value = matching(shape, spec), VALUE_BYTES[model.dtype]
    prunable = sum(matrix.numel for matrix in targets)
    return {
        "architecture": shape.architecture,
        "parameters": shape.parameters,
        "prunable": prunable,
        "prunable_fraction": prunable / shape.parameters,
        "groups": dict(shape.groups),
        "dense_bytes": shape.parameters * value,
        "break_even": {
            f"csr-{index}": break_even(targets, FormatChoice("csr", {"index": index}), value, Pattern())
            for index in ("int32", "int64")
        },
        "cells": {
            cell.id: {"target_bytes": size.target, "model_bytes": size.model, "ratio_to_dense": size.ratio}
            for cell in cells
            for size in [cell_bytes(shape, targets, cell, model.dtype)]
        },
    }


def memory_bytes(shape: ModelShape, spec: Spec, model: Model, cells: Sequence[Cell]) -> int:
    """Dense, the largest variant's layers beside it, hidden states of all nodes, and the libraries."""
    targets, value = matching(shape, spec), VALUE_BYTES[model.dtype]
    largest = max(cell_bytes(shape, targets, cell, model.dtype).target for cell in cells)
    masks = sum(matrix.numel for matrix in targets) * 9  # a bool mask, and scores with their sort keys, while pruning
    hidden = tokens(shape, spec) * shape.hidden * value * len(nodes_of(tuple(cells)))
    return BASE_MEMORY_BYTES + shape.parameters * value + largest + masks + hidden


def tokens(shape: ModelShape, spec: Spec) -> int:
    """Evaluation tokens; without a limit of windows, a guess."""
    evaluation = spec.data.evaluation
    length = min(shape.context or MAX_DEFAULT_LENGTH, MAX_DEFAULT_LENGTH)
    if evaluation.length != "max":
        length = int(evaluation.length)
    return length * (evaluation.windows or max(1, 2**18 // length))


def seconds(shape: ModelShape, spec: Spec, cells: Sequence[Cell]) -> float:
    """Forwards of all nodes over the text, and the timed rounds, at an assumed speed."""
    per_token = 2 * sum(matrix.numel for matrix in shape.matrices)
    forwards = per_token * tokens(shape, spec) * len(nodes_of(tuple(cells)))
    latency = spec.metrics.latency
    timed = sum(cell.timed for cell in cells)
    rounds = sum(
        2 * latency.runs * per_token * (batch * prompt + 4 * latency.decode)
        for batch in latency.batch
        for prompt in latency.prompt
    )
    return 10 + (forwards + timed * rounds) / ASSUMED_FLOPS_PER_SECOND
