"""Measured speed-up against the reduction of the FLOPs proxy: zeros that did not pay lie below the diagonal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts
from . import savings

if TYPE_CHECKING:
    from ...results.model import Results
    from ..drawing import Drawing

SAVING = savings.Saving(
    id="speed_vs_flops",
    what="FLOPs",
    title="Measured speed-up against the FLOPs proxy",
    value=lambda cell: facts.value(cell, "flops_per_token"),
    axis="FLOPs reduction (dense / variant)",
    column="flops_reduction",
    alt="Scatter chart of measured speed-up against the reduction of the FLOPs proxy.",
    caption="Speed-up over dense (measured; bars are 95\u00a0% intervals) against how many times fewer operations "
    "the FLOPs proxy counts (counted). Dashed: every operation saved is time saved; thin: as fast as dense.",
    how_to_read="A point on the dashed line turns all of its zeros into speed; below the thin line, pruning made "
    "the model slower.",
)


def draw(results: Results) -> Drawing | None:
    """None when no variant has both a measured speed-up and its FLOPs."""
    return savings.scatter(results, SAVING)
