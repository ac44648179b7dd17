"""Section 4: one table, the figure of it, and what happened to cells without numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, method_tables, names, numbers, replicates, result_tables
from ..document import Section
from ..markup import plain, ref, see
from . import behaviour, storage
from .words import bullets, figure, paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...results.model import ModelRecord, Results
    from ..drawing import Drawing

LONG = 24
"""Rows of a table that is too long for the body."""


def status_sentence(results: Results) -> str:
    """How many cells have numbers."""
    runs = list(replicates.runs(results))
    total = len(runs)
    counts = {status: sum(cell.status == status for cell in runs) for status in names.STATUS}
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
        for cell in replicates.runs(results)
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


def long_headline(results: Results) -> bool:
    """Whether the table of all cells goes to the appendix, because a table of methods stands in its place."""
    rows = len(result_tables.headline(results).rows)
    return rows > LONG and bool(method_tables.comparison(results))


def comparison_sentence(results: Results) -> str:
    """Where one method is clearly the best, and where none is."""
    tables = method_tables.comparison(results)
    parts = [_best(results, model, corpus) for model in results.models for corpus in result_tables.corpora(results)]
    known = [each for each in parts if each] if tables else []
    if not known:
        return ""
    return names.sentence("; ".join(known)) + f"{see(*(each.id for each in tables))}."


def _best(results: Results, model: ModelRecord, corpus: str) -> str:
    """The clearly best methods of one model on one text, by their places."""
    found = method_tables.standings(results, model, corpus)
    clear: dict[str, list[str]] = {}
    unclear: list[str] = []
    for at in dict.fromkeys(at for own in found.values() for at in own):
        here = {kind: own[at] for kind, own in found.items() if at in own}
        winner = method_tables.best(here.values())
        kind = next((kind for kind, each in here.items() if each is winner), "")
        if kind:
            clear.setdefault(kind, []).append(at)
        elif len(here) > 1:
            unclear.append(at)
    winners = ", ".join(f"with {plain(kind)} at {names.listing(at)}" for kind, at in clear.items())
    parts = [f"the perplexity is clearly lowest {winners}"] if winners else []
    parts += [f"no method is clearly the best at {names.listing(unclear)}"] if unclear else []
    text = f"on {plain(corpus)}, " if len(result_tables.corpora(results)) > 1 else ""
    return names.on(results, model) + text + "; ".join(parts) if parts else ""


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
        *paragraph(comparison_sentence(results)),
        *method_tables.comparison(results),
        *(() if long_headline(results) else (result_tables.headline(results),)),
        *paragraph(
            *sizes, *(behaviour.lead_sentence(results, model) for model in results.models), reasons if executed else ""
        ),
        *figure(results, drawings, "headline"),
    )
    return Section("sec:headline", "Headline results", blocks)
