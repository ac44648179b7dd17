"""Pruned states side by side on one text: which of them a figure shows, how they look, and where they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import facts, style
from .cells import Names, choose, first_of_nodes, labelled

if TYPE_CHECKING:
    from ...results.model import CellRecord, Measurement, ModelRecord, Results

MOST_STATES, MOST_PANELS = 6, 3
"""Lines of a panel; pairs of model and text, one below the other."""


@dataclass(frozen=True)
class Panel:
    """States of one model on one text, nothing of another protocol beside them; `total` is how many there are."""

    model: ModelRecord
    corpus: str
    cells: tuple[CellRecord, ...]
    total: int

    @property
    def title(self) -> str:
        return f"{labelled(self.model)}, {self.corpus}"


def binned(cell: CellRecord, metric: str, corpus: str, by: str) -> list[Measurement]:
    """Values of a metric by the bins of a condition, in the order of the record."""
    return [
        each
        for each in cell.metrics
        if each.metric == metric and by in each.conditions and each.conditions.get("corpus") == corpus
    ]


def panels(results: Results, metric: str, by: str, *, dense: bool) -> list[Panel]:
    """Every model and text whose states have binned values; `dense` says whether the reference is one of them."""
    found = []
    for model in results.models:
        for corpus in facts.texts(results):
            cells = [
                cell
                for cell in first_of_nodes(facts.cells_of(results, model))
                if (dense or not cell.is_reference)
                and any(e.value is not None for e in binned(cell, metric, corpus, by))
            ]
            if cells and not facts.mixed(results, model, corpus):
                found.append(Panel(model, corpus, tuple(choose(cells, MOST_STATES)), len(cells)))
    return found


def looks(results: Results, panel: Panel) -> dict[str, style.Mark]:
    """A colour and a marker for every state of a panel, by its name."""
    naming = Names.of(results)
    known = {"dense": style.Mark(style.INK, "", "o")}
    return style.marks((naming.node(cell) for cell in panel.cells), known, style.PAIRS)


def left_out(results: Results, every: list[Panel], metric: str) -> str:
    """What of the study a figure does not show, for the caption."""
    shown = every[:MOST_PANELS]
    parts = []
    if len(shown) < len(every):
        parts.append(f" {len(shown)} of {len(every)} pairs of model and text are shown.")
    if any(len(each.cells) < each.total for each in shown):
        parts.append(f" At most {MOST_STATES} states are shown; the table of all cells has the rest.")
    return "".join(parts) + facts.mixed_note(results, metric)
