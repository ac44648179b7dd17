"""How much worse the model predicts when one decoder block alone is pruned: one line for each probe sparsity."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .. import style
from ..drawing import Drawing, csv_text
from ..numbers import count, percent, significant
from .cells import labelled, models_phrase

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...results.model import ModelRecord, Results, SensitivityRecord

Scan = tuple["ModelRecord", "SensitivityRecord"]
HEIGHT_MM, PAGE_MM = 58.0, 200.0
WIDE_RANGE = 20
TOP = 0.96
FEW = 12
"""Blocks whose values the alternative text names one by one."""
MARKERS = "osD^vPXp"


def scans(results: Results) -> list[Scan]:
    """Every scan that has a finite value, with its model."""
    models = {model.id: model for model in results.models}
    return [
        (models[each.model], each)
        for each in results.sensitivity
        if each.model in models and any(value is not None for row in each.nll_increase for value in row)
    ]


def _tints(number: int) -> list[str]:
    """From light to dark blue with rising sparsity: an order, not names."""
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    tint = LinearSegmentedColormap.from_list("probes", ["#6baed6", style.BLUE, "#00263d"])
    return [to_hex(tint(place / max(number - 1, 1))) for place in range(number)]


def _panel(axes: Axes, scan: SensitivityRecord, height_mm: float) -> None:
    from matplotlib.ticker import MaxNLocator

    values = [value for row in scan.nll_increase for value in row if value is not None]
    if min(values) > 0 and max(values) > WIDE_RANGE * min(values):
        axes.set_yscale("log")
        style.plain_log_ticks(axes.yaxis)
        axes.set_ylim(min(values) / 1.4, max(values) * 1.9)
    else:
        axes.axhline(0, color=style.INK, lw=0.7)
        axes.set_ylim(min(0, 1.15 * min(values)), 1.2 * max(values) if max(values) > 0 else 0.1)
    margin = max(len(scan.blocks) * 0.02, 0.2)
    axes.set_xlim(min(scan.blocks) - margin, max(scan.blocks) + margin)
    labels = []
    for column, (sparsity, colour) in enumerate(zip(scan.sparsity, _tints(len(scan.sparsity)), strict=True)):
        line = [row[column] for row in scan.nll_increase]
        known = [(block, value) for block, value in zip(scan.blocks, line, strict=True) if value is not None]
        finite = [math.nan if value is None else value for value in line]
        axes.plot(scan.blocks, finite, marker=MARKERS[column % len(MARKERS)], ms=3.8, mfc="white", color=colour)
        for block, value in zip(scan.blocks, line, strict=True):
            if value is None:
                axes.plot([block], [TOP], "x", color=colour, transform=axes.get_xaxis_transform(), mew=1.4)
        if known:
            labels.append(style.Label(percent(sparsity), *known[-1], colour))
    axes.set(xlabel="Decoder block", ylabel="Increase of NLL (nats per token)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(True)
    style.end_labels(axes, labels, height_mm - 14)


def _paint(figure: Figure, found: list[Scan]) -> None:
    titles = [_title(model, scan) for model, scan in found]
    for part, (_, scan) in zip(style.bands(figure, titles, [1] * len(found)), found, strict=True):
        _panel(part.subplots(), scan, _height(found) / len(found))


def _height(found: list[Scan]) -> float:
    return min(HEIGHT_MM * len(found), PAGE_MM)


def _title(model: ModelRecord, scan: SensitivityRecord) -> str:
    return f"{labelled(model)}, pruned by {scan.method}"


def _sentence(model: ModelRecord, scan: SensitivityRecord) -> str:
    parts = []
    for column, sparsity in enumerate(scan.sparsity):
        if len(scan.blocks) > FEW:
            parts.append(f"at {percent(sparsity)} {_ends(scan, column)}")
            continue
        line = [
            f"block {block} {'not finite' if row[column] is None else significant(row[column] or 0)}"
            for block, row in zip(scan.blocks, scan.nll_increase, strict=True)
        ]
        parts.append(f"at {percent(sparsity)}: {', '.join(line)}")
    return f"{_title(model, scan)}: {'; '.join(parts)}."


def _ends(scan: SensitivityRecord, column: int) -> str:
    """Of many blocks the least and the most sensitive one."""
    values = [math.inf if row[column] is None else float(row[column] or 0) for row in scan.nll_increase]
    ends = (min(range(len(values)), key=values.__getitem__), max(range(len(values)), key=values.__getitem__))
    shown = [significant(values[at]) if math.isfinite(values[at]) else "not finite" for at in ends]
    low, high = (f"{words} in block {scan.blocks[at]}" for words, at in zip(shown, ends, strict=True))
    return f"from {low} to {high}"


def _caption(found: list[Scan]) -> str:
    lost = any(value is None for _, scan in found for row in scan.nll_increase for value in row)
    tokens = " and ".join(dict.fromkeys(count(scan.tokens) for _, scan in found))
    cost = " and ".join(dict.fromkeys(significant(scan.forward_equivalents) for _, scan in found))
    methods = " and ".join(dict.fromkeys(scan.method for _, scan in found))
    return (
        f"Increase of the mean negative log-likelihood over dense when one decoder block is pruned and all others stay "
        f"dense (measured; nats per token; n = {tokens} tokens, without an interval), for each block and probe "
        f"sparsity; method {methods}. The scan cost {cost} forwards of the whole model over these tokens."
        f"{' × marks a value that is not finite.' * lost} {models_phrase({m.id: m for m, _ in found}.values())}"
    )


def draw(results: Results) -> Drawing | None:
    """None when no block was scanned."""
    found = scans(results)
    if not found:
        return None
    data = [
        (model.id, model.label, scan.method, block, sparsity, value, scan.tokens)
        for model, scan in found
        for block, row in zip(scan.blocks, scan.nll_increase, strict=True)
        for sparsity, value in zip(scan.sparsity, row, strict=True)
    ]
    return Drawing(
        id="sensitivity",
        title="Sensitivity of single decoder blocks",
        svg=style.render("sensitivity", _height(found), lambda figure: _paint(figure, found)),
        alt="Line chart of the increase of the negative log-likelihood by pruned block. "
        + " ".join(_sentence(model, scan) for model, scan in found),
        caption=_caption(found),
        how_to_read="A high point is a block that the model misses; lines that are parallel agree on the order of the "
        "blocks. Errors of several blocks together need not add up.",
        csv=csv_text(("model", "label", "method", "block", "sparsity", "nll_increase", "tokens"), data),
    )
