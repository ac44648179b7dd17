"""Median time of every timed variant relative to dense, with its interval and the noise of dense against dense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import facts, style
from ..drawing import Drawing, csv_text
from ..numbers import percent, seconds, times
from .cells import Names, choose, labelled, models_phrase, shown_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...results.model import CellRecord, ModelRecord, Results

PHASES = {"prefill": "Prefill time relative to dense", "decode": "Decode time relative to dense"}


@dataclass(frozen=True)
class Timing:
    """
    A phase at one (batch, prompt) point: "1 × 128", and "1 × 128 + 32" where several lengths were decoded.

    `ratio` is variant over dense, `low` to `high` its interval.
    """

    cell: CellRecord
    phase: str
    point: str
    ratio: float
    low: float
    high: float
    floor: float
    differs: bool
    median: float | None
    rounds: int | None
    outliers: int | None = None
    drift: float | None = None


def timings_of(results: Results, cell: CellRecord) -> list[Timing]:
    """All ratios of a cell, as times: the reciprocals of the speed-ups."""
    found, several = [], any("decode" in point for point in facts.timing_points(results))
    for each in facts.speeds(results, cell):
        if each.phase in PHASES and each.ratio.value and each.ratio.ci and min(each.ratio.ci) > 0:
            slow, fast = each.ratio.ci
            point = f"{each.point.get('batch', 1)} × {each.point.get('prompt', '')}".removesuffix(" × ")
            point += f" + {each.point['decode']}" if several and each.phase == "decode" else ""
            median = facts.value(cell, f"{each.phase}_latency_s", **each.point)
            ratio = (1 / each.ratio.value, 1 / fast, 1 / slow)
            differs = each.verdict != "no difference"
            drift = facts.value(cell, f"{each.phase}_drift", **each.point)
            read = (each.ratio.n, each.ratio.outliers, drift)
            found.append(Timing(cell, each.phase, point, *ratio, each.floor, differs, median, *read))
    return found


def timed_cells(results: Results) -> list[tuple[ModelRecord, list[CellRecord]]]:
    """Models and their cells that have a measured ratio to dense."""
    every = []
    for model in results.models:
        cells = [cell for cell in results.cells if cell.variant.model == model.id and timings_of(results, cell)]
        every.append((model, cells))
    return [(model, cells) for model, cells in every if cells]


def _lines(timings: list[Timing]) -> list[tuple[str, str]]:
    """(cell id, point) of each line of the chart, in order."""
    return list(dict.fromkeys((each.cell.id, each.point) for each in timings))


def _panel(axes: Axes, timings: list[Timing], phase: str) -> None:
    lines = _lines(timings)
    looks = style.marks((each.cell.variant.format.entry for each in timings), style.FORMATS)
    shown = [each for each in timings if each.phase == phase]
    for each in shown:
        place, look = lines.index((each.cell.id, each.point)), looks[each.cell.variant.format.entry]
        axes.fill_betweenx([place - 0.5, place + 0.5], 1 - each.floor, 1 + each.floor, color="#d0d0d0", lw=0)
        axes.errorbar(
            each.ratio, place, xerr=[[each.ratio - each.low], [each.high - each.ratio]], marker=look.marker, ms=5.5,
            color=look.colour, mec=style.INK, mew=0.7, ecolor=style.INK, mfc=look.colour if each.differs else "white",
        )  # fmt: skip
        words = times(each.ratio) + ("" if each.median is None else f" ({seconds(each.median)})")
        axes.annotate(words, (max(each.high, 1 + each.floor), place), (5, 0), textcoords="offset points", va="center")
    axes.axvline(1, color=style.INK, lw=0.8, ls=(0, (4, 2)))
    axes.set(xlim=(0, 1.55 * max((each.high for each in shown), default=1)), ylim=(len(lines) - 0.4, -0.6))
    axes.set_xlabel(PHASES[phase])
    axes.tick_params(axis="y", length=0)


def _paint(figure: Figure, rows: list[tuple[ModelRecord, list[Timing]]], naming: Names) -> None:
    phases = _phases(rows)
    several = len({each.point for _, timings in rows for each in timings}) > 1
    titles, heights = [labelled(model) for model, _ in rows], [len(_lines(timings)) + 3 for _, timings in rows]
    for part, (_, timings) in zip(style.bands(figure, titles, heights), rows, strict=True):
        line = part.subplots(1, len(phases), squeeze=False, sharey=True)[0]
        for axes, phase in zip(line, phases, strict=True):
            _panel(axes, timings, phase)
        cells = {each.cell.id: naming.cell(each.cell) for each in timings}
        labels = [f"{cells[cell]}, {point}" if several else cells[cell] for cell, point in _lines(timings)]
        line[0].set_yticks(range(len(labels)), labels)


def _phases(rows: list[tuple[ModelRecord, list[Timing]]]) -> list[str]:
    return [phase for phase in PHASES if any(each.phase == phase for _, timings in rows for each in timings)]


def _sentence(model: ModelRecord, timings: list[Timing], naming: Names) -> str:
    parts = [
        f"{naming.cell(each.cell)} {each.phase} at {each.point}: {times(each.ratio)} dense"
        + ("" if each.differs else ", no difference")
        for each in timings
    ]
    return f"{labelled(model)}: {'; '.join(parts)}."


def _caption(rows: list[tuple[ModelRecord, list[Timing]]], total: int) -> str:
    points = list(dict.fromkeys(each.point for _, timings in rows for each in timings))
    counts = [each.rounds for _, timings in rows for each in timings if each.rounds]
    rounds = f"n ≥ {min(counts)} interleaved rounds, " if counts else ""
    scatter = [each.outliers for _, timings in rows for each in timings if each.outliers is not None]
    drifts = [abs(each.drift) for _, timings in rows for each in timings if each.drift is not None]
    rounds += f"of which at most {max(scatter)} are outliers and none is left out, " if scatter else ""
    rounds += f"dense drifted by at most {percent(max(drifts), 0)}, " if drifts else ""
    shown = len({each.cell.id for _, timings in rows for each in timings})
    return (
        f"Median time relative to the dense model timed beside it (measured; {rounds}bars are 95\u00a0% intervals; in "
        f"brackets the median itself), batch × prompt tokens {', '.join(points)}. The grey band is the noise floor of "
        f"dense against dense, {floors(rows)}; hollow markers are no difference. "
        f"{models_phrase(model for model, _ in rows)}"
        f"{shown_of(shown, total)}"
    )


def floors(rows: list[tuple[ModelRecord, list[Timing]]]) -> str:
    """The range of the noise floors."""
    every = [each.floor for _, timings in rows for each in timings]
    low, high = percent(min(every), 1), percent(max(every), 1)
    return f"±{low}" if low == high else f"±{low} to ±{high}"


def draw(results: Results) -> Drawing | None:
    """None when nothing was timed against dense."""
    naming, every = Names.of(results), timed_cells(results)
    rows = [
        (model, [timing for cell in choose(cells) for timing in timings_of(results, cell)]) for model, cells in every
    ]
    if not rows:
        return None
    data = [
        (model.id, model.label, each.cell.id, naming.cell(each.cell), each.phase, each.point, each.ratio, each.low,
         each.high, each.floor, each.median, each.rounds, each.outliers, each.drift)
        for model, timings in rows
        for each in timings
    ]  # fmt: skip
    header = ("model", "label", "cell", "name", "phase", "batch_x_prompt", "ratio_to_dense", "ci_low", "ci_high")
    return Drawing(
        id="latency",
        title="Time relative to dense",
        svg=style.render(
            "latency",
            sum(4.8 * len(_lines(timings)) + 15 for _, timings in rows),
            lambda figure: _paint(figure, rows, naming),
        ),
        alt="Dot chart of measured time relative to dense. "
        + " ".join(_sentence(model, timings, naming) for model, timings in rows),
        caption=_caption(rows, sum(len(cells) for _, cells in every)),
        how_to_read="Left of the dashed line a variant is faster than dense, right of it slower.",
        csv=csv_text((*header, "noise_floor", "median_s", "rounds", "outliers", "drift"), data),
    )
