"""What the stored bytes are made of: values, indices, pointers, positions, and what stays dense."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, style
from ..drawing import Drawing, csv_text
from ..numbers import MIB, number
from .cells import Names, choose, labelled, models_phrase, of_model, shown_of
from .stacks import Scale, Stack, paint_stacks, stack_height

if TYPE_CHECKING:
    from ...results.model import CellRecord, ModelRecord, Results

WORDS = {"rest": "not targeted", "dense": "dense weights"}
SCALE = Scale(MIB, "Stored size of the model (MiB)")


def _word(part: str) -> str:
    return WORDS.get(part, part)


def _parts(cell: CellRecord) -> dict[str, float]:
    """Bytes by component; "rest" is what the model stores besides the targeted matrices."""
    parts = {
        str(each.conditions["component"]): each.value
        for each in cell.metrics
        if each.metric == "stored_bytes" and each.conditions.get("over") == "target" and "component" in each.conditions
        if each.value
    }
    model = facts.value(cell, "stored_bytes", over="model")
    return ({} if model is None or not parts else {"rest": model - sum(parts.values())}) | parts


def _rows(results: Results) -> list[tuple[ModelRecord, list[CellRecord]]]:
    every = []
    for model in results.models:
        cells = [cell for cell in of_model(results, model, "stored_bytes", over="model") if _parts(cell)]
        every.append((model, cells))
    return [(model, cells) for model, cells in every if cells]


def _facet(results: Results, model: ModelRecord, cells: list[CellRecord], naming: Names) -> tuple[str, list[Stack]]:
    reference = results.reference(model.id)
    dense = None if reference is None else facts.value(reference, "stored_bytes", over="model")
    stacks = []
    for cell in cells:
        parts = _parts(cell)
        total = sum(parts.values())
        ratio = total / dense if dense and not cell.is_reference else None
        stacks.append(Stack(naming.cell(cell), parts, number(total / MIB, 2), ratio))
    return labelled(model), stacks


def draw(results: Results) -> Drawing | None:
    """None when no compressed cell has its stored bytes by component: masked ones store what dense stores."""
    naming, every = Names.of(results), _rows(results)
    if not any(cell.variant.format.entry not in ("dense", "masked") for _, cells in every for cell in cells):
        return None
    rows = [(model, choose(cells)) for model, cells in every]
    facets = [_facet(results, model, cells, naming) for model, cells in rows]
    data = [
        (model.id, model.label, cell.id, naming.cell(cell), part, size)
        for model, cells in rows
        for cell in cells
        for part, size in _parts(cell).items()
    ]
    sentences = (f"{title}: " + "; ".join(stack.words("MiB") for stack in stacks) for title, stacks in facets)
    shown, total = sum(len(cells) for _, cells in rows), sum(len(cells) for _, cells in every)
    return Drawing(
        id="storage_components",
        title="What the stored bytes are made of",
        svg=style.render(
            "storage_components",
            stack_height(facets),
            lambda figure: paint_stacks(figure, facets, style.COMPONENTS, _word, SCALE),
        ),
        alt="Stacked bar chart of stored bytes by component. " + ". ".join(sentences) + ".",
        caption="Bytes of every stored tensor by what it holds (counted, exact). Numbers: total, and ratio to dense. "
        f"{models_phrase(m for m, _ in rows)}{shown_of(shown, total)}",
        how_to_read="A compressed format pays for each value that it keeps with an index or a position: its bar "
        "is shorter than the dense one only where the zeros outweigh them.",
        csv=csv_text(("model", "label", "cell", "name", "component", "bytes"), data),
    )
