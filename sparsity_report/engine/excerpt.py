"""
A corner of a model's first targeted matrix with the size of its inputs: what the page's visualizer prunes by hand.

Shapes: O out features, I in features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..planning import digest
from ..results.model import ExcerptRecord
from ..results.sealed import read_entry, write_entry
from .walk import statistics_of

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from .prepare import Prepared

ROWS, COLS = 8, 16


def excerpt(prepared: Prepared, folder: Path) -> ExcerptRecord | None:
    """
    The first rows, and the columns around the largest input; from the run folder, or looked up now.

    Inputs are those of the dense model on the first calibration set, all of its tokens; without one there are none.
    None where a number is not finite.
    """
    matrix = prepared.dense.targets[0]
    seen = [each.windows.token_ids_sha256 for each in prepared.calibration.values()][:1]
    name = digest([prepared.model.name, prepared.loaded.revision, matrix.shape.path, *seen])[:16]
    file = folder / "nodes" / f"{name}.excerpt.json"
    try:
        return ExcerptRecord.model_validate(read_entry(file))
    except ValueError:  # absent or damaged: looked up again
        pass
    weight_OI, (rms_I, tokens) = prepared.dense.weight_OI(matrix), input_rms(prepared)
    col = 0 if rms_I is None else first_column(rms_I)
    weights_OI, norms_I = weight_OI[:ROWS, col : col + COLS], None if rms_I is None else rms_I[col : col + COLS]
    if not all(each is None or bool(torch.isfinite(each).all()) for each in (weights_OI, norms_I)):
        return None
    record = ExcerptRecord(
        model=prepared.model.name,
        matrix=matrix.shape.path,
        row=0,
        col=col,
        weights=tuple(map(short, weights_OI)),
        input_rms=() if norms_I is None else short(norms_I),
        tokens=tokens,
    )
    write_entry(file, record.model_dump(mode="json"))
    return record


def input_rms(prepared: Prepared) -> tuple[Tensor | None, int]:
    """Root mean square of the first target's inputs, (I,), and over how many tokens; None and 0 without a text."""
    calibration = next(iter(prepared.calibration.values()), None)
    if calibration is None:
        return None, 0
    matrix = prepared.dense.targets[0]
    for block, found in statistics_of(prepared.dense, prepared.blocks, calibration.windows.ids, ("sq_sum",)):
        if block == matrix.shape.block:  # the walk goes no further than to this block
            return found[matrix.input_group].rms_I, found[matrix.input_group].tokens
    raise ValueError(f"{matrix.shape.path} is in no block")


def first_column(rms_I: Tensor) -> int:
    """Where the `COLS` columns start that hold the largest input, so that N:M groups are those of the matrix."""
    return int(rms_I.argmax()) // COLS * COLS


def short(values_I: Tensor) -> tuple[float, ...]:
    """Float32 numbers in as few digits as name them exactly."""
    return tuple(float(str(each)) for each in values_I.detach().to("cpu", torch.float32).numpy())
