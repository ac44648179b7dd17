"""Measured speed-up over dense against sparsity, format by format: from where on is a format faster?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import style
from ..crossovers import PHASES, series
from ..drawing import Drawing, csv_text
from ..numbers import NBSP, percent, times
from .cells import labelled, models_phrase

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...results.model import Results
    from ..crossovers import Series

HEIGHT_MM, LEGEND_MM, MOST = 62.0, 5.0, 8
"""Of a model's panels, of a line of the legend; and how many series a panel shows."""


def _groups(results: Results) -> list[list[list[Series]]]:
    """A list of phases for each model, a list of series for each phase; nothing empty."""
    found = [[series(results, model, phase) for phase in PHASES] for model in results.models]
    kept = [[each for each in phases if each] for phases in found]
    return [phases for phases in kept if phases]


def _panel(axes: Axes, every: list[Series], lines: dict[str, style.Mark], dashes: dict[str, object]) -> None:
    floor = max(step.speed.floor for each in every for step in each.steps)
    axes.axhspan(1 - floor, 1 + floor, color="#d0d0d0", lw=0)
    axes.axhline(1, color=style.INK, lw=0.8, ls=(0, (4, 2)))
    for each in every[:MOST]:
        look, x, y = lines[each.name], [100 * step.sparsity for step in each.steps], [step.ratio for step in each.steps]
        bars = [[max(step.ratio - step.interval[0], 0) for step in each.steps],
                [max(step.interval[1] - step.ratio, 0) for step in each.steps]]  # fmt: skip
        axes.errorbar(
            x, y, yerr=bars, color=look.colour, marker=look.marker, mec=style.INK, mew=0.6, lw=1.0,
            ls=dashes[each.name], ecolor=style.INK, elinewidth=0.7, label=each.name,
        )  # fmt: skip
    crossings = [_crossover(axes, each, lines[each.name].colour) for each in every[:MOST] if each.crossover]
    if crossings:
        axes.text(
            0.985, 0.03, "\n".join(["passes dense within", *crossings]), transform=axes.transAxes, ha="right",
            va="bottom", fontsize=7.6, linespacing=1.2, bbox={"facecolor": "white", "alpha": 0.8, "lw": 0, "pad": 1},
        )  # fmt: skip
    top = max(step.interval[1] for each in every for step in each.steps)
    phase, point = every[0].phase, every[0].point
    axes.set(ylim=(0, 1.12 * max(top, 1 + floor)), xlabel="Sparsity of the targeted matrices (%)")
    axes.set_title(f"{phase}, batch × prompt {point}")
    axes.grid(True)


def _crossover(axes: Axes, each: Series, colour: str) -> str:
    """Marks the stretch of the dense line within which a series passes it; the same in words."""
    assert each.crossover is not None
    low, high = (100 * part for part in each.crossover)
    axes.plot([low, high], [1, 1], "|-", color=colour, lw=2, ms=7, mew=1.4, solid_capstyle="butt", zorder=1.9)
    return f"{low:.0f} to {high:.0f}{NBSP}%: {each.name}"


def _looks(groups: list[list[list[Series]]]) -> tuple[dict[str, style.Mark], dict[str, object]]:
    """Colour and marker tell the format, dashes the series of one format."""
    entries = {each.name: each.steps[0].cell.variant.format.entry for part in groups for one in part for each in one}
    marks, seen = style.marks(entries.values(), style.FORMATS), dict.fromkeys(entries.values(), 0)
    dashes: dict[str, object] = {}
    for name, entry in entries.items():
        dashes[name] = style.LINES[seen[entry] % len(style.LINES)]
        seen[entry] += 1
    return {name: marks[entry] for name, entry in entries.items()}, dashes


def _paint(figure: Figure, groups: list[list[list[Series]]]) -> None:
    looks, dashes = _looks(groups)
    shown: dict[str, Artist] = {}
    titles = [labelled(phases[0][0].model) for phases in groups]
    for part, phases in zip(style.bands(figure, titles, [1] * len(groups)), groups, strict=True):
        grid = part.subplots(1, len(phases), squeeze=False)[0]
        for axes, every in zip(grid, phases, strict=True):
            _panel(axes, every, looks, dashes)
            shown |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        grid[0].set_ylabel("Speed-up over dense")
    figure.legend(shown.values(), shown.keys(), loc="outside upper center", ncols=min(3, len(shown)))


def _finding(each: Series) -> str:
    ends = f"{times(each.steps[0].ratio)} at {percent(each.steps[0].sparsity)}, {times(each.steps[-1].ratio)} at "
    ends += percent(each.steps[-1].sparsity)
    if each.crossover is None:
        return f"{each.name} in {each.phase}: {ends}, no crossover"
    low, high = map(percent, each.crossover)
    return f"{each.name} in {each.phase}: {ends}, passes dense between {low} and {high}"


def draw(results: Results) -> Drawing | None:
    """None where no format was timed at two sparsities of one series."""
    groups = _groups(results)
    if not groups:
        return None
    every = [each for phases in groups for one in phases for each in one]
    rows = [
        (each.model.id, each.model.label, each.name, each.phase, each.point, step.cell.id, step.sparsity, step.ratio,
         *step.interval, step.speed.floor, step.speed.verdict)
        for each in every
        for step in each.steps
    ]  # fmt: skip
    lost = any(len(one) > MOST for phases in groups for one in phases)
    names = len({each.name for each in every})
    return Drawing(
        id="speed_vs_sparsity",
        title="Measured speed-up against sparsity",
        svg=style.render(
            "speed_vs_sparsity",
            HEIGHT_MM * len(groups) + LEGEND_MM * -(-names // 3),
            lambda figure: _paint(figure, groups),
        ),
        alt="Line chart of measured speed-up over dense against sparsity. "
        + "; ".join(f"{labelled(each.model)}, {_finding(each)}" for each in every)
        + ".",
        caption=f"Speed-up over dense at the first timed point (measured; bars are 95{NBSP}% intervals) of every "
        "format that was timed at several sparsities. Dashed: as fast as dense; grey: the noise floor of dense against "
        "dense. A thick line on it spans a crossover, from the last sparsity that is slower to the first that is "
        "faster; "
        f"lines between points only join them. {f'At most {MOST} series a panel are shown. ' if lost else ''}"
        f"{models_phrase(phases[0][0].model for phases in groups)}",
        how_to_read="Above the dashed line a format is faster than dense. Without a thick line, the timed sparsities "
        "show no crossover, and nothing is known beyond them.",
        csv=csv_text(
            ("model", "label", "series", "phase", "batch_x_prompt", "cell", "sparsity", "speedup", "ci_low", "ci_high",
             "noise_floor", "verdict"),
            rows,
        ),
    )  # fmt: skip
