"""Measured speed-up against what a variant saves: what did not turn into time lies below the diagonal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import style
from ..drawing import Drawing, csv_text
from ..numbers import times
from . import beside
from .cells import Names, choose, format_name, labelled, models_phrase, shown_of
from .latency import Timing, timed_cells, timings_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...results.model import CellRecord, ModelRecord, Results

HEIGHT_MM, SCALE_MM, FRAME_MM = 66.0, 13.0, 14.0
"""Of a panel: its height, what the numbers beside it take of its width, and those below it of its height."""
MM = 25.4 / 72
"""A point."""
Panel = tuple["ModelRecord", str, "list[Point]"]


@dataclass(frozen=True)
class Saving:
    """What is saved, in the words of a figure about it: `what` ("FLOPs"), and the column of the figure's data."""

    id: str
    what: str
    title: str
    value: Callable[[CellRecord], float | None]
    axis: str
    column: str
    alt: str
    caption: str
    how_to_read: str


@dataclass(frozen=True)
class Point:
    """A timed variant: how many times fewer than dense, and how many times faster."""

    cell: CellRecord
    timing: Timing
    fewer: float

    @property
    def faster(self) -> float:
        return 1 / self.timing.ratio


def _points(results: Results, model: ModelRecord, cells: list[CellRecord], saving: Saving) -> list[Point]:
    reference = results.reference(model.id)
    dense = None if reference is None else saving.value(reference)
    found = []
    for cell in cells:
        own = saving.value(cell)
        if own and dense:
            found += [Point(cell, timing, dense / own) for timing in timings_of(results, cell)]
    return found


def _panels(results: Results, rows: list[tuple[ModelRecord, list[CellRecord]]], saving: Saving) -> list[list[Panel]]:
    """One line of panels per model, one panel per phase."""
    lines = []
    for model, cells in rows:
        points = _points(results, model, cells, saving)
        phases = dict.fromkeys(point.timing.phase for point in points)
        line = [(model, phase, [point for point in points if point.timing.phase == phase]) for phase in phases]
        lines.append(line)
    return [line for line in lines if line]


def _labels(axes: Axes, points: list[Point], naming: Names, limit: float, size_pt: tuple[float, float]) -> None:
    """One label a variant, beside its slowest point; markers tell the formats."""
    slowest: dict[str, Point] = {}
    for point in sorted(points, key=lambda each: each.faster):
        slowest.setdefault(point.cell.id, point)
    kinds = {(point.cell.variant.format.entry, format_name(point.cell.variant.format)) for point in points}
    formats = Counter(entry for entry, _ in kinds)
    every = [(size_pt[0] * each.fewer / limit, size_pt[1] * each.faster / limit) for each in slowest.values()]
    words = [
        naming.cell(each.cell) if formats[each.cell.variant.format.entry] > 1 else naming.node(each.cell)
        for each in slowest.values()
    ]
    level = size_pt[1] / limit
    lines = [*beside.diagonal(size_pt), beside.Box(0, level - 0.5, size_pt[0], level + 0.5)]
    places = beside.places(every, words, lines, size_pt)
    for name, (x, y), point in zip(words, places, slowest.values(), strict=True):
        axes.annotate(
            name,
            (point.fewer, point.faster),
            (limit * x / size_pt[0], limit * y / size_pt[1]),
            fontsize=beside.SIZE_PT,
            va="center",
            ha="center",
            bbox={"facecolor": "white", "alpha": 0.8, "lw": 0, "pad": 0.4},
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": style.MUTED, "shrinkA": 0},
        )


def _panel(
    axes: Axes, axis: str, phase: str, points: list[Point], naming: Names, limit: float, size_pt: tuple[float, float]
) -> None:
    looks = style.marks((point.cell.variant.format.entry for point in points), style.FORMATS)
    axes.plot([0, limit], [0, limit], color=style.INK, lw=0.8, ls=(0, (4, 2)))
    axes.axhline(1, color=style.MUTED, lw=0.6)
    for point in points:
        timing, look = point.timing, looks[point.cell.variant.format.entry]
        bar = [[point.faster - 1 / timing.high], [1 / timing.low - point.faster]]
        axes.errorbar(
            point.fewer, point.faster, yerr=bar, marker=look.marker, color=look.colour, mec=style.INK, mew=0.6,
            ecolor=style.INK, lw=0.8, zorder=5, label=format_name(point.cell.variant.format),
        )  # fmt: skip
    _labels(axes, points, naming, limit, size_pt)
    axes.set(xlim=(0, limit), ylim=(0, limit), xlabel=axis)
    axes.set_ylabel(f"Measured {phase} speed-up")
    axes.grid(True)


def _paint(figure: Figure, lines: list[list[Panel]], naming: Names, axis: str) -> None:
    shown: dict[str, Artist] = {}
    titles = [labelled(line[0][0]) for line in lines]
    for part, line in zip(style.bands(figure, titles, [1] * len(lines)), lines, strict=True):
        every = [value for *_, points in line for point in points for value in (point.fewer, 1 / point.timing.low)]
        limit = 1.25 * max([1.2, *every])
        size_pt = ((style.COLUMN_MM / len(line) - SCALE_MM) / MM, (HEIGHT_MM - FRAME_MM) / MM)
        for axes, (_, phase, points) in zip(part.subplots(1, len(line), squeeze=False)[0], line, strict=True):
            _panel(axes, axis, phase, points, naming, limit, size_pt)
            shown |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(shown.values(), shown.keys(), loc="outside upper center", ncols=len(shown))


def _sentence(line: list[Panel], naming: Names, what: str) -> str:
    parts = [
        f"{naming.cell(point.cell)} {phase} at {point.timing.point}: {times(point.fewer)} fewer {what}, "
        f"{times(point.faster)} the speed"
        for _, phase, points in line
        for point in points
    ]
    return f"{labelled(line[0][0])}: {'; '.join(parts)}."


def scatter(results: Results, saving: Saving) -> Drawing | None:
    """None when no variant has both a measured speed-up and the saving."""
    naming, every = Names.of(results), timed_cells(results)
    lines = _panels(results, [(model, choose(cells)) for model, cells in every], saving)
    if not lines:
        return None
    data = [
        (model.id, model.label, point.cell.id, naming.cell(point.cell), phase, point.timing.point, point.fewer,
         point.faster, 1 / point.timing.high, 1 / point.timing.low)
        for line in lines
        for model, phase, points in line
        for point in points
    ]  # fmt: skip
    shown = len({point.cell.id for line in lines for *_, points in line for point in points})
    header = ("model", "label", "cell", "name", "phase", "batch_x_prompt", saving.column, "speedup")
    height = HEIGHT_MM * len(lines) + 6
    return Drawing(
        id=saving.id,
        title=saving.title,
        svg=style.render(saving.id, height, lambda figure: _paint(figure, lines, naming, saving.axis)),
        alt=f"{saving.alt} " + " ".join(_sentence(line, naming, saving.what) for line in lines),
        caption=f"{saving.caption} "
        f"{models_phrase(line[0][0] for line in lines)}{shown_of(shown, sum(len(cells) for _, cells in every))}",
        how_to_read=saving.how_to_read,
        csv=csv_text((*header, "ci_low", "ci_high"), data),
    )
