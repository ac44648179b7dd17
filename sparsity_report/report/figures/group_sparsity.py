"""Where the zeros are: sparsity of every group of parameters in every pruned model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, style
from ..drawing import Drawing, csv_text
from ..numbers import percent
from .cells import Names, choose, first_of_nodes, group_name, labelled, models_phrase, of_model, shown_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...results.model import CellRecord, ModelRecord, Results

ROWS = 16


def groups_of(model: ModelRecord) -> list[str]:
    """Groups that have parameters of their own; a tied head has none."""
    return [each.group for each in model.groups if each.parameters]


def _tiles(axes: Axes, model: ModelRecord, cells: list[CellRecord], naming: Names) -> None:
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    groups = groups_of(model)
    tint = LinearSegmentedColormap.from_list("sparsity", ["#ffffff", "#9cc9e3", style.BLUE, "#00314f"])
    for row, cell in enumerate(cells):
        for column, group in enumerate(groups):
            value = facts.value(cell, "sparsity", group=group)
            colour = style.PLAIN if value is None else to_hex(tint(value))
            axes.barh(row, 1, 1, left=column, color=colour, edgecolor="white", lw=1.2)
            text = "–" if value is None else percent(value, 1)
            axes.text(column + 0.5, row, text, ha="center", va="center", color=style.ink_on(colour))
    axes.set(xlim=(0, len(groups)), ylim=(len(cells) - 0.5, -0.5))
    axes.set_yticks(range(len(cells)), [naming.node(cell) for cell in cells])
    axes.set_xticks([column + 0.5 for column in range(len(groups))], [group_name(each) for each in groups])
    axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)


def _paint(figure: Figure, rows: list[tuple[ModelRecord, list[CellRecord]]], naming: Names) -> None:
    titles, heights = [labelled(model) for model, _ in rows], [len(cells) + 2 for _, cells in rows]
    for part, (model, cells) in zip(style.bands(figure, titles, heights), rows, strict=True):
        _tiles(part.subplots(), model, cells, naming)


def _sentence(model: ModelRecord, cells: list[CellRecord], naming: Names) -> str:
    parts = []
    for cell in cells:
        found = ((group, facts.value(cell, "sparsity", group=group)) for group in groups_of(model))
        zeros = [f"{group_name(group)} {percent(value, 1)}" for group, value in found if value]
        parts.append(f"{naming.node(cell)}: {', '.join(zeros) or 'no zeros'}")
    return f"{labelled(model)}: {'; '.join(parts)}."


def draw(results: Results) -> Drawing | None:
    """None when no pruned cell has its sparsity by group."""
    naming = Names.of(results)
    every = []
    for model in results.models:
        measured = [cell for cell in of_model(results, model, "sparsity") if not cell.is_reference]
        nodes = first_of_nodes(cell for cell in measured if any("group" in each.conditions for each in cell.metrics))
        series = list(dict.fromkeys(map(naming.series, nodes)))
        nodes.sort(key=lambda cell: (series.index(naming.series(cell)), facts.value(cell, "sparsity_target") or 0))
        every.append((model, nodes))
    rows = [(model, choose(nodes, ROWS)) for model, nodes in every if nodes]
    if not rows:
        return None
    data = [
        (model.id, model.label, naming.node(cell), group, facts.value(cell, "sparsity", group=group))
        for model, cells in rows
        for cell in cells
        for group in groups_of(model)
    ]
    shown, total = sum(len(cells) for _, cells in rows), sum(len(nodes) for _, nodes in every)
    return Drawing(
        id="group_sparsity",
        title="Sparsity of each group of parameters",
        svg=style.render(
            "group_sparsity", sum(5.2 * len(cells) + 11 for _, cells in rows), lambda fig: _paint(fig, rows, naming)
        ),
        alt="Table-like heat map of sparsity by pruned model and parameter group, groups without zeros left out. "
        + " ".join(_sentence(model, cells, naming) for model, cells in rows),
        caption="Share of zeros among the parameters of each group, biases included (counted, exact). All formats of "
        f"one pruned model hold the same zeros; tied weights are counted once. {models_phrase(m for m, _ in rows)}"
        + shown_of(shown, total),
        how_to_read="Each row is a pruned model; the darker a tile, the more of that group is zero.",
        csv=csv_text(("model", "label", "name", "group", "sparsity"), data),
    )
