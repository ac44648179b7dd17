"""From what a variant's bytes allow to what it gains: where on the way the speed-up is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, steps, style
from ..drawing import Drawing, csv_text
from ..numbers import times
from .cells import Names, choose, labelled, models_phrase, shown_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...results.model import CellRecord, ModelRecord, Results
    from ..steps import Waterfall

HEIGHT_MM = 52.0
TICKS = {
    "bytes_gain": "bytes\nallow",
    "product_gain": "product\nalone",
    "layer_gain": "layers",
    "amdahl_gain": "Amdahl",
    "measured": "measured",
}
Panel = tuple["ModelRecord", str, "list[Waterfall]"]


def _cells(results: Results, model: ModelRecord) -> list[CellRecord]:
    return [cell for cell in facts.cells_of(results, model) if any(steps.waterfalls(results, cell))]


def _panels(results: Results, every: list[tuple[ModelRecord, list[CellRecord]]]) -> list[list[Panel]]:
    """One line of panels per model, one panel per phase, every variant at its first point."""
    lines = []
    for model, cells in every:
        line = []
        for phase in steps.PHASES:
            found = [
                next((each for each in steps.waterfalls(results, cell) if each.phase == phase), None)
                for cell in choose(cells)
            ]
            line.append((model, phase, [each for each in found if each is not None]))
        lines.append([panel for panel in line if panel[2]])
    return lines


def _panel(axes: Axes, phase: str, found: list[Waterfall], naming: Names) -> None:
    looks = style.marks((each.cell.variant.format.entry for each in found), style.FORMATS)
    order = list(TICKS)
    labels, values = [], [1.0]
    for place, each in enumerate(found):
        look, known = looks[each.cell.variant.format.entry], {k: v for k, v in each.steps.items() if v.value}
        ys = [record.value or 1.0 for record in known.values()]
        values += ys
        shift = 0.05 * (place - (len(found) - 1) / 2)
        xs = [order.index(step) + shift for step in known]
        axes.plot(
            xs, ys, marker=look.marker, color=look.colour, mec=style.INK, mew=0.5, lw=1.0,
            ls=style.LINES[place % len(style.LINES)],
        )  # fmt: skip
        bars = [(x, record.ci) for x, record in zip(xs, known.values(), strict=True) if record.ci]
        axes.vlines([x for x, _ in bars], [ci[0] for _, ci in bars], [ci[1] for _, ci in bars], style.INK, lw=0.7)
        values += [bound for _, ci in bars for bound in ci]
        labels.append(style.Label(naming.cell(each.cell), xs[-1], ys[-1], look.colour))
    axes.axhline(1, color=style.INK, lw=0.8, ls=(0, (4, 2)))
    axes.set_yscale("log")
    axes.set(xlim=(-0.4, len(order) - 0.6), ylim=(0.8 * min(values), 1.25 * max(values)))
    style.plain_log_ticks(axes.yaxis)
    axes.minorticks_off()
    axes.set_xticks(range(len(order)), [TICKS[step] for step in order])
    axes.set_ylabel(f"{phase.capitalize()} speed-up over dense")
    axes.grid(True, axis="y")
    style.end_labels(axes, labels, HEIGHT_MM - 20)


def _paint(figure: Figure, lines: list[list[Panel]], naming: Names) -> None:
    rows = [(labelled(model), phase, found) for line in lines for model, phase, found in line]
    parts = style.bands(figure, [f"{title}, {phase}" for title, phase, _ in rows], [1] * len(rows))
    for part, (_, phase, found) in zip(parts, rows, strict=True):
        _panel(part.subplots(), phase, found, naming)


def _sentence(panel: Panel, naming: Names) -> str:
    model, phase, found = panel
    parts = [
        f"{naming.cell(each.cell)}: "
        + ", ".join(f"{steps.STEP_NAMES[step]} {times(record.value or 0)}" for step, record in each.steps.items())
        for each in found
    ]
    return f"{labelled(model)}, {phase}: {'; '.join(parts)}."


def draw(results: Results) -> Drawing | None:
    """None when no variant was profiled beside dense."""
    naming = Names.of(results)
    every = [(model, cells) for model in results.models if (cells := _cells(results, model))]
    lines = _panels(results, every)
    panels = [panel for line in lines for panel in line]
    if not panels:
        return None
    data = [
        (model.id, model.label, each.cell.id, naming.cell(each.cell), phase, *each.point.values(), step, record.kind,
         record.value, *(record.ci or (None, None)))
        for model, phase, found in panels
        for each in found
        for step, record in each.steps.items()
    ]  # fmt: skip
    header = (
        "model",
        "label",
        "cell",
        "name",
        "phase",
        *panels[0][2][0].point,
        "step",
        "kind",
        "speedup",
        "ci_low",
        "ci_high",
    )
    shown = len({each.cell.id for *_, found in panels for each in found})
    return Drawing(
        id="waterfall",
        title="From what the bytes allow to what is gained",
        svg=style.render("waterfall", HEIGHT_MM * len(panels) + 4, lambda figure: _paint(figure, lines, naming)),
        alt="Line chart of speed-ups over dense, step by step. " + " ".join(_sentence(each, naming) for each in panels),
        caption="Speed-up over dense at every step: what the bytes of the targeted weights allow (counted), their "
        "products alone and the layers in the running model (measured), what that comes to by Amdahl’s law (modelled), "
        "and the whole model (measured); bars are 95\u00a0% intervals, at the first timed point. "
        f"{models_phrase(model for model, _ in every)}{shown_of(shown, sum(len(cells) for _, cells in every))}",
        how_to_read="A line that falls between two steps loses speed there; below the dashed line the variant is "
        "slower than dense.",
        csv=csv_text(header, data),
    )
