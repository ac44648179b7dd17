"""Section 4: one table, the figure of it, and what happened to cells without numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, names, numbers, result_tables
from ..document import Section
from ..markup import plain, ref, see
from . import behaviour, storage
from .words import bullets, figure, paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...results.model import Results
    from ..drawing import Drawing


def status_sentence(results: Results) -> str:
    """How many cells have numbers."""
    total = len(results.cells)
    counts = {status: sum(cell.status == status for cell in results.cells) for status in names.STATUS}
    if counts["ok"] == total:
        return f"All {numbers.count(total)} cells were executed{see('tab:headline')}."
    if counts["failed"] == total:
        return f"All {numbers.count(total)} cells failed: there are no results, and the reasons follow."
    parts = [f"{numbers.count(count)} {names.STATUS[status]}" for status, count in counts.items() if count]
    return f"Of {numbers.count(total)} cells, {names.listing(parts)}{see('tab:headline')}."


def unfinished_items(results: Results) -> list[str]:
    """Every cell that failed, diverged or was not executed, with its reason."""
    return [
        f"{where(results, cell.variant.model)}{names.variant(results, cell)}: {names.STATUS[cell.status]}, because: "
        f"{plain(cell.reason).rstrip('.') or 'no reason was recorded'}."
        for cell in results.cells
        if cell.status != "ok"
    ]


def where(results: Results, model: str) -> str:
    """The model and a comma, "tiny-opt, ", where there are several models."""
    record = next(each for each in results.models if each.id == model)
    return f"{names.model(record)}, " if len(results.models) > 1 or record.label else ""


def diverged_sentence(results: Results) -> str:
    """Diverged cells are results, not failures."""
    if not any(cell.status == "diverged" for cell in results.cells):
        return ""
    return "A diverged cell ran, and its logits or its likelihood left the range of finite numbers: that is its result."


def section(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """4 Headline results."""
    executed = any(facts.executed(cell) for cell in results.cells)
    reasons = (
        f"The reasons are taken up in {ref('sec:structure')} (bytes), {ref('sec:behaviour')} (predictions) and "
        f"{ref('sec:execution')} (time)."
    )
    sizes = [
        storage.size_sentence(results, cells)
        for model in results.models[:1]
        for cells in storage.compressed(results, model)
    ]
    blocks = (
        *paragraph(status_sentence(results), diverged_sentence(results)),
        *bullets(unfinished_items(results)),
        result_tables.headline(results),
        *paragraph(
            *sizes, *(behaviour.lead_sentence(results, model) for model in results.models), reasons if executed else ""
        ),
        *figure(results, drawings, "headline"),
    )
    return Section("sec:headline", "Headline results", blocks)
