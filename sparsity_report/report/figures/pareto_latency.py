"""Quality against time: which variants no other beats in both, for prefill and decode at the first timed point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import style
from ..drawing import Drawing, csv_text
from ..fronts import candidates
from . import fronts
from .cells import Names, labelled, models_phrase
from .latency import PHASES, timings_of

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

    from ...results.model import ModelRecord, Results

FEWEST = 3
"""Points of a front worth a figure, dense among them."""


def _panel(results: Results, model: ModelRecord, phase: str) -> fronts.Panel:
    """Times over dense of the same rounds; dense itself takes 1, and so does what does not differ from it."""
    points, where = [], ""
    for each in candidates(results, model):
        if each.cell.is_reference:
            points.append(fronts.Point(each, *[1.0] * 4))
            continue
        timings = [timing for timing in timings_of(results, each.cell) if timing.phase == phase]
        where = where or (timings[0].point if timings else "")
        points += [
            fronts.Point(each, own.ratio, own.low, own.high, own.ratio if own.differs else 1.0)
            for own in timings
            if own.point == where
        ]
    return fronts.Panel(model, f"{phase} at batch × prompt {where}", tuple(points))


def _lines(results: Results) -> list[list[fronts.Panel]]:
    lines = [[_panel(results, model, phase) for phase in PHASES] for model in results.models]
    kept = [[each for each in line if len(each.shown) >= FEWEST] for line in lines]
    return [line for line in kept if line]


def _paint(figure: Figure, lines: list[list[fronts.Panel]], naming: Names) -> None:
    shown: dict[str, Artist] = {}
    panels = [panel for line in lines for panel in line]
    titles = [labelled(each.model) for each in panels]
    for part, panel in zip(style.bands(figure, titles, [1] * len(panels)), panels, strict=True):
        axes = part.subplots()
        fronts.paint(axes, panel, naming)
        axes.axvline(1, color=style.MUTED, lw=0.6)
        axes.set(xlabel=f"Time over dense, {panel.what}", ylabel="Perplexity / dense")
        shown |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(shown.values(), shown.keys(), loc="outside upper center", ncols=len(shown))


def draw(results: Results) -> Drawing | None:
    """None with fewer than three variants, dense among them, of known perplexity and time."""
    naming, lines = Names.of(results), _lines(results)
    panels = [panel for line in lines for panel in line]
    if not panels:
        return None
    return Drawing(
        id="pareto_latency",
        title="Quality against time",
        svg=style.render(
            "pareto_latency", fronts.HEIGHT_MM * len(panels) + 6, lambda figure: _paint(figure, lines, naming)
        ),
        alt="Scatter chart of perplexity over dense against time over dense, with its Pareto front. "
        + " ".join(fronts.sentence(each, naming, "{:.3g} times the time of dense") for each in panels),
        caption=f"Time over dense of the same interleaved rounds (measured) at the first timed point. "
        f"{fronts.quality_words()} {models_phrase(line[0].model for line in lines)}"
        f"{fronts.left_out(panels)}",
        how_to_read="Left of 1 is faster than dense, down is better; a pale point has another that is no slower and "
        "better, where times within the noise of dense count as its own.",
        csv=csv_text(fronts.HEADER, fronts.rows(panels, naming)),
    )
