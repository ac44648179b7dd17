"""Where in the model the zeros are, matrix by matrix: small maps of states whose matrices differ in sparsity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import style
from ..drawing import Drawing, csv_text
from ..numbers import percent
from . import heat
from .cells import models_phrase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...results.model import Results

EVEN = 0.002
"""Matrices that differ by less differ by rounding of their counts."""


def sheets(results: Results) -> list[heat.Sheet]:
    def telling(values: Sequence[float | None]) -> bool:
        known = [each for each in values if each is not None]
        return bool(known) and max(known) - min(known) > EVEN

    return heat.sheets(results, lambda node: node.sparsity, telling)


def _colours(found: list[heat.Sheet]) -> heat.Colours:
    from matplotlib.colors import Normalize

    values = [value for sheet in found for each in sheet.shown for value in each.values if value is not None]
    return heat.Colours(
        heat.cividis(),
        Normalize(min(values), max(values)),
        "Sparsity (%)",
        lambda value: f"{100 * value:.0f}",
        lambda value, _: f"{100 * value:g}",
    )


def draw(results: Results) -> Drawing | None:
    """None where all matrices of every state have the same sparsity."""
    found = sheets(results)
    if not found:
        return None
    colours = _colours(found)
    return Drawing(
        id="layer_sparsity",
        title="Sparsity of every matrix",
        svg=style.render("layer_sparsity", heat.height(found), lambda figure: heat.paint(figure, found, colours)),
        alt="Heat maps of sparsity by matrix and decoder block. " + heat.words(found, lambda each: percent(each, 1)),
        caption=f"Pruned weights over weights of every targeted matrix (counted, exact; %), at {heat.places(found)}; "
        "states whose matrices all have the same sparsity are left out. One colour scale for all maps. "
        f"{models_phrase(sheet.model for sheet in found)}{heat.left_out(found)}",
        how_to_read="Rows are matrices, columns decoder blocks; a darker tile has fewer weights left.",
        csv=csv_text(("model", "label", "series", "at", "block", "matrix", "weights", "sparsity"), heat.data(found)),
    )
