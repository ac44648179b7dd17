"""Reliability: how often the first token follows, against the probability that the model gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import style
from ..drawing import Drawing, csv_text
from ..numbers import NBSP, count, percent
from . import states
from .cells import Names, models_phrase

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...results.model import CellRecord, Measurement, Results
    from .states import Panel

ACCURACY, CONFIDENCE, BY = "next_token_accuracy", "mean_confidence", "confidence"
PANEL_MM = 66.0


def points(cell: CellRecord, corpus: str) -> list[tuple[Measurement, Measurement]]:
    """(mean confidence, accuracy) of every bin."""
    right = {each.conditions[BY]: each for each in states.binned(cell, ACCURACY, corpus, BY)}
    said = states.binned(cell, CONFIDENCE, corpus, BY)
    return [(each, right[each.conditions[BY]]) for each in said if each.conditions[BY] in right]


def _line(axes: Axes, cell: CellRecord, panel: Panel, mark: style.Mark, name: str) -> None:
    found = points(cell, panel.corpus)
    x, y = ([100 * (each[side].value or 0) for each in found] for side in (0, 1))
    bounds = [each.ci or (each.value or 0, each.value or 0) for _, each in found]
    lows = [max(value - 100 * low, 0) for value, (low, _) in zip(y, bounds, strict=True)]
    highs = [max(100 * high - value, 0) for value, (_, high) in zip(y, bounds, strict=True)]
    axes.errorbar(x, y, [lows, highs], color=mark.colour, lw=0.7, capsize=1.5)
    axes.plot(x, y, mark.marker, ls="-", color=mark.colour, mfc="white", label=name)


def _paint(figure: Figure, every: list[Panel], results: Results) -> None:
    naming = Names.of(results)
    for part, panel in zip(style.bands(figure, [p.title for p in every], [1.0] * len(every)), every, strict=True):
        marks, axes = states.looks(results, panel), part.subplots()
        axes.plot([0, 100], [0, 100], color=style.MUTED, lw=0.8, ls=(0, (4, 2)))
        for cell in panel.cells:
            _line(axes, cell, panel, marks[naming.node(cell)], naming.node(cell))
        axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="Mean probability of the first token (%)", aspect="equal")
        axes.set_ylabel("It follows (%)")
        axes.grid(True)
        axes.legend(loc="upper left", bbox_to_anchor=(1.03, 1.0), handlelength=1.2)


def _sentence(panel: Panel, results: Results) -> str:
    naming, parts = Names.of(results), []
    for cell in panel.cells:
        said, right = points(cell, panel.corpus)[-1]
        parts.append(
            f"{naming.node(cell)} says {percent(said.value or 0, 1)} and is right in {percent(right.value or 0, 1)} "
            "of the most confident bin"
        )
    return f"{panel.title}: {'; '.join(parts)}."


def draw(results: Results) -> Drawing | None:
    """None where confidence was not measured by bins."""
    found = states.panels(results, CONFIDENCE, BY, dense=True)
    every = found[: states.MOST_PANELS]
    if not every:
        return None
    rows = [
        (panel.model.id, panel.model.label, panel.corpus, Names.of(results).node(cell), said.conditions[BY], said.value,
         right.value, *(right.ci or (None, None)), right.n)
        for panel in every
        for cell in panel.cells
        for said, right in points(cell, panel.corpus)
    ]  # fmt: skip
    totals = sorted({sum(right.n or 0 for _, right in points(c, p.corpus)) for p in every for c in p.cells})
    return Drawing(
        id="reliability",
        title="Reliability of confidence",
        svg=style.render("reliability", PANEL_MM * len(every), lambda figure: _paint(figure, every, results)),
        alt="Reliability diagrams: how often the first token follows, against its mean probability, by bins. "
        + " ".join(_sentence(panel, results) for panel in every),
        caption="How often a model’s first token is the one that follows, against the mean probability that the model "
        "gave it, by ten bins of that probability (measured); "
        f"n = {' and '.join(map(count, totals))} predicted tokens in all bins together, bars are 95{NBSP}% intervals "
        f"(Wilson). {models_phrase({p.model.id: p.model for p in every}.values())}"
        f"{states.left_out(results, found, CONFIDENCE)}",
        how_to_read="On the dashed line a model is right as often as it says. Below it the model is too sure of "
        "itself, above it too cautious.",
        csv=csv_text(
            ("model", "label", "corpus", "state", "bin", "mean_confidence", "accuracy", "ci_low", "ci_high", "n"), rows
        ),
    )
