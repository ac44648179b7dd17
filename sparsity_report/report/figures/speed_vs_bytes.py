"""Measured speed-up against the reduction of stored bytes: bytes saved that did not pay lie below the diagonal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts
from . import savings

if TYPE_CHECKING:
    from ...results.model import Results
    from ..drawing import Drawing

SAVING = savings.Saving(
    id="speed_vs_bytes",
    what="bytes",
    title="Measured speed-up against stored bytes",
    value=lambda cell: facts.value(cell, "stored_bytes", over="model"),
    axis="Reduction of stored bytes (dense / variant)",
    column="bytes_reduction",
    alt="Scatter chart of measured speed-up against the reduction of the model's stored bytes.",
    caption="Speed-up over dense (measured; bars are 95\u00a0% intervals) against how many times fewer bytes the whole "
    "model stores (counted). Dashed: the speed of its bytes, which a model reaches where reading weights takes all of "
    "the time; thin: as fast as dense.",
    how_to_read="Left of 1 a variant is larger than dense. On the dashed line it is as much faster as it is smaller; "
    "dense reads its weights no faster than its own kernel allows, so that points may lie above.",
)


def draw(results: Results) -> Drawing | None:
    """None when no variant has both a measured speed-up and its bytes."""
    return savings.scatter(results, SAVING)
