"""
Perplexity and top-1 agreement against the sparsity that was reached: one line a method and scope, N:M beside them.

N:M patterns imply their sparsity, so that a method has one point in each: they stand in a panel of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import facts, style
from ..drawing import Drawing, csv_text
from ..numbers import NBSP, percent
from ..replicates import PooledMeasurement, seeds
from . import beyond
from .cells import Names, first_of_nodes, labelled, method_marks, models_phrase

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from ...results.model import CellRecord, Measurement, ModelRecord, Results, TippingRecord

PANELS = (("perplexity", "Perplexity"), ("agreement_top1", "Top-1 agreement (%)"))
ROOM = 0.07
"""Of a logarithmic axis, below the smallest and above the largest value."""
PANEL_MM, PAGE_MM = (66.0, 46.0), 205.0
LABEL_MM, FRAME_MM = 3.4, 9.0
"""What a label takes, and what a panel needs besides its axes."""
SCALE_MM, NAMES_MM = 12.0, 22.0
"""What a panel's scale and the names beside it take of the width."""
MOST_ROWS = 4


@dataclass(frozen=True)
class Row:
    """Cells of one model on one corpus, one of each pruned model: nothing of another protocol beside them."""

    model: ModelRecord
    corpus: str
    dense: float | None
    cells: list[CellRecord]
    tipping: tuple[TippingRecord, ...] = ()


@dataclass(frozen=True)
class Look:
    """Colour and marker are the method's, the line its scope's or allocation's."""

    mark: style.Mark
    line: object


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
            if measured and not facts.mixed(results, model, corpus):
                own = tuple(each for each in results.tipping if (each.model, each.corpus) == (model.id, corpus))
                rows.append(Row(model, corpus, None if dense is None else dense.value, measured, own))
    return rows


def _sparsity(cell: CellRecord) -> float:
    return facts.value(cell, "sparsity_target") or 0


def _series(row: Row, naming: Names) -> dict[str, list[CellRecord]]:
    """By name, along the sparsity; N:M patterns of one kind of state together."""
    series: dict[str, list[CellRecord]] = {}
    for cell in sorted(row.cells, key=_sparsity):
        series.setdefault(naming.series(cell), []).append(cell)
    return series


def _looks(results: Results, naming: Names) -> dict[str, Look]:
    """A method's colour and marker, and a line for each of its series in the order of the study."""
    marks, lines = method_marks(results), dict[str, list[str]]()
    looks: dict[str, Look] = {}
    for cell in results.cells:
        if not cell.variant.stages or facts.is_nm(cell):
            continue
        method, name = cell.variant.stages[0].entry, naming.series(cell)
        own = lines.setdefault(method, [])
        if name not in own:
            own.append(name)
        looks[name] = Look(marks[method], style.LINES[own.index(name) % len(style.LINES)])
    return looks


def _spread(each: Measurement, scale: float) -> tuple[float, float] | None:
    """From the smallest to the largest of several seeds."""
    if isinstance(each, PooledMeasurement) and each.low is not None and each.high is not None:
        return scale * each.low, scale * each.high
    return None


def _point(axes: Axes, x: float, each: Measurement, scale: float, mark: style.Mark) -> None:
    """A value: thin its 95 % interval, thick the range of its seeds. One above the axis has no mark here."""
    value = scale * (each.value or 0)
    if each.ci:
        low, high = (max(abs(value - scale * bound), 0) for bound in each.ci)
        axes.errorbar(x, value, [[low], [high]], color=mark.colour, lw=0.8, zorder=2.2)
    if span := _spread(each, scale):
        axes.vlines(x, *span, color=mark.colour, lw=3.2, alpha=0.45, zorder=2.3)
    if value <= axes.get_ylim()[1]:
        axes.plot([x], [value], mark.marker, color=mark.colour, mfc="white", zorder=2.6)


def _draw_series(
    axes: Axes, cells: list[CellRecord], metric: str, corpus: str, look: Look
) -> list[tuple[float, float]]:
    """The line of a sweep; returns its finite points."""
    scale = 100 if metric == "agreement_top1" else 1
    points = [(100 * _sparsity(cell), _measured(cell, metric, corpus)) for cell in cells]
    finite = [(x, each) for x, each in points if each is not None and each.value is not None]
    axes.plot(
        [x for x, _ in finite], [scale * (each.value or 0) for _, each in finite], ls=look.line, color=look.mark.colour
    )
    for x, each in finite:
        _point(axes, x, each, scale, look.mark)
    for x, lost in points:
        if lost is not None and lost.value is None:
            axes.plot([x], [beyond.TOP], "x", color=look.mark.colour, transform=axes.get_xaxis_transform(), mew=1.4)
    return [(x, scale * (each.value or 0)) for x, each in finite]


def _name_diverged(axes: Axes, row: Row, metric: str) -> bool:
    """One word beside the first of the crosses at the top edge; whether there are any."""
    places = [
        100 * _sparsity(cell)
        for cell in row.cells
        if not facts.is_nm(cell) and (each := _measured(cell, metric, row.corpus)) and each.value is None
    ]
    if places:
        left, right = axes.get_xlim()
        first = min(places)
        room = first - left > 0.3 * (right - left)
        axes.annotate(
            "not finite",
            (first if room else max(places), beyond.TOP),
            (-6 if room else 6, 0),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            ha="right" if room else "left",
            va="center",
        )
    return bool(places)


def _limits(axes: Axes, row: Row, metric: str) -> None:
    """Perplexity on a logarithmic axis, from dense to the worst; agreement from 0 to 100."""
    if metric == "agreement_top1":
        axes.set_ylim(0, 104)
        return
    found = [each for cell in row.cells if (each := _measured(cell, metric, row.corpus)) and each.value]
    values = [bound for each in found for bound in (each.value, *(each.ci or ())) if bound and bound > 0]
    values += [row.dense] if row.dense else []
    axes.set_yscale("log")
    style.plain_log_ticks(axes.yaxis)
    if values:
        low, high = min(values), beyond.highest(values, row.dense)
        ratio = max(high / low, 1.2)
        axes.set_ylim(low / ratio ** (2 * ROOM), high * ratio**ROOM)


def _dense_line(axes: Axes, row: Row, metric: str, named: bool) -> None:
    if metric == "perplexity" and row.dense is not None:
        axes.axhline(row.dense, color=style.INK, lw=0.9, ls=(0, (4, 2)), zorder=1.5)
        if named:
            axes.annotate(
                f"dense {row.dense:.3g}", (1, row.dense), (-3, -2), xycoords=axes.get_yaxis_transform(),
                textcoords="offset points", va="top", ha="right",
            )  # fmt: skip


def _sweeps(axes: Axes, row: Row, metric: str, looks: dict[str, Look], naming: Names, size_mm: beyond.Size) -> None:
    """Lines against sparsity, each with its name at its end."""
    series = {name: cells for name, cells in _series(row, naming).items() if not facts.is_nm(cells[0])}
    places = [100 * _sparsity(cell) for cells in series.values() for cell in cells]
    places += [100 * each.value for each in row.tipping if each.value is not None]
    axes.set_xlim(max(0, min(places) - 5), min(100, max(places) + 3))
    _limits(axes, row, metric)
    axes.grid(True)
    _dense_line(axes, row, metric, named=True)
    _tipping_points(axes, row, metric, looks, naming)
    points = {name: _draw_series(axes, cells, metric, row.corpus, looks[name]) for name, cells in series.items()}
    lost = _name_diverged(axes, row, metric)
    beyond.name_lines(axes, points, {name: looks[name].mark for name in series}, size_mm, lost)


def _tipping_points(axes: Axes, row: Row, metric: str, looks: dict[str, Look], naming: Names) -> None:
    """The level that counts as left, and on it where each series passes it, with the interval."""
    measured = "perplexity_ratio" if metric == "perplexity" else metric
    for record in row.tipping:
        cell = next((each for each in row.cells if each.node in record.nodes), None)
        if record.metric != measured or cell is None or (metric == "perplexity" and row.dense is None):
            continue
        height = record.level * (row.dense or 0) if metric == "perplexity" else 100 * record.level
        axes.axhline(height, color=style.MUTED, lw=0.5, ls=(0, (1, 2)), zorder=1.4)
        if record.value is None:
            continue
        colour, x = looks[naming.series(cell)].mark.colour, 100 * record.value
        low, high = (x if each is None else 100 * each for each in (record.low, record.high))
        axes.hlines(height, low, high, color=colour, lw=1.6, zorder=2.4)
        axes.plot([x], [height], "|", color=colour, ms=8, mew=1.4, zorder=2.5)


def _nm_series(row: Row, naming: Names) -> dict[str, dict[str, CellRecord]]:
    """N:M cells by name and pattern; the name leaves the pattern out."""
    found: dict[str, dict[str, CellRecord]] = {}
    for cell in row.cells:
        if facts.is_nm(cell):
            found.setdefault(naming.kind(cell.variant.stages), {})[facts.pattern(cell)] = cell
    return found


def _patterns(axes: Axes, row: Row, metric: str, results: Results, naming: Names, size_mm: beyond.Size) -> None:
    """One place a pattern, the methods side by side in it."""
    series, marks = _nm_series(row, naming), method_marks(results)
    patterns = list(dict.fromkeys(pattern for cells in series.values() for pattern in cells))
    _limits(axes, row, metric)
    axes.grid(True, axis="y")
    _dense_line(axes, row, metric, named=False)
    axes.set_xlim(-0.55, len(patterns) - 0.45)
    scale, lost = 100 if metric == "agreement_top1" else 1, False
    points: dict[str, list[tuple[float, float]]] = {name: [] for name in series}
    looks = {name: marks[next(iter(cells.values())).variant.stages[0].entry] for name, cells in series.items()}
    for place, (name, cells) in enumerate(series.items()):
        shift = 0.7 * ((place + 0.5) / len(series) - 0.5)
        for pattern, cell in cells.items():
            x, each = patterns.index(pattern) + shift, _measured(cell, metric, row.corpus)
            if each is not None and each.value is not None:
                _point(axes, x, each, scale, looks[name])
                points[name].append((x, scale * each.value))
            elif each is not None:
                lost, colour = True, looks[name].colour
                axes.plot([x], [beyond.TOP], "x", color=colour, transform=axes.get_xaxis_transform(), mew=1.4)
    axes.set_xticks(range(len(patterns)), patterns)
    axes.tick_params(axis="y", labelleft=False)
    beyond.name_lines(axes, points, looks, size_mm, lost)


def _metrics(row: Row) -> list[tuple[str, str]]:
    return [each for each in PANELS if any(_measured(cell, each[0], row.corpus) for cell in row.cells)]


def _heights(row: Row, naming: Names) -> list[float]:
    """Millimetres of each panel: room for the names of all lines."""
    sweeps = sum(not facts.is_nm(cells[0]) for cells in _series(row, naming).values())
    named = max(sweeps, len(_nm_series(row, naming)))
    usual = dict(zip(PANELS, PANEL_MM, strict=True))
    return [max(usual[each], LABEL_MM * named + FRAME_MM) for each in _metrics(row)]


def _panels(part: Figure | SubFigure, row: Row, results: Results, naming: Names, scale: float) -> None:
    swept = any(not facts.is_nm(cell) for cell in row.cells)
    patterns = len({facts.pattern(cell) for cell in row.cells if facts.is_nm(cell)})
    points = patterns * len(_nm_series(row, naming))
    widths = [1.0] * swept + [min(0.15 + 0.03 * points, 0.8)] * bool(patterns)
    metrics, shares = _metrics(row), [scale * each for each in _heights(row, naming)]
    grid = part.subplots(
        len(metrics), len(widths), squeeze=False, sharey="row", width_ratios=widths, height_ratios=shares
    )
    looks, room = _looks(results, naming), style.COLUMN_MM - SCALE_MM - NAMES_MM * len(widths)
    for line, (metric, label), share in zip(grid, metrics, shares, strict=True):
        sizes = [(room * each / sum(widths), share - FRAME_MM) for each in widths]
        if swept:
            _sweeps(line[0], row, metric, looks, naming, sizes[0])
            line[0].set_xlabel("Sparsity of the targeted matrices (%)" if metric == metrics[-1][0] else "")
        if patterns:
            _patterns(line[-1], row, metric, results, naming, sizes[-1])
            line[-1].set_xlabel("N:M (N kept)" if metric == metrics[-1][0] else "")
        line[0].set_ylabel(label)
        line[0].tick_params(axis="y", labelleft=True)


def _paint(figure: Figure, rows: list[Row], results: Results, naming: Names) -> None:
    titles = [f"{labelled(row.model)}, {row.corpus}" for row in rows]
    heights = [sum(_heights(row, naming)) for row in rows]
    for part, row in zip(style.bands(figure, titles, heights), rows, strict=True):
        _panels(part, row, results, naming, _height(rows, naming) / sum(heights))


def _height(rows: list[Row], naming: Names) -> float:
    return min(sum(sum(_heights(row, naming)) for row in rows), PAGE_MM)


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
            parts.append(f"{name} at {percent(_sparsity(cell))}: {', '.join(words)}")
    dense = "" if row.dense is None else f"dense perplexity {row.dense:.4g}; "
    return f"{labelled(row.model)} on {row.corpus or 'the evaluation text'}: {dense}{'; '.join(parts)}."


def _is_far(row: Row) -> bool:
    """Whether a perplexity lies beyond the axis."""
    values = [each.value for cell in row.cells if (each := _measured(cell, "perplexity", row.corpus)) and each.value]
    return bool(values) and max(values) > beyond.highest(values, row.dense)


def _caption(rows: list[Row], total: int, mixed: str) -> str:
    found = [_measured(cell, metric, row.corpus) for row in rows for cell in row.cells for metric, _ in PANELS]
    counts = sorted({each.n for each in found if each is not None and each.n})
    tokens = f"n = {' and '.join(f'{n:,}' for n in counts)} predicted tokens" if counts else "n not recorded"
    corpora = ", ".join(dict.fromkeys(row.corpus for row in rows if row.corpus))
    models = list({row.model.id: row.model for row in rows}.values())
    repeats = {seeds(cell) for row in rows for cell in row.cells} - {1}
    several = (
        f" Where a state was repeated, the point is the mean of {' or '.join(map(str, sorted(repeats)))} seeds, the "
        f"thick bar spans the seeds’ values, and the thin one all of their intervals."
        if repeats
        else ""
    )
    lost = any(each is not None and each.value is None for each in found)
    far = beyond.NOTE if any(_is_far(row) for row in rows) else ""
    patterns = " N:M patterns, which imply their sparsity, stand at the right." * any(
        facts.is_nm(cell) for row in rows for cell in row.cells
    )
    tipping = (
        " Dotted lines are the levels of the tipping points, upright strokes on them the tipping points with their "
        f"95{NBSP}% bootstrap intervals over windows."
        if any(row.tipping for row in rows)
        else ""
    )
    left_out = f" {len(rows)} of {total} pairs of model and text are shown." if len(rows) < total else ""
    return (
        f"Perplexity (logarithmic axis) and top-1 agreement with the dense model, both measured on "
        f"{corpora or 'one text'}, {tokens}; bars are 95{NBSP}% intervals"
        f"{', × marks a value that is not finite' * lost}{far}."
        f"{several}{patterns}{tipping} {models_phrase(models)}{left_out}{mixed}"
    )


def draw(results: Results) -> Drawing | None:
    """None when no pruned cell has behaviour beside its sparsity."""
    naming, every = Names.of(results), _rows(results)
    rows = every[:MOST_ROWS]
    if not rows:
        return None
    data = [
        (row.model.id, row.model.label, row.corpus, name, facts.pattern(cell), _sparsity(cell), metric, each.value,
         *(each.ci or (None, None)), each.n, seeds(cell), *(_spread(each, 1) or (None, None)))
        for row in rows
        for name, cells in _series(row, naming).items()
        for cell in cells
        for metric, _ in PANELS
        if (each := _measured(cell, metric, row.corpus))
    ]  # fmt: skip
    header = ("model", "label", "corpus", "series", "pattern", "sparsity_target", "metric", "value")
    return Drawing(
        id="quality_sparsity",
        title="Quality against sparsity",
        svg=style.render(
            "quality_sparsity", _height(rows, naming), lambda figure: _paint(figure, rows, results, naming)
        ),
        alt="Line charts of perplexity and top-1 agreement against sparsity. "
        + " ".join(_sentence(row, naming) for row in rows),
        caption=_caption(rows, len(every), facts.mixed_note(results, "perplexity")),
        how_to_read="Lower is better for perplexity, higher for agreement; a good criterion stays near the dense model "
        "the longest. Colour and marker name the method, the dashes what it was told.",
        csv=csv_text((*header, "ci_low", "ci_high", "n", "seeds", "seed_min", "seed_max"), data),
    )
