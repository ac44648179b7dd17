"""
What a study will take, before anything is loaded: arithmetic on the model's shape. Torch-free, and rough on purpose.

Bytes are exact; memory is what the engine keeps at the same time; time assumes one speed for all machines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import registry
from .accounting import break_even, kept_weights, target_bytes, values_of
from .contracts import VALUE_BYTES, CorpusRequest, FormatChoice, Pattern, pattern_of
from .errors import EnvironmentProblem
from .planning import nodes_of
from .targeting import targeted_shapes
from .windows import MAX_DEFAULT_LENGTH, QUICK_WINDOWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .contracts import Cell, MatrixShape, ModelShape, Node
    from .spec.model import Evaluation, Model, Spec

ASSUMED_FLOPS_PER_SECOND = 60e9
"""Two ordinary CPU cores in float32."""
BASE_MEMORY_BYTES = 450 * 2**20
"""Python, PyTorch and transformers, loaded."""
BYTES_PER_TOKEN = 3.5
"""English in an ordinary vocabulary; between 2.8 (2,048 tokens) and 4.7 (50,000 tokens) here."""
LOCAL_CORPORA = ("embedded", "text", "package")
UNKNOWN_TOKENS = 2**18
"""About the test split of WikiText-2."""


@dataclass(frozen=True)
class CellBytes:
    """Bytes of a cell, by arithmetic: of the targeted matrices and of the whole model's parameters."""

    target: int
    model: int
    ratio: float


def cell_bytes(shape: ModelShape, targets: Sequence[MatrixShape], cell: Cell, dtype: str) -> CellBytes:
    stages, element = cell.node.stages, VALUE_BYTES[dtype]
    dense_target = sum(matrix.numel for matrix in targets) * element
    kept, values = kept_weights(targets, stages), values_of(stages, cell.format, dtype)
    permuted = any(stage.params.get("permute") for stage in stages)
    parts = target_bytes(targets, cell.format, kept, values.bytes, pattern_of(stages), permuted, values.scaled)
    target = sum(parts.values())
    dense_model = shape.parameters * element
    model = dense_model - dense_target + target
    return CellBytes(target, model, model / dense_model)


def account(shape: ModelShape, spec: Spec, model: Model, cells: Sequence[Cell]) -> dict[str, Any]:
    """Parameters, bytes of every cell and break-even sparsities, as plain data."""
    targets, value = targeted_shapes(shape.matrices, spec.target), VALUE_BYTES[model.dtype]
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


def memory_bytes(shape: ModelShape, spec: Spec, model: Model, cells: Sequence[Cell], tokens: int) -> int:
    """
    Dense, the largest variant's layers beside it, hidden states of all nodes, and the libraries; while timing, dense
    and the variant once more, in a process of their own.
    """
    targets, value = targeted_shapes(shape.matrices, spec.target), VALUE_BYTES[model.dtype]
    largest = max(cell_bytes(shape, targets, cell, model.dtype).target for cell in cells)
    scores = sum(matrix.numel for matrix in targets) * 9  # a mask, float32 scores and their sort keys, while pruning
    hidden = tokens * shape.hidden * value * len(nodes_of(tuple(cells)))
    pair = BASE_MEMORY_BYTES + shape.parameters * value + largest
    fresh = any(cell.timed for cell in cells) and spec.metrics.latency.process == "fresh"
    return pair + max(scores, hidden, pair if fresh else 0)


def cell_memory_bytes(shape: ModelShape, spec: Spec, model: Model, cell: Cell, *, fresh: bool) -> int:
    """
    What a cell takes beside the model that is loaded: its own layers, and while it is timed in a process of its own
    dense and its layers once more.
    """
    targets = targeted_shapes(shape.matrices, spec.target)
    own = cell_bytes(shape, targets, cell, model.dtype).target
    pair = BASE_MEMORY_BYTES + shape.parameters * VALUE_BYTES[model.dtype] + own
    return own + (pair if cell.timed and fresh else 0)


def text_tokens(evaluation: Evaluation, folder: str) -> int:
    """Tokens of an evaluation text, from its size where it lies on this machine; otherwise a guess."""
    corpus, _, argument = evaluation.source.partition(":")
    if corpus not in LOCAL_CORPORA:
        return UNKNOWN_TOKENS
    try:
        text = registry.get("corpora", corpus).read(CorpusRequest(argument, evaluation.split, True, folder))
    except EnvironmentProblem:  # `run` will say so; a plan needs no text
        return UNKNOWN_TOKENS
    return int(len(text.text.encode()) / BYTES_PER_TOKEN)


def tokens(shape: ModelShape, spec: Spec, folder: str, *, quick: bool) -> int:
    """Tokens that every node is run on, of all texts."""
    return sum(tokens_of(shape, evaluation, folder, quick=quick) for evaluation in spec.data.evaluation)


def tokens_of(shape: ModelShape, evaluation: Evaluation, folder: str, *, quick: bool) -> int:
    length = min(shape.context or MAX_DEFAULT_LENGTH, MAX_DEFAULT_LENGTH)
    if evaluation.length != "max":
        length = int(evaluation.length)
    if quick:
        return length * min(QUICK_WINDOWS, evaluation.windows or QUICK_WINDOWS)
    available = text_tokens(evaluation, folder) // length
    return length * min(available, evaluation.windows or available)


PROFILE_ROUNDS = 8
"""Of the profile, at most, the one that is not counted included."""
FORWARDS_OF_STATISTIC = {"sq_sum": 2, "sum": 2, "gram": 5, "gradient": 3}
"""Forwards over the calibration tokens that a method takes for what it needs: two of each block in the walk, and the
Gram matrices with what is solved from them; a gradient takes a forward and a backward."""


def calibration_tokens(shape: ModelShape, node: Node) -> int:
    """Tokens that pruning the node looks at, times how many forwards they take."""
    total = 0
    for stage in node.stages:
        chosen = stage.params.get("calibration")
        if chosen is not None:
            needs = registry.get("methods", stage.entry).NEEDS
            length = MAX_DEFAULT_LENGTH if chosen["length"] == "max" else int(chosen["length"])
            own = chosen["windows"] * min(length, shape.context or length)
            total += own * max((FORWARDS_OF_STATISTIC[name] for name in needs), default=1)
    return total


def seconds(shape: ModelShape, spec: Spec, cells: Sequence[Cell], tokens: int) -> float:
    """Forwards of all nodes over the text, calibration, and the timed rounds, at an assumed speed."""
    per_token = 2 * sum(matrix.numel for matrix in shape.matrices)
    nodes = nodes_of(tuple(cells))
    forwards = per_token * (tokens * len(nodes) + sum(calibration_tokens(shape, node) for node in nodes))
    latency = spec.metrics.latency
    timed = sum(cell.timed for cell in cells)
    rounds: float = sum(
        4 * latency.runs * per_token * (batch * prompt + 4 * max(latency.decode))
        for batch in latency.batch
        for prompt in latency.prompt
    )
    if "profile" in spec.metrics.use:  # bare and wrapped, variant and dense, with a few decoded tokens
        rounds *= 1 + 2 * min(1.0, PROFILE_ROUNDS / latency.runs)
    return 10 + (forwards + timed * rounds) / ASSUMED_FLOPS_PER_SECOND
