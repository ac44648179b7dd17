"""Tables of behaviour beyond perplexity: tipping points, decisions and ranks, and greedy continuations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import facts, names, numbers
from .columns import NONE, aligned, measured, text, without_empty
from .document import Column, Entry, Row, RowGroup, Table
from .figures.cells import Names, choose, first_of_nodes
from .markup import plain
from .result_tables import protocol_notes, seeds_notes
from .tables import by_model

if TYPE_CHECKING:
    from ..results.model import CellRecord, GenerationRecord, Results, TippingRecord

MOST_CONTINUATIONS = 6
"""States below one prompt."""

DECISIONS = (
    ("agreement_top5", "Top-5 agreement", "%", 100, 1),
    ("overlap_top5", "Overlap of five", "%", 100, 1),
    ("js_divergence", "JS from dense", "nat", 1, 4),
    ("rank_correlation", "Rank correlation", "", 1, 3),
    ("calibration_error", "Calibration error", "%", 100, 2),
    ("next_token_accuracy", "Next token right", "%", 100, 1),
    ("greedy_prefix_tokens", "Greedy tokens alike", "", 1, 1),
)


def series_of(results: Results, record: TippingRecord) -> CellRecord | None:
    """The first cell of a series' states; None where no cell is left of them (replicates that were pooled)."""
    return next((cell for cell in results.cells if cell.node in record.nodes), None)


def tipping_entry(record: TippingRecord | None) -> Entry:
    """The sparsity in per cent with its interval below; a bound where the series ends before it."""
    if record is None:
        return NONE
    last = numbers.number(100 * record.sparsity[-1], 1)
    low, high = (None if each is None else numbers.number(100 * each, 1) for each in (record.low, record.high))
    below = f"[{low}, {high or f'> {last}'}]" if low is not None else ""
    if record.value is None:
        return Entry(f"> {last}", below=below, sort=1.0 + record.sparsity[-1])
    return Entry(numbers.number(100 * record.value, 1), below=below, sort=record.value)


def tipping(results: Results) -> Table:
    """One row a series and text."""
    naming, several = Names.of(results), len(facts.texts(results)) > 1
    found: dict[tuple[str, str, str], dict[str, TippingRecord]] = {}
    for record in results.tipping:
        cell = series_of(results, record)
        if cell is not None:
            name = naming.series(cell)
            found.setdefault((record.model, name, record.corpus), {}).setdefault(record.metric, record)
    rows: dict[str, list[Row]] = {}
    for (model, name, corpus), own in found.items():
        place = f" on {plain(corpus)}" if several else ""
        entries = (tipping_entry(own.get(metric)) for metric in ("perplexity_ratio", "agreement_top1"))
        rows.setdefault(model, []).append(Row((text(plain(name) + place), *entries)))
    levels = {record.metric: record.level for record in results.tipping}
    columns = (
        Column("Method"),
        Column(f"Perplexity above {levels.get('perplexity_ratio', 1.1):g} × dense at", "%", "measured", numeric=True),
        Column(f"Agreement below {100 * levels.get('agreement_top1', 0.9):g} % at", "%", "measured", numeric=True),
    )
    caption = (
        "Tipping points: the sparsity of the targeted matrices at which a method leaves the dense model’s behaviour, "
        "interpolated between the sparsities studied; 95 % bootstrap intervals over windows in brackets."
    )
    notes = (
        "“>” says that the level is not reached up to the highest sparsity with finite behaviour.",
        *names.labels_note(results),
        *protocol_notes(results),
    )
    return Table("tab:tipping", caption, columns, by_model(results, rows), notes, small=True)


def decisions(results: Results) -> Table:
    """One row a state and text; no row where only perplexity, divergence and top-1 agreement were measured."""
    several = len(facts.texts(results)) > 1
    rows: dict[str, list[Row]] = {}
    for model in results.models:
        for cell in first_of_nodes(facts.cells_of(results, model)):
            for corpus in facts.texts(results):
                own = [facts.find(cell, metric, corpus=corpus) for metric, *_ in DECISIONS]
                if any(own):
                    place = f" on {plain(corpus)}" if several else ""
                    entries = (
                        measured(each, scale, decimals)
                        for each, (*_, scale, decimals) in zip(own, DECISIONS, strict=True)
                    )
                    name = text(names.state(results, cell) + place, names.repeats(cell))
                    rows.setdefault(model.id, []).append(Row((name, *entries), muted=cell.status != "ok"))
    columns = (
        Column("State"),
        *(Column(title, unit, "measured", numeric=True) for _, title, unit, *_ in DECISIONS),
    )
    caption = (
        "Decisions, ranks and confidence of every state beside dense; 95 % intervals in brackets. Calibration error "
        "and the share of next tokens that are right are a state’s own, and not relative to dense."
    )
    notes = (*names.labels_note(results), *protocol_notes(results), *seeds_notes(results))
    table = Table("tab:decisions", caption, columns, by_model(results, rows), notes, long=True, small=True)
    return aligned(without_empty(table))


def shown_text(value: str) -> str:
    """Generated text in one line."""
    return plain(value).replace("\r", "").replace("\n", " ↵ ")


def continuations(results: Results) -> tuple[Table, ...]:
    """A table a prompt: what dense wrote, and what a few states wrote from where they differ."""
    return tuple(
        _continuations(results, record, f"tab:greedy-{number}")
        for number, record in enumerate(results.generations, start=1)
    )


def _continuations(results: Results, record: GenerationRecord, identifier: str) -> Table:
    model = next(each for each in results.models if each.id == record.model)
    own = {each.node: each for each in record.continuations}
    every = [cell for cell in first_of_nodes(facts.cells_of(results, model)) if cell.node in own]
    shown = choose(every, MOST_CONTINUATIONS)
    rows = [
        Row(
            (
                text(names.state(results, cell)),
                Entry(numbers.count(own[cell.node].same), sort=own[cell.node].same),
                text(_written(own[cell.node].shared, own[cell.node].other, cell.is_reference)),
            )
        )
        for cell in shown
    ]
    columns = (Column("State"), Column("Tokens as dense", numeric=True), Column("Continuation"))
    few = f" {len(shown)} of {len(every)} states are shown." if len(shown) < len(every) else ""
    caption = (
        f"Greedy continuation by {names.model(model)}, {record.tokens} tokens, of the prompt "
        f"“…{shown_text(record.prompt)}” from {plain(record.corpus)}. ‖ stands where a state first differs "
        f"from dense.{few}"
    )
    return Table(identifier, caption, columns, (RowGroup(tuple(rows)),), (), tall=True, small=True)


def _written(shared: str, other: str, is_dense: bool) -> str:
    if is_dense:
        return shown_text(shared + other)
    if not other:
        return "as dense"
    tail = shown_text(shared)
    return f"{f'… {tail[-40:]}' if len(tail) > 40 else tail} ‖{shown_text(other)}"
