"""The FLOPs proxy per token by group: which multiplications a format really leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, style
from ..drawing import Drawing, csv_text
from ..numbers import significant
from .cells import Names, choose, group_name, labelled, models_phrase, of_model, shown_of
from .stacks import Scale, Stack, paint_stacks, stack_height

if TYPE_CHECKING:
    from ...results.model import CellRecord, ModelRecord, Results

METRIC, MEGA = "flops_per_token", 1e6
SCALE = Scale(MEGA, "FLOPs proxy (MFLOP per token)")


def _stack(cell: CellRecord, dense: float | None, naming: Names) -> Stack:
    parts = {
        str(each.conditions["group"]): each.value
        for each in cell.metrics
        if each.metric == METRIC and "group" in each.conditions and each.value
    }
    total = sum(parts.values())
    ratio = total / dense if dense and not cell.is_reference else None
    return Stack(naming.cell(cell), parts, significant(total / MEGA), ratio)


def _has_groups(cell: CellRecord) -> bool:
    return any(each.metric == METRIC and "group" in each.conditions for each in cell.metrics)


def _rows(results: Results) -> list[tuple[ModelRecord, list[CellRecord]]]:
    """Models with the cells that have FLOPs by group."""
    every = ((model, list(filter(_has_groups, of_model(results, model, METRIC)))) for model in results.models)
    return [(model, cells) for model, cells in every if cells]


def draw(results: Results) -> Drawing | None:
    """None when no cell has FLOPs by group."""
    naming, every = Names.of(results), _rows(results)
    if not every:
        return None
    rows = [(model, choose(cells)) for model, cells in every]
    facets = []
    for model, cells in rows:
        reference = results.reference(model.id)
        dense = None if reference is None else facts.value(reference, METRIC)
        facets.append((labelled(model), [_stack(cell, dense, naming) for cell in cells]))
    data = [
        (model.id, model.label, cell.id, naming.cell(cell), each.conditions.get("group", "total"), each.value)
        for model, cells in rows
        for cell in cells
        for each in cell.metrics
        if each.metric == METRIC
    ]
    sentences = (f"{title}: " + "; ".join(stack.words("MFLOP") for stack in stacks) for title, stacks in facets)
    shown, total = sum(len(cells) for _, cells in rows), sum(len(cells) for _, cells in every)
    return Drawing(
        id="flops_by_group",
        title="FLOPs proxy per token by group",
        svg=style.render(
            "flops_by_group",
            stack_height(facets),
            lambda figure: paint_stacks(figure, facets, style.GROUPS, group_name, SCALE),
        ),
        alt="Stacked bar chart of the FLOPs proxy per token by group. " + ". ".join(sentences) + ".",
        caption="Two operations for every weight of the linear maps that the format multiplies (counted from shapes "
        "and non-zeros, exact; not a time). Numbers: total, and ratio to dense. "
        f"{models_phrase(m for m, _ in rows)}{shown_of(shown, total)}",
        how_to_read="Masked bars are as long as the dense one, because dense kernels multiply zeros too.",
        csv=csv_text(("model", "label", "cell", "name", "group", "flops_per_token"), data),
    )
