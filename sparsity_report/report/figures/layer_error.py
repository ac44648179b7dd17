"""The error that pruning leaves in the outputs of every matrix, as small maps on a logarithmic scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import style
from ..drawing import Drawing, csv_text
from ..numbers import significant
from . import heat
from .cells import models_phrase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...results.model import Results

NARROWEST = 2.0
"""The least ratio between the ends of the scale."""


def sheets(results: Results) -> list[heat.Sheet]:
    def telling(values: Sequence[float | None]) -> bool:
        return any(values)

    return heat.sheets(results, lambda node: node.reconstruction_error, telling)


def short(value: float) -> str:
    """Two digits: "0.012", "7.1e-04" where zeros would fill the tile."""
    return "0" if not value else f"{value:.2g}" if value >= 0.001 else f"{value:.0e}".replace("e-0", "e−")


def _colours(found: list[heat.Sheet]) -> heat.Colours:
    from matplotlib.colors import LogNorm

    values = [value for sheet in found for each in sheet.shown for value in each.values if value]
    low, high = min(values), max(values)
    if high < NARROWEST * low:
        low, high = low / NARROWEST, high * NARROWEST
    label = "‖(W − Ŵ)X‖² / ‖WX‖² (logarithmic)"
    return heat.Colours(heat.cividis(), LogNorm(low, high), label, short, lambda value, _: f"{value:g}")


def draw(results: Results) -> Drawing | None:
    """None where no state has errors by matrix."""
    found = sheets(results)
    if not found:
        return None
    colours = _colours(found)
    lost = " Crossed out: not measured." * any(None in each.values for sheet in found for each in sheet.shown)
    return Drawing(
        id="layer_error",
        title="Reconstruction error of every matrix",
        svg=style.render("layer_error", heat.height(found), lambda figure: heat.paint(figure, found, colours)),
        alt="Heat maps of the reconstruction error by matrix and decoder block. " + heat.words(found, significant),
        caption="Squared error of the pruned matrices’ outputs over the squared outputs of the dense ones, on the "
        f"dense model’s calibration inputs (measured; a fraction, without an interval), at {heat.places(found)}; one "
        f"colour scale for all maps.{lost} {models_phrase(sheet.model for sheet in found)}{heat.left_out(found)}",
        how_to_read="A darker tile is a matrix whose outputs changed more; compare the same tile between maps for the "
        "methods, and tiles of a map for the places.",
        csv=csv_text(
            ("model", "label", "series", "at", "block", "matrix", "weights", "reconstruction_error"), heat.data(found)
        ),
    )
