"""How the pruned matrices' weights are distributed, before and after pruning, in the same bins; zeros apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import style
from ..drawing import Drawing, csv_text
from ..numbers import NBSP, percent
from .cells import Names, labelled, method_marks, models_phrase

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...results.model import CellRecord, HistogramRecord, HistogramState, ModelRecord, Results

ACROSS, ROW_MM, LEGEND_MM = 2, 42.0, 6.0
"""Panels beside each other; the height of a row of them, and of the legend."""
NEAR = 0.5
"""In root mean squares of the dense weights: what lies closer to zero is called near."""


@dataclass(frozen=True)
class Panel:
    """A pruned state beside dense."""

    state: HistogramState
    cell: CellRecord


@dataclass(frozen=True)
class Group:
    """The panels of a model."""

    model: ModelRecord
    record: HistogramRecord
    panels: tuple[Panel, ...]

    @property
    def dense(self) -> HistogramState:
        return self.record.states[0]

    @property
    def rows(self) -> int:
        return -(-len(self.panels) // ACROSS)

    @property
    def top(self) -> float:
        """The highest bin of all, in percent."""
        return max(max(_shares(each)) for each in (self.dense, *(panel.state for panel in self.panels)))


def _shares(state: HistogramState) -> list[float]:
    """Percent of all weights in each bin."""
    return [100 * each / state.weights for each in state.counts]


def _zeros(state: HistogramState) -> float:
    return state.zeros / state.weights


def near(record: HistogramRecord, state: HistogramState) -> float:
    """The part of all weights that is not zero and in a bin that ends within `NEAR` of zero."""
    limit = NEAR * record.rms * 1.01  # the edges are rounded
    pairs = zip(record.edges, record.edges[1:], state.counts, strict=False)
    return sum(count for low, high, count in pairs if -limit <= low and high <= limit) / state.weights


def _groups(results: Results) -> list[Group]:
    by_node: dict[str, CellRecord] = {}
    for cell in results.cells:
        by_node.setdefault(cell.node, cell)
    found = []
    for record in results.histograms:
        model = next((each for each in results.models if each.id == record.model), None)
        panels = tuple(Panel(each, by_node[each.node]) for each in record.states[1:] if each.node in by_node)
        if model is not None and panels:
            found.append(Group(model, record, panels))
    return found


def _panel(axes: Axes, group: Group, panel: Panel, look: style.Mark, name: str) -> None:
    """Dense as a line, the pruned state as filled steps, and its zeros in words: they are far off the scale."""
    edges, state = [1000 * each for each in group.record.edges], panel.state
    axes.stairs(_shares(state), edges, fill=True, color=look.colour, alpha=0.55, lw=0)
    axes.stairs(_shares(state), edges, color=look.colour, lw=0.8, label="pruned")
    axes.stairs(_shares(group.dense), edges, color=style.INK, lw=0.8, ls=(0, (3, 1.4)), label="dense")
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, 1.12 * group.top))
    axes.set_title(name)
    axes.text(
        0.985, 0.97, _words(state), transform=axes.transAxes, ha="right", va="top", fontsize=7.6, linespacing=1.25
    )


def _words(state: HistogramState) -> str:
    updated = f"\n{percent(state.updated / state.weights, 1)} updated" if state.updated else ""
    return f"{percent(_zeros(state), 1)} zero{updated}"


def _paint(figure: Figure, groups: list[Group], naming: Names, looks: dict[str, style.Mark]) -> None:
    titles, heights = [labelled(each.model) for each in groups], [each.rows for each in groups]
    for part, group in zip(style.bands(figure, titles, heights), groups, strict=True):
        grid = part.subplots(group.rows, ACROSS, squeeze=False, sharex=True, sharey=True)
        places = list(grid.flat)
        for axes, panel in zip(places, group.panels, strict=False):
            _panel(axes, group, panel, looks[panel.cell.variant.stages[0].entry], naming.node(panel.cell))
        for axes in places[len(group.panels) :]:
            axes.set_visible(False)
        for number, axes in enumerate(places[: len(group.panels)]):
            below = number + ACROSS >= len(group.panels)
            axes.tick_params(labelbottom=below)
            axes.set(xlabel="Weight (10⁻³)" if below else "", ylabel="Weights (%)" if number % ACROSS == 0 else "")
    _legend(figure)


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    dense = Line2D([], [], color=style.INK, lw=0.8, ls=(0, (3, 1.4)))
    figure.legend(
        [dense, Patch(facecolor=style.MUTED, alpha=0.55, lw=0)],
        ["dense", "pruned, without its zeros"],
        loc="outside upper center",
        ncols=2,
    )


def _sentence(group: Group, naming: Names) -> str:
    parts = [f"{naming.node(each.cell)}: {_told(group.record, each.state)}" for each in group.panels]
    return f"{labelled(group.model)}, {'; '.join([*parts, f'dense: {_told(group.record, group.dense)}'])}."


def _told(record: HistogramRecord, state: HistogramState) -> str:
    updated = f", {percent(state.updated / state.weights, 1)} updated" if state.updated else ""
    return f"{percent(_zeros(state), 1)} zero, {percent(near(record, state), 1)} near zero{updated}"


def _beyond(groups: list[Group]) -> str:
    """What lies outside of the bins."""
    most = max(
        each.beyond / each.weights
        for group in groups
        for each in (group.dense, *(panel.state for panel in group.panels))
    )
    return f"At most {percent(most, 2)} of a state lie beyond the axis. " if most else ""


def draw(results: Results) -> Drawing | None:
    """None where no pruned state was counted."""
    naming, groups = Names.of(results), _groups(results)
    if not groups:
        return None
    looks = method_marks(results)
    rows = [
        (
            group.model.id,
            group.model.label,
            naming.node(cell) if cell else "dense",
            low,
            high,
            number,
            number / state.weights,
        )
        for group in groups
        for state, cell in [(group.dense, None), *((each.state, each.cell) for each in group.panels)]
        for low, high, number in _table(group.record, state)
    ]
    height = ROW_MM * sum(each.rows for each in groups) + LEGEND_MM * (1 + (len(groups) > 1) * len(groups))
    return Drawing(
        id="weight_histograms",
        title="Weights before and after pruning",
        svg=style.render("weight_histograms", height, lambda figure: _paint(figure, groups, naming, looks)),
        alt="Histograms of the targeted weights, dense and pruned. Near zero is within half of the root mean square of "
        f"the dense weights. {' '.join(_sentence(each, naming) for each in groups)}",
        caption=f"Targeted weights by value (counted; all matrices together, in {len(groups[0].record.edges) - 1} bins "
        f"that the states of a model share), in percent of all of them. Zeros are in no bin and stand as numbers; "
        f"“updated” is what was kept with another value than dense’s. {_beyond(groups)}Of each method and pattern the "
        f"state nearest 50{NBSP}% is shown. {models_phrase(each.model for each in groups)}",
        how_to_read="Where the filled steps fall below the dashed line, weights became zeros. A gap around zero with "
        "upright walls is one threshold for all; sloping walls are thresholds that differ by row or by input. Steps "
        "above the line are kept weights that the method has moved.",
        csv=csv_text(("model", "label", "state", "from", "to", "weights", "part"), rows),
    )


def _table(record: HistogramRecord, state: HistogramState) -> list[tuple[float | str, float | str, int]]:
    """Every bin, then the zeros and what lies beyond: together all weights."""
    bins = list(zip(record.edges, record.edges[1:], state.counts, strict=False))
    return [*bins, (0.0, 0.0, state.zeros), ("beyond", "beyond", state.beyond)]
