"""Measured speed-up against the reduction of the FLOPs proxy: zeros that did not pay lie below the diagonal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import facts, style
from ..drawing import Drawing, csv_text
from ..numbers import times
from .cells import Names, choose, format_name, labelled, models_phrase, shown_of
from .latency import Timing, timed_cells, timings_of

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...results.model import CellRecord, ModelRecord, Results

METRIC = "flops_per_token"
HEIGHT_MM = 66.0
Panel = tuple["ModelRecord", str, "list[Point]"]


@dataclass(frozen=True)
class Point:
    """A timed variant: how many times fewer FLOPs than dense, and how many times faster."""

    cell: CellRecord
    timing: Timing
    fewer: float

    @property
    def faster(self) -> float:
        return 1 / self.timing.ratio


def _points(results: Results, model: ModelRecord, cells: list[CellRecord]) -> list[Point]:
    reference = results.reference(model.id)
    dense = None if reference is None else facts.value(reference, METRIC)
    found = []
    for cell in cells:
        own = facts.value(cell, METRIC)
        if own and dense:
            found += [Point(cell, timing, dense / own) for timing in timings_of(results, cell)]
    return found


def _panels(results: Results, rows: list[tuple[ModelRecord, list[CellRecord]]]) -> list[list[Panel]]:
    """One line of panels per model, one panel per phase."""
    lines = []
    for model, cells in rows:
        points = _points(results, model, cells)
        phases = dict.fromkeys(point.timing.phase for point in points)
        line = [(model, phase, [point for point in points if point.timing.phase == phase]) for phase in phases]
        lines.append(line)
    return [line for line in lines if line]


def _labels(axes: Axes, points: list[Point], naming: Names, limit: float) -> None:
    """One label a variant, beside its slowest point, moved apart where they would touch; markers tell the formats."""
    slowest: dict[str, Point] = {}
    for point in sorted(points, key=lambda each: each.faster):
        slowest.setdefault(point.cell.id, point)
    kinds = {(point.cell.variant.format.entry, format_name(point.cell.variant.format)) for point in points}
    formats = Counter(entry for entry, _ in kinds)
    places = style.spread([point.faster for point in slowest.values()], 0.062 * limit)
    for place, point in zip(places, slowest.values(), strict=True):
        axes.annotate(
            naming.cell(point.cell) if formats[point.cell.variant.format.entry] > 1 else naming.node(point.cell),
            (point.fewer, point.faster),
            (point.fewer + 0.035 * limit, place),
            fontsize=7.5,
            va="center",
            bbox={"facecolor": "white", "alpha": 0.8, "lw": 0, "pad": 0.4},
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": style.MUTED, "shrinkA": 0},
        )


def _panel(axes: Axes, phase: str, points: list[Point], naming: Names, limit: float) -> None:
    looks = style.marks((point.cell.variant.format.entry for point in points), style.FORMATS)
    axes.plot([0, limit], [0, limit], color=style.INK, lw=0.8, ls=(0, (4, 2)))
    axes.axhline(1, color=style.MUTED, lw=0.6)
    for point in points:
        timing, look = point.timing, looks[point.cell.variant.format.entry]
        bar = [[point.faster - 1 / timing.high], [1 / timing.low - point.faster]]
        axes.errorbar(
            point.fewer, point.faster, yerr=bar, marker=look.marker, color=look.colour, mec=style.INK, mew=0.6,
            ecolor=style.INK, lw=0.8, label=format_name(point.cell.variant.format),
        )  # fmt: skip
    _labels(axes, points, naming, limit)
    axes.set(xlim=(0, limit), ylim=(0, limit), xlabel="FLOPs reduction (dense / variant)")
    axes.set_ylabel(f"Measured {phase} speed-up")
    axes.grid(True)


def _paint(figure: Figure, lines: list[list[Panel]], naming: Names) -> None:
    shown: dict[str, Artist] = {}
    titles = [labelled(line[0][0]) for line in lines]
    for part, line in zip(style.bands(figure, titles, [1] * len(lines)), lines, strict=True):
        every = [value for *_, points in line for point in points for value in (point.fewer, 1 / point.timing.low)]
        limit = 1.25 * max([1.2, *every])
        for axes, (_, phase, points) in zip(part.subplots(1, len(line), squeeze=False)[0], line, strict=True):
            _panel(axes, phase, points, naming, limit)
            shown |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(shown.values(), shown.keys(), loc="outside upper center", ncols=len(shown))


def _sentence(line: list[Panel], naming: Names) -> str:
    parts = [
        f"{naming.cell(point.cell)} {phase} at {point.timing.point}: {times(point.fewer)} fewer FLOPs, "
        f"{times(point.faster)} the speed"
        for _, phase, points in line
        for point in points
    ]
    return f"{labelled(line[0][0])}: {'; '.join(parts)}."


def draw(results: Results) -> Drawing | None:
    """None when no variant has both a measured speed-up and its FLOPs."""
    naming, every = Names.of(results), timed_cells(results)
    lines = _panels(results, [(model, choose(cells)) for model, cells in every])
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
    header = ("model", "label", "cell", "name", "phase", "batch_x_prompt", "flops_reduction", "speedup")
    return Drawing(
        id="speed_vs_flops",
        title="Measured speed-up against the FLOPs proxy",
        svg=style.render("speed_vs_flops", HEIGHT_MM * len(lines) + 6, lambda figure: _paint(figure, lines, naming)),
        alt="Scatter chart of measured speed-up against the reduction of the FLOPs proxy. "
        + " ".join(_sentence(line, naming) for line in lines),
        caption="Speed-up over dense (measured; bars are 95\u00a0% intervals) against how many times fewer operations "
        "the FLOPs proxy counts (counted). Dashed: every operation saved is time saved; thin: as fast as dense. "
        f"{models_phrase(line[0][0] for line in lines)}{shown_of(shown, sum(len(cells) for _, cells in every))}",
        how_to_read="A point on the dashed line turns all of its zeros into speed; below the thin line, pruning made "
        "the model slower.",
        csv=csv_text((*header, "ci_low", "ci_high"), data),
    )
