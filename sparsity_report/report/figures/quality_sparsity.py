"""Perplexity and top-1 agreement against the sparsity that was reached, one line per method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import facts, style
from ..drawing import Drawing, csv_text
from ..numbers import percent
from .cells import Names, first_of_nodes, labelled, models_phrase

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...results.model import CellRecord, Measurement, ModelRecord, Results

PANELS = (("perplexity", "Perplexity"), ("agreement_top1", "Top-1 agreement (%)"))
WIDE_RANGE = 10
TOP = 0.97
"""Height of the crosses for values that are not finite, as a fraction of the axes."""
ROOM_BELOW = 0.2
"""Of a logarithmic axis, below the smallest value: the label of dense hangs under its line."""
HEIGHT_MM = 62.0


@dataclass(frozen=True)
class Row:
    """Cells of one model on one corpus, one of each pruned model: nothing of another protocol beside them."""

    model: ModelRecord
    corpus: str
    dense: float | None
    cells: list[CellRecord]


def _corpora(results: Results, model: ModelRecord) -> list[str]:
    found = (
        str(each.conditions.get("corpus", ""))
        for cell in results.cells
        if cell.variant.model == model.id
        for each in cell.metrics
        if each.metric in ("perplexity", "agreement_top1")
    )
    return list(dict.fromkeys(found))


def _measured(cell: CellRecord, metric: str, corpus: str) -> Measurement | None:
    return cell.find(metric, corpus=corpus) if corpus else cell.find(metric)


def _rows(results: Results) -> list[Row]:
    rows = []
    for model in results.models:
        pruned = first_of_nodes(
            cell
            for cell in results.cells
            if cell.variant.model == model.id
            and not cell.is_reference
            and facts.value(cell, "sparsity_target") is not None
        )
        reference = results.reference(model.id)
        for corpus in _corpora(results, model):
            measured = [each for each in pruned if any(_measured(each, metric, corpus) for metric, _ in PANELS)]
            dense = None if reference is None else _measured(reference, "perplexity", corpus)
            if measured:
                rows.append(Row(model, corpus, None if dense is None else dense.value, measured))
    return rows


def _series(row: Row, naming: Names) -> dict[str, list[CellRecord]]:
    series: dict[str, list[CellRecord]] = {}
    for cell in sorted(row.cells, key=lambda each: facts.value(each, "sparsity_target") or 0):
        series.setdefault(naming.series(cell), []).append(cell)
    return series


def _looks(series: dict[str, list[CellRecord]]) -> dict[str, style.Mark]:
    """A method's own look for its sweep; everything else of it (patterns, pipelines) takes a spare one."""
    return style.marks(series, style.METHODS)


def _draw_series(axes: Axes, cells: list[CellRecord], metric: str, corpus: str, look: style.Mark, name: str) -> None:
    scale = 100 if metric == "agreement_top1" else 1
    points = [(facts.value(cell, "sparsity_target") or 0, _measured(cell, metric, corpus)) for cell in cells]
    finite = [(100 * x, each, scale * each.value) for x, each in points if each is not None and each.value is not None]
    if finite:
        x, y = [place for place, *_ in finite], [value for *_, value in finite]
        low = [value - scale * each.ci[0] if each.ci else 0 for _, each, value in finite]
        high = [scale * each.ci[1] - value if each.ci else 0 for _, each, value in finite]
        line = "-" if len(set(x)) > 1 else ""
        axes.errorbar(x, y, [low, high], ls=line, marker=look.marker, color=look.colour, mfc="white", label=name)
    for place, each in points:
        if each is not None and each.value is None:
            axes.plot([100 * place], [TOP], "x", color=look.colour, transform=axes.get_xaxis_transform(), mew=1.4)


def _name_diverged(axes: Axes, row: Row, metric: str) -> None:
    """One word beside the first of the crosses at the top edge."""
    found = [(cell, _measured(cell, metric, row.corpus)) for cell in row.cells]
    places = [facts.value(cell, "sparsity_target") or 0 for cell, each in found if each and each.value is None]
    if places:
        first = min(places)
        side, align = (-6, "right") if first > 0.3 else (6, "left")
        axes.annotate(
            "not finite",
            (100 * (first if first > 0.3 else max(places)), TOP),
            (side, 0),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            ha=align,
            va="center",
        )


def _panel(axes: Axes, row: Row, metric: str, label: str, naming: Names) -> None:
    series = _series(row, naming)
    looks = _looks(series)
    for name, cells in series.items():
        _draw_series(axes, cells, metric, row.corpus, looks[name], name)
    axes.set(xlim=(0, 100), xlabel="Sparsity of the targeted matrices (%)", ylabel=label)
    axes.grid(True)
    _name_diverged(axes, row, metric)
    if metric == "agreement_top1":
        axes.set_ylim(0, 104)
        return
    values = [each.value for cell in row.cells if (each := _measured(cell, metric, row.corpus)) and each.value]
    if row.dense is not None:
        values.append(row.dense)
        axes.axhline(row.dense, color=style.INK, lw=0.9, ls=(0, (4, 2)))
        axes.annotate(
            f"dense {row.dense:.3g}", (100, row.dense), (-2, -3), textcoords="offset points", ha="right", va="top"
        )
    if values and max(values) > WIDE_RANGE * min(values):
        axes.set_yscale("log")
        style.plain_log_ticks(axes.yaxis)
        axes.set_ylim(min(values) / (max(values) / min(values)) ** ROOM_BELOW, max(values) * 2.5)
    elif values:
        axes.set_ylim(0, 1.2 * max(values))


def _paint(figure: Figure, rows: list[Row], naming: Names) -> None:
    titles = [f"{labelled(row.model)}, {row.corpus}" for row in rows]
    for part, row in zip(style.bands(figure, titles, [1] * len(rows)), rows, strict=True):
        line = part.subplots(1, 2)
        for axes, (metric, label) in zip(line, PANELS, strict=True):
            _panel(axes, row, metric, label, naming)
        line[1].legend(loc="best", borderaxespad=0.5)


def _sentence(row: Row, naming: Names) -> str:
    parts = []
    for name, cells in _series(row, naming).items():
        for cell in cells:
            perplexity, agreement = (_measured(cell, metric, row.corpus) for metric, _ in PANELS)
            words = []
            if perplexity is not None:
                words.append(
                    "perplexity not finite" if perplexity.value is None else f"perplexity {perplexity.value:.4g}"
                )
            if agreement is not None and agreement.value is not None:
                words.append(f"agreement {percent(agreement.value, 1)}")
            parts.append(f"{name} at {percent(facts.value(cell, 'sparsity_target') or 0)}: {', '.join(words)}")
    dense = "" if row.dense is None else f"dense perplexity {row.dense:.4g}; "
    return f"{labelled(row.model)} on {row.corpus or 'the evaluation text'}: {dense}{'; '.join(parts)}."


def _caption(rows: list[Row]) -> str:
    found = (_measured(cell, metric, row.corpus) for row in rows for cell in row.cells for metric, _ in PANELS)
    counts = sorted({each.n for each in found if each is not None and each.n})
    tokens = f"n = {' and '.join(f'{n:,}' for n in counts)} predicted tokens" if counts else "n not recorded"
    corpora = ", ".join(dict.fromkeys(row.corpus for row in rows if row.corpus))
    models = list({row.model.id: row.model for row in rows}.values())
    return (
        f"Left: perplexity; right: top-1 agreement with the dense model; both measured on {corpora or 'one text'}, "
        f"{tokens}, bars are 95 % intervals, × marks a value that is not finite. {models_phrase(models)}"
    )


def draw(results: Results) -> Drawing | None:
    """None when no pruned cell has behaviour beside its sparsity."""
    naming, rows = Names.of(results), _rows(results)
    if not rows:
        return None
    data = [
        (row.model.id, row.model.label, row.corpus, name, facts.value(cell, "sparsity_target"), metric, each.value,
         *(each.ci or (None, None)), each.n)
        for row in rows
        for name, cells in _series(row, naming).items()
        for cell in cells
        for metric, _ in PANELS
        if (each := _measured(cell, metric, row.corpus))
    ]  # fmt: skip
    header = ("model", "label", "corpus", "series", "sparsity_target", "metric", "value", "ci_low", "ci_high", "n")
    return Drawing(
        id="quality_sparsity",
        title="Quality against sparsity",
        svg=style.render("quality_sparsity", HEIGHT_MM * len(rows), lambda figure: _paint(figure, rows, naming)),
        alt="Two line charts of perplexity and top-1 agreement against sparsity. "
        + " ".join(_sentence(row, naming) for row in rows),
        caption=_caption(rows),
        how_to_read="Lower is better on the left, higher on the right; a good criterion stays near the dense model "
        "the longest.",
        csv=csv_text(header, data),
    )
