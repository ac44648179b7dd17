"""Stored bytes, sparsity and top-1 agreement of the study's variants, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, style
from ..drawing import Drawing, csv_text
from ..numbers import MIB, mebibytes, number, percent
from .cells import Names, choose, labelled, models_phrase, of_model, sample, shown_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...results.model import CellRecord, Measurement, ModelRecord, Results

PANELS: tuple[tuple[str, dict[str, str], str, float], ...] = (
    ("stored_bytes", {"over": "model"}, "Stored size (MiB)", MIB),
    ("sparsity", {}, "Zeros in the model (%)", 0.01),
    ("agreement_top1", {}, "Top-1 agreement (%)", 0.01),
)


def _bar(axes: Axes, place: int, found: Measurement, column: int, look: style.Mark) -> float:
    """Draw a value with its interval and its number; return where the bar or the interval ends."""
    scale, decimals = PANELS[column][-1], 2 if column == 0 else 1
    value = (found.value or 0) / scale
    low, high = (bound / scale for bound in found.ci or (found.value or 0, found.value or 0))
    axes.barh(place, value, 0.7, color=look.colour, hatch=look.hatch, edgecolor=style.INK)
    if found.ci:
        axes.errorbar(value, place, xerr=[[value - low], [high - value]], color=style.INK, lw=0.9, capsize=1.8)
    axes.annotate(number(value, decimals), (high, place), (3, 0), textcoords="offset points", va="center")
    return high


def _panel(axes: Axes, cells: list[CellRecord], column: int) -> None:
    metric, conditions, label, _ = PANELS[column]
    looks = style.marks((cell.variant.format.entry for cell in cells), style.FORMATS)
    ends = [0.0]
    for place, cell in enumerate(cells):
        found = facts.find(cell, metric, **conditions)
        if found is None or found.value is None:
            words = " reference" if cell.is_reference else " no value"
            axes.text(0, place, words, va="center", color=style.MUTED)
        else:
            ends.append(_bar(axes, place, found, column, looks[cell.variant.format.entry]))
    axes.set(xlabel=label, xlim=(0, 1.27 * max(ends) or 1), ylim=(len(cells) - 0.4, -0.6))
    axes.tick_params(axis="y", length=0)


def _paint(figure: Figure, rows: list[tuple[ModelRecord, list[CellRecord]]], naming: Names) -> None:
    titles, heights = [labelled(model) for model, _ in rows], [len(cells) + 3 for _, cells in rows]
    for part, (_, cells) in zip(style.bands(figure, titles, heights), rows, strict=True):
        line = part.subplots(1, 3, sharey=True)
        for column, axes in enumerate(line):
            _panel(axes, cells, column)
            axes.set_title(f"({'abc'[column]})", fontweight="bold")
        line[0].set_yticks(range(len(cells)), [naming.cell(cell) for cell in cells])


def _sentence(model: ModelRecord, cells: list[CellRecord], naming: Names) -> str:
    parts = []
    for cell in cells:
        words = [mebibytes(facts.value(cell, "stored_bytes", over="model") or 0)]
        agreement = facts.value(cell, "agreement_top1")
        if agreement is not None:
            words.append(f"agreement {percent(agreement, 1)}")
        parts.append(f"{naming.cell(cell)}: {', '.join(words)}")
    return f"{labelled(model)}: {'; '.join(parts)}."


def _caption(rows: list[tuple[ModelRecord, list[CellRecord]]], total: int) -> str:
    cells = [cell for _, cells in rows for cell in cells]
    agreements = [found for cell in cells if (found := facts.find(cell, "agreement_top1"))]
    return (
        "(a) Bytes of everything that is stored, indices and pointers included (counted). (b) Share of zeros among all "
        f"parameters of the model (counted). (c) Top-1 agreement with the dense model (measured{sample(agreements)}). "
        f"{models_phrase(model for model, _ in rows)}{shown_of(len(cells), total)}"
    )


def draw(results: Results) -> Drawing | None:
    """None when no cell has stored bytes."""
    naming = Names.of(results)
    every = [(model, of_model(results, model, "stored_bytes", over="model")) for model in results.models]
    rows = [(model, choose(cells)) for model, cells in every if cells]
    if not rows:
        return None
    data = [
        (model.id, model.label, cell.id, naming.cell(cell), metric, each.value, *(each.ci or (None, None)), each.n)
        for model, cells in rows
        for cell in cells
        for metric, conditions, *_ in PANELS
        if (each := facts.find(cell, metric, **conditions))
    ]
    height = sum(4.6 * len(cells) + 16 for _, cells in rows)
    return Drawing(
        id="headline",
        title="Size, sparsity and agreement of the variants",
        svg=style.render("headline", height, lambda figure: _paint(figure, rows, naming)),
        alt="Three bar charts of stored size, sparsity and top-1 agreement. "
        + " ".join(_sentence(model, cells, naming) for model, cells in rows),
        caption=_caption(rows, sum(len(cells) for _, cells in every)),
        how_to_read="Masked zeros take as many bytes as the weights that they replace: compare (a) within one pruned "
        "model. Formats of one pruned model agree in (b) and (c).",
        csv=csv_text(("model", "label", "cell", "name", "metric", "value", "ci_low", "ci_high", "n"), data),
    )
