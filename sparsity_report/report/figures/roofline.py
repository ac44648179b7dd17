"""The roofline of the machine of the study: what each variant could reach at its intensity, and what it reached."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .. import bounds, facts, style
from ..drawing import Drawing, csv_text
from ..numbers import significant, times
from .cells import Names, choose, format_name, labelled, models_phrase, shown_of

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...results.model import CellRecord, MachineRecord, ModelRecord, Results
    from ..bounds import Bounded

HEIGHT_MM, GIGA = 72.0, 1e9
Panel = tuple["ModelRecord", "list[Bounded]"]


def _cells(results: Results, model: ModelRecord) -> list[CellRecord]:
    return [cell for cell in facts.cells_of(results, model) if bounds.validated(results, cell)]


def _rate(found: Bounded, seconds: float) -> float:
    """GFLOP/s."""
    return found.work.flops / seconds / GIGA


def _roofs(axes: Axes, machine: MachineRecord, dtype: str, low: float, high: float) -> None:
    """Memory's slope, that of the fastest cache where it was measured, and the peak."""
    peak = machine.peak.get(dtype)
    rates = [each.bytes_per_s for each in machine.read_rates] or [machine.bandwidth or 0.0]
    for rate, line, words in ((rates[-1], "-", "memory"), (max(rates), (0, (2, 1.5)), "cache")):
        if not rate or (words == "cache" and max(rates) <= rates[-1]):
            continue
        ridge = high if peak is None else min(high, peak / rate)
        axes.plot([low, ridge], [low * rate / GIGA, ridge * rate / GIGA], color=style.INK, lw=1.0, ls=line)
        axes.text(
            1.04 * low, 1.35 * low * rate / GIGA, f"{words}, {significant(rate / GIGA)} GB/s", fontsize=7.5,
            rotation=math.degrees(math.atan(rate / GIGA)), rotation_mode="anchor", transform_rotates_text=True,
            color=style.MUTED,
        )  # fmt: skip
    if peak is not None:
        start = min(high, peak / max(rates)) if max(rates) else low
        axes.plot([start, high], [peak / GIGA] * 2, color=style.INK, lw=1.0)
        axes.annotate(
            f"{dtype} peak, {significant(peak / GIGA)} GFLOP/s", (start, peak / GIGA), (2, 4), fontsize=7.5,
            textcoords="offset points", color=style.MUTED,
        )  # fmt: skip


def _panel(axes: Axes, machine: MachineRecord, model: ModelRecord, found: list[Bounded]) -> None:
    looks = style.marks((each.cell.variant.format.entry for each in found), style.FORMATS)
    xs = [each.work.intensity for each in found]
    ys = [_rate(each, s) for each in found for s in (each.bound.value, each.measured and each.measured.value) if s]
    low, high = min(xs) / 4, max(xs) * 3
    _roofs(axes, machine, model.dtype, low, high)
    for each in found:
        look = looks[each.cell.variant.format.entry]
        bound, time = each.bound.value, None if each.measured is None else each.measured.value
        if not bound or not time:
            continue
        x, name = each.work.intensity, format_name(each.cell.variant.format)
        axes.plot([x, x], [_rate(each, time), _rate(each, bound)], color=look.colour, lw=0.6)
        axes.plot(x, _rate(each, bound), marker=look.marker, mfc="white", mec=look.colour, ls="")
        axes.plot(
            x, _rate(each, time), marker=look.marker, color=look.colour, mec=style.INK, mew=0.6, ls="", label=name
        )
    peak = machine.peak.get(model.dtype, 0.0) / GIGA
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(min(ys) / 2, 3 * max([*ys, peak])))
    for axis in (axes.xaxis, axes.yaxis):
        style.plain_log_ticks(axis)
    axes.minorticks_off()
    axes.set(xlabel="Intensity (FLOP per byte)", ylabel="GFLOP/s")
    axes.grid(True)


def _paint(figure: Figure, machine: MachineRecord, panels: list[Panel]) -> None:
    shown: dict[str, Artist] = {}
    for part, (model, found) in zip(
        style.bands(figure, [labelled(model) for model, _ in panels], [1] * len(panels)), panels, strict=True
    ):
        axes = part.subplots()
        _panel(axes, machine, model, found)
        shown |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(shown.values(), shown.keys(), loc="outside upper center", ncols=len(shown))


def _sentence(panel: Panel, naming: Names) -> str:
    parts = [
        f"{naming.cell(each.cell)} {each.phase} at {significant(each.work.intensity)} FLOP per byte: "
        f"{times(each.ratio or 0)} the bound"
        for each in panel[1]
    ]
    return f"{labelled(panel[0])}: {'; '.join(parts)}."


def draw(results: Results) -> Drawing | None:
    """None when no bound stands beside a measured time."""
    naming, machine = Names.of(results), bounds.here(results)
    every = [(model, cells) for model in results.models if (cells := _cells(results, model))]
    if machine is None or not every:
        return None
    panels = [
        (model, [each for cell in choose(cells) for each in bounds.validated(results, cell) if each.ratio])
        for model, cells in every
    ]
    panels = [panel for panel in panels if panel[1]]
    if not panels:
        return None
    data = [
        (model.id, model.label, each.cell.id, naming.cell(each.cell), each.phase, *each.point.values(),
         each.work.intensity, each.bound.value, None if each.measured is None else each.measured.value, each.ratio,
         each.limit)
        for model, found in panels
        for each in found
    ]  # fmt: skip
    header = (
        "model",
        "label",
        "cell",
        "name",
        "phase",
        *panels[0][1][0].point,
        "flop_per_byte",
        "bound_s",
        "measured_s",
    )
    shown = len({each.cell.id for _, found in panels for each in found})
    return Drawing(
        id="roofline",
        title="Roofline of this machine",
        svg=style.render("roofline", HEIGHT_MM * len(panels) + 6, lambda figure: _paint(figure, machine, panels)),
        alt="Log-log chart of operations per second against operations per byte, under the machine’s roofline. "
        + " ".join(_sentence(panel, naming) for panel in panels),
        caption="Every timed phase of every variant: filled markers are measured (medians), hollow ones above them "
        "the bound at that intensity (modelled from the measured bandwidth and peak; lines). "
        f"{models_phrase(model for model, _ in every)}{shown_of(shown, sum(len(cells) for _, cells in every))}",
        how_to_read="Left of the ridge memory is the limit, right of it arithmetic; the longer the line below a "
        "hollow marker, the more time goes into something that the model of the machine does not know.",
        csv=csv_text((*header, "ratio", "bound_by"), data),
    )
