"""Where an allocation, or a comparison group of several matrices, puts the zeros: by block and by the matrix's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import facts, replicates, style
from ..drawing import Drawing, csv_text
from ..layers import layout
from ..numbers import percent
from .cells import Names, labelled, method_marks, models_phrase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...results.model import ModelRecord, NodeRecord, Results
    from ..layers import Layout

ROW_MM, HEAD_MM, PAGE_MM = 34.0, 8.0, 185.0
MOST_ROWS = 6
FEW = 12
"""Points of a line that have markers."""


@dataclass(frozen=True)
class Row:
    """The states of one method and rule, by rising sparsity."""

    model: ModelRecord
    layout: Layout
    name: str
    nodes: list[NodeRecord]


def unequal(node: NodeRecord) -> bool:
    """Whether matrices of a state may differ in sparsity: by its allocation, or by what competes with what."""
    stage = facts.pruning(node.stages)
    if stage is None or facts.pattern_of(node.stages).is_nm:
        return False
    return facts.allocation_of(stage) != "uniform" or str(stage.params.get("scope")) in ("global", "block")


def rows_of(results: Results) -> list[Row]:
    """All series of unequal states, of replicates the first."""
    naming, rows = Names.of(results), []
    for model in results.models:
        where = layout(model)
        series: dict[str, list[NodeRecord]] = {}
        for node, *_ in replicates.node_states(results, model.id):
            if where and unequal(node) and len(node.sparsity) == len(where.places):
                series.setdefault(naming.sweep(node.stages), []).append(node)
        for name, nodes in series.items():
            if where:
                rows.append(Row(model, where, name, sorted(nodes, key=lambda each: facts.asked(each.stages) or 0)))
    return rows


def _wanted(node: NodeRecord) -> tuple[float, ...]:
    """What the allocation asked for, where it asked for anything by matrix."""
    return node.requested if len(node.requested) == len(node.sparsity) else ()


def _line(axes: Axes, values: Sequence[float], wanted: Sequence[float], mark: style.Mark) -> None:
    places, few = range(len(values)), len(values) <= FEW
    axes.plot(
        places, [100 * each for each in values], marker=mark.marker if few else "", ms=3.8, mfc="white",
        color=mark.colour, lw=1.9,
    )  # fmt: skip
    if wanted:
        axes.plot(places, [100 * each for each in wanted], color=style.INK, lw=0.6, zorder=2.8)


def _row_mm(rows: list[Row]) -> float:
    """Less where many rows share a page."""
    return min(ROW_MM, PAGE_MM / len(rows))


def _panels(left: Axes, right: Axes, row: Row, mark: style.Mark, height_mm: float) -> None:
    labels = []
    left.margins(y=0.12)
    for node in row.nodes:
        asked, wanted = facts.asked(node.stages), _wanted(node)
        for axes in (left, right):
            if asked is not None:
                axes.axhline(100 * asked, color=style.MUTED, lw=0.7, ls=(0, (4, 2)), zorder=1.5)
        for axes, pool in ((left, row.layout.by_block), (right, row.layout.by_name)):
            _line(axes, [*pool(node.sparsity).values()], [*pool(wanted).values()] if wanted else [], mark)
        if asked is not None:
            last = list(row.layout.by_name(node.sparsity).values())[-1]
            labels.append(style.Label(percent(asked), len(row.layout.names) - 1, 100 * last))
    blocks, names = row.layout.blocks, row.layout.names
    step = -(-len(blocks) // 12)
    left.set_xticks(range(0, len(blocks), step), [str(each) if each >= 0 else "–" for each in blocks[::step]])
    left.set_xlim(-0.5, len(blocks) - 0.5)
    right.set_xticks(range(len(names)), names, rotation=30 if sum(map(len, names)) > 34 else 0)
    right.set_xlim(-0.5, len(names) - 0.5)
    left.set_title(row.name)
    for axes in (left, right):
        axes.grid(True, axis="y")
    style.end_labels(right, labels, height_mm)


def _paint(figure: Figure, rows: list[Row], results: Results) -> None:
    marks = method_marks(results)
    models = list({row.model.id: row.model for row in rows}.values())
    own = [[row for row in rows if row.model.id == model.id] for model in models]
    for part, group in zip(style.bands(figure, list(map(labelled, models)), list(map(len, own))), own, strict=True):
        grid = part.subplots(len(group), 2, squeeze=False, sharex="col", sharey="row", width_ratios=(1.15, 1))
        for (left, right), row in zip(grid, group, strict=True):
            _panels(left, right, row, marks[row.nodes[0].stages[0].entry], _row_mm(rows) - HEAD_MM)
        grid[-1][0].set_xlabel("Decoder block")
        grid[-1][1].set_xlabel("Matrix, all blocks together")
        part.supylabel("Sparsity (%)", fontsize=8.5)


def _sentence(row: Row) -> str:
    parts = []
    for node in row.nodes:
        blocks = [(value, f"block {block}") for block, value in row.layout.by_block(node.sparsity).items()]
        spans = [
            f"{_span(blocks)}",
            _span([(value, name) for name, value in row.layout.by_name(node.sparsity).items()]),
        ]
        parts.append(f"at {percent(facts.asked(node.stages) or 0)} {' and '.join(spans)}")
    return f"{labelled(row.model)}, {row.name}: {'; '.join(parts)}."


def _span(found: list[tuple[float, str]]) -> str:
    low, high = min(found), max(found)
    return f"from {percent(low[0], 1)} in {low[1]} to {percent(high[0], 1)} in {high[1]}"


def _data(rows: list[Row]) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for row in rows:
        for node in row.nodes:
            head = (row.model.id, row.model.label, row.name, facts.asked(node.stages))
            for kind, pool in (("block", row.layout.by_block), ("matrix", row.layout.by_name)):
                wanted = [*pool(_wanted(node)).values()] if _wanted(node) else [None] * len(pool(node.sparsity))
                for (place, value), asked in zip(pool(node.sparsity).items(), wanted, strict=True):
                    found.append((*head, kind, place, asked, value))
    return found


def draw(results: Results) -> Drawing | None:
    """None when every matrix was asked for the same sparsity."""
    every = rows_of(results)
    rows = every[:MOST_ROWS]
    if not rows:
        return None
    models = {row.model.id: row.model for row in rows}
    height = _row_mm(rows) * len(rows) + HEAD_MM * len(models) + 4
    ticks = " Thin black lines are what the allocation asked for." * any(
        _wanted(node) for row in rows for node in row.nodes
    )
    left_out = f" {len(rows)} of {len(every)} series are shown." if len(rows) < len(every) else ""
    repeats = " Of several seeds the first is shown." * _repeated(results)
    return Drawing(
        id="allocation",
        title="Sparsity by block and by matrix",
        svg=style.render("allocation", height, lambda figure: _paint(figure, rows, results)),
        alt="Line charts of the achieved sparsity by decoder block and by the name of the matrix. "
        + " ".join(map(_sentence, rows)),
        caption="Achieved sparsity (counted, exact; means over weights) of every state whose matrices may differ, one "
        "line a requested sparsity: left by decoder block, right by the matrix’s name over all blocks. Dashed: the "
        f"same sparsity everywhere.{ticks}{repeats} {models_phrase(models.values())}{left_out}",
        how_to_read="Above its dashed line a block or matrix gives up more than its share, below it less.",
        csv=csv_text(("model", "label", "series", "sparsity", "by", "place", "requested", "achieved"), _data(every)),
    )


def _repeated(results: Results) -> bool:
    states = (nodes for model in results.models for nodes in replicates.node_states(results, model.id))
    return any(len(nodes) > 1 and unequal(nodes[0]) for nodes in states)
