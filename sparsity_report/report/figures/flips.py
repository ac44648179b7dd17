"""Flips of the first token by how sure dense was and by how frequent its token is."""

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

    from ...results.model import CellRecord, Results
    from .states import Panel

METRIC = "flip_rate"
BY = (
    ("margin", "Dense’s margin (probability)"),
    ("frequency", "Frequency of dense’s token (%)"),
)
PANEL_MM = 58.0


def _bins(panel: Panel, by: str) -> list[str]:
    found = {str(e.conditions[by]): None for cell in panel.cells for e in states.binned(cell, METRIC, panel.corpus, by)}
    return sorted(found, key=lambda each: float(each.partition("–")[0]))


def shown(name: str, by: str) -> str:
    """A bin on the axis: a frequency in per cent, the last of them open."""
    low, _, high = name.partition("–")
    if by == "margin":
        return name
    if float(high) >= 1:
        return f"≥{NBSP}{float(low) * 100:g}"
    return f"{float(low) * 100:g}–{float(high) * 100:g}" if float(low) else f"<{NBSP}{float(high) * 100:g}"


def _line(axes: Axes, cell: CellRecord, panel: Panel, by: str, bins: list[str], mark: style.Mark, name: str) -> None:
    found = {str(each.conditions[by]): each for each in states.binned(cell, METRIC, panel.corpus, by)}
    places = [place for place, each in enumerate(bins) if each in found]
    values = [100 * (found[bins[place]].value or 0) for place in places]
    bounds = [found[bins[place]].ci or (value / 100, value / 100) for place, value in zip(places, values, strict=True)]
    lows = [max(value - 100 * low, 0) for value, (low, _) in zip(values, bounds, strict=True)]
    highs = [max(100 * high - value, 0) for value, (_, high) in zip(values, bounds, strict=True)]
    axes.errorbar(places, values, [lows, highs], color=mark.colour, lw=0.8, capsize=1.5)
    axes.plot(places, values, mark.marker, ls="-", color=mark.colour, mfc="white", label=name)


def _paint(figure: Figure, every: list[Panel], results: Results) -> None:
    naming = Names.of(results)
    for part, panel in zip(style.bands(figure, [p.title for p in every], [1.0] * len(every)), every, strict=True):
        marks, line = states.looks(results, panel), part.subplots(1, len(BY), sharey=True)
        for axes, (by, label) in zip(line, BY, strict=True):
            bins = _bins(panel, by)
            for cell in panel.cells:
                _line(axes, cell, panel, by, bins, marks[naming.node(cell)], naming.node(cell))
            axes.set_xticks(range(len(bins)), [shown(each, by) for each in bins], rotation=25, ha="right")
            axes.set(xlabel=label, ylim=(0, None))
            axes.grid(True, axis="y")
        line[0].set_ylabel("Changed first tokens (%)")
        line[-1].legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), handlelength=1.2)


def _sentence(panel: Panel, results: Results) -> str:
    naming, parts = Names.of(results), []
    for cell in panel.cells:
        found = states.binned(cell, METRIC, panel.corpus, "margin")
        first, last = found[0], found[-1]
        parts.append(
            f"{naming.node(cell)} from {percent(first.value or 0, 1)} at margins of {first.conditions['margin']} to "
            f"{percent(last.value or 0, 1)} at {last.conditions['margin']}"
        )
    return f"{panel.title}: {'; '.join(parts)}."


def draw(results: Results) -> Drawing | None:
    """None where flips were not measured by bins."""
    found = states.panels(results, METRIC, "margin", dense=False)
    every = found[: states.MOST_PANELS]
    if not every:
        return None
    rows = [
        (panel.model.id, panel.model.label, panel.corpus, Names.of(results).node(cell), by, each.conditions[by],
         each.value, *(each.ci or (None, None)), each.n)
        for panel in every
        for cell in panel.cells
        for by, _ in BY
        for each in states.binned(cell, METRIC, panel.corpus, by)
    ]  # fmt: skip
    positions = sorted({total for panel in every for cell in panel.cells if (total := _positions(cell, panel))})
    return Drawing(
        id="flips",
        title="Flips by margin and by frequency",
        svg=style.render("flips", PANEL_MM * len(every), lambda figure: _paint(figure, every, results)),
        alt="Line charts of the share of changed first tokens by the dense model’s margin and by the frequency of "
        "its token. " + " ".join(_sentence(panel, results) for panel in every),
        caption="Share of positions at which a pruned model ranks another token first than dense (measured), by "
        "dense’s margin and by the share of dense’s token among the tokens of the evaluated windows; "
        f"n = {' and '.join(map(count, positions))} predicted tokens in all bins together, bars are 95{NBSP}% "
        f"intervals (Wilson). {models_phrase({p.model.id: p.model for p in every}.values())}"
        f"{states.left_out(results, found, METRIC)}",
        how_to_read="On the left, a harmless change flips only decisions that were nearly tied: the line falls "
        "steeply. Flips at large margins are decisions of which the dense model was sure.",
        csv=csv_text(("model", "label", "corpus", "state", "by", "bin", "flip_rate", "ci_low", "ci_high", "n"), rows),
    )


def _positions(cell: CellRecord, panel: Panel) -> int:
    return sum(each.n or 0 for each in states.binned(cell, METRIC, panel.corpus, "margin"))
