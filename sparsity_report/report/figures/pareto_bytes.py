"""Quality against stored bytes: which variants no other beats in both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import style
from ..drawing import Drawing, csv_text
from ..fronts import candidates
from ..numbers import MIB
from . import fronts
from .cells import Names, labelled, models_phrase

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

    from ...results.model import Results

FEWEST = 3
"""Points of a front worth a figure."""


def _panels(results: Results) -> list[fronts.Panel]:
    panels = []
    for model in results.models:
        sized = [each for each in candidates(results, model) if each.size is not None]
        points = tuple(fronts.Point(each, *[(each.size or 0) / MIB] * 4) for each in sized)
        panels.append(fronts.Panel(model, "stored bytes", points))
    return [each for each in panels if len(each.shown) >= FEWEST and len({point.cost for point in each.shown}) > 1]


def _paint(figure: Figure, panels: list[fronts.Panel], naming: Names) -> None:
    shown: dict[str, Artist] = {}
    for part, panel in zip(
        style.bands(figure, [labelled(each.model) for each in panels], [1] * len(panels)), panels, strict=True
    ):
        axes = part.subplots()
        fronts.paint(axes, panel, naming)
        axes.set(xlabel="Stored model (MiB)", ylabel="Perplexity / dense")
        shown |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(shown.values(), shown.keys(), loc="outside upper center", ncols=len(shown))


def draw(results: Results) -> Drawing | None:
    """None with fewer than three variants of a known size and perplexity, or where all have one size."""
    naming, panels = Names.of(results), _panels(results)
    if not panels:
        return None
    return Drawing(
        id="pareto_bytes",
        title="Quality against stored bytes",
        svg=style.render(
            "pareto_bytes", fronts.HEIGHT_MM * len(panels) + 6, lambda figure: _paint(figure, panels, naming)
        ),
        alt="Scatter chart of perplexity over dense against the stored bytes of the model, with its Pareto front. "
        + " ".join(fronts.sentence(each, naming, "{:.3g} MiB") for each in panels),
        caption=f"Stored bytes of the whole model (counted). {fronts.quality_words()} "
        f"{models_phrase(each.model for each in panels)}{fronts.left_out(panels)}",
        how_to_read="Left is smaller, down is better; a pale point has another that is smaller and no worse.",
        csv=csv_text(fronts.HEADER, fronts.rows(panels, naming)),
    )
