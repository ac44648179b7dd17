"""What both figures of Pareto fronts share: points by format and method, the front as a step, its points by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import style
from ..fronts import TOLERANCE, Candidate, front
from ..numbers import NBSP, percent
from .cells import format_name, labelled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...results.model import ModelRecord
    from .cells import Names

HEIGHT_MM = 54.0
HIGHEST = 20
"""Times dense: worse points are left out, and the caption says so."""


@dataclass(frozen=True)
class Point:
    """A candidate and its cost, with the cost's interval; `claimed` is dense's where the two do not differ."""

    candidate: Candidate
    cost: float
    low: float
    high: float
    claimed: float


@dataclass(frozen=True)
class Panel:
    """The points of a model under one kind of cost."""

    model: ModelRecord
    what: str
    points: tuple[Point, ...]

    @property
    def shown(self) -> tuple[Point, ...]:
        return tuple(each for each in self.points if each.candidate.quality <= HIGHEST)

    @property
    def front(self) -> tuple[Point, ...]:
        by_cell = {each.candidate.cell.id: each for each in self.shown}
        best = front((each.candidate for each in self.shown), lambda each: by_cell[each.cell.id].claimed)
        return tuple(by_cell[each.cell.id] for each in best)


def paint(axes: Axes, panel: Panel, naming: Names) -> None:
    looks = style.marks((each.candidate.cell.variant.format.entry for each in panel.shown), style.FORMATS)
    best = panel.front
    for each in panel.shown:
        cell, look = each.candidate.cell, looks[each.candidate.cell.variant.format.entry]
        y, x = each.candidate.quality, each.cost
        axes.errorbar(
            x, y, xerr=[[max(x - each.low, 0)], [max(each.high - x, 0)]],
            yerr=[[max(y - each.candidate.low, 0)], [max(each.candidate.high - y, 0)]],
            marker=look.marker, color=look.colour, mec=style.INK, mew=0.6, ecolor=style.MUTED, lw=0.7, capsize=0,
            alpha=1 if each in best else 0.55, label=format_name(cell.variant.format), zorder=3 if each in best else 2,
        )  # fmt: skip
    axes.set_yscale("log")
    style.plain_log_ticks(axes.yaxis)
    axes.step(
        [each.cost for each in best], [each.candidate.quality for each in best], where="post", color=style.INK, lw=0.9
    )
    axes.axhline(1 + TOLERANCE, color=style.MUTED, lw=0.8, ls=(0, (4, 2)))
    axes.set_xlim(0, 1.08 * max(each.high for each in panel.shown))
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom / 1.04, max(top, 1.2) * 1.06)
    axes.grid(True)
    labels = [style.Label(naming.cell(each.candidate.cell), each.cost, each.candidate.quality) for each in best]
    style.end_labels(axes, labels, HEIGHT_MM - 14)


def sentence(panel: Panel, naming: Names, cost_text: str) -> str:
    """The front in words for the alternative text; `cost_text` formats a cost."""
    parts = [
        f"{naming.cell(each.candidate.cell)} ({cost_text.format(each.cost)}, perplexity {each.candidate.quality:.3g} "
        "times dense)"
        for each in panel.front
    ]
    return f"{labelled(panel.model)}, {panel.what}: on the front are {'; '.join(parts)}."


def left_out(panels: list[Panel]) -> str:
    lost = sum(len(each.points) - len(each.shown) for each in panels)
    one = lost == 1
    words = f"{'point' if one else 'points'} of more than {HIGHEST} times dense {'is' if one else 'are'} left out."
    return f" {lost} {words}" if lost else ""


def quality_words() -> str:
    return (
        f"Perplexity over dense on the same windows (measured; bars are 95{NBSP}% intervals, none where they were not "
        f"paired). Dashed: {percent(TOLERANCE)} more than dense. The step joins the variants that no other beats in "
        "both."
    )


def rows(panels: list[Panel], naming: Names) -> list[tuple[object, ...]]:
    return [
        (panel.model.id, panel.model.label, panel.what, each.candidate.cell.id, naming.cell(each.candidate.cell),
         each.cost, each.low, each.high, each.candidate.quality, each.candidate.low, each.candidate.high,
         each in panel.front)
        for panel in panels
        for each in panel.points
    ]  # fmt: skip


HEADER = (
    *("model", "label", "panel", "cell", "name", "cost", "cost_low", "cost_high", "perplexity_ratio", "ci_low"),
    *("ci_high", "on_front"),
)
