"""Section 5 and the sentences about behaviour: quality against sparsity, criteria compared, what does not change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, names, numbers, result_tables
from ..document import Section
from ..markup import plain, see
from .words import figure, paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...results.model import CellRecord, ModelRecord, Results
    from ..drawing import Drawing

DIFFERENCE = "max_abs_logit_difference"
TOLERANCE = 0.10
"""A perplexity within 10 % of dense counts as close."""


def lead_sentence(results: Results, model: ModelRecord) -> str:
    """Agreement and perplexity of the state that the summary speaks of."""
    cells = facts.lead(facts.cells_of(results, model))
    if not cells:
        return ""
    agreement = facts.find(cells[0], "agreement_top1")
    parts = [names.on(results, model), names.state(results, cells[0])]
    if agreement is None or agreement.value is None:
        return ""
    n = f" of {numbers.count(agreement.n)} positions" if agreement.n else " of the positions"
    parts.append(f" ranks the dense model’s token first at {numbers.with_interval(agreement, 100, '%', 1)}{n}")
    return names.sentence(*parts, perplexity_clause(results, model, cells[0]), ".")


def perplexity_clause(results: Results, model: ModelRecord, cell: CellRecord) -> str:
    """The end of a sentence: perplexity beside dense, with what may be said about the difference."""
    dense = results.reference(model.id)
    own = facts.find(cell, "perplexity")
    base = None if dense is None else facts.find(dense, "perplexity")
    if own is None or base is None or base.value is None:
        return ""
    against = f"against {numbers.with_interval(base)} for dense"
    if own.value is None:
        return f", while its perplexity is not finite {against}"
    ratio = facts.find(cell, "perplexity_ratio")
    if ratio is not None and ratio.value is not None and ratio.ci is not None:
        unclear = ", which is no clear difference" if ratio.ci[0] <= 1 <= ratio.ci[1] else ""
        paired = f"window by window {numbers.with_interval(ratio)} times dense"
        return f"; its perplexity is {numbers.with_interval(own)} {against}, {paired}{unclear}"
    if not facts.differ(own, base):
        return f"; its perplexity is {numbers.with_interval(own)} {against}, and the intervals overlap"
    change = own.value / base.value - 1
    way = "higher" if change > 0 else "lower"
    return f"; its perplexity is {numbers.with_interval(own)} {against}, {numbers.percent(abs(change), 1)} {way}"


def series(results: Results, model: ModelRecord) -> dict[str, list[CellRecord]]:
    """One-shot unstructured states by method and scope, by rising sparsity, replicates left out."""
    found: dict[str, dict[str, CellRecord]] = {}
    for node in facts.nodes(facts.cells_of(results, model)):
        cell = next((each for each in node if facts.executed(each)), None)
        if cell is None or not facts.one_shot(cell) or facts.pattern(cell) != "unstructured" or cell.variant.replicate:
            continue
        stage = cell.variant.stages[0]
        name = f"{stage.entry} ({stage.params.get('scope', 'layer')})"
        found.setdefault(name, {}).setdefault(str(facts.requested(cell)), cell)
    return {name: sorted(cells.values(), key=lambda each: facts.requested(each) or 0) for name, cells in found.items()}


def sweep_sentence(results: Results, model: ModelRecord, name: str, cells: list[CellRecord]) -> str:
    """Up to which sparsity perplexity stays close to dense, and what the highest sparsity does."""
    dense = results.reference(model.id)
    base = None if dense is None else facts.value(dense, "perplexity")
    measured = [cell for cell in cells if facts.find(cell, "perplexity") is not None]
    if not base or len(measured) < 2:
        return ""
    close: list[CellRecord] = []
    for cell in measured:
        own = facts.value(cell, "perplexity")
        if own is None or own > base * (1 + TOLERANCE):
            break
        close.append(cell)
    reach = (
        f"stays within {numbers.percent(TOLERANCE)} of dense up to "
        f"{numbers.percent(facts.requested(close[-1]) or 0)} sparsity"
        if close
        else f"is more than {numbers.percent(TOLERANCE)} above dense already at "
        f"{numbers.percent(facts.requested(measured[0]) or 0)} sparsity"
    )
    last = measured[-1]
    at = numbers.percent(facts.requested(last) or 0)
    own = facts.value(last, "perplexity")
    end = "is not finite" if own is None else f"is {numbers.times(own / base)} dense"
    tail = f"; at {at} it {end}" if last not in close else ""
    prefix = names.on(results, model)
    return names.sentence(prefix, f"with {plain(name)} the perplexity ", reach, tail, ".")


def control_sentences(results: Results, model: ModelRecord) -> list[str]:
    """Every criterion beside random pruning at the sparsities that both have."""
    every = series(results, model)
    controls = {
        facts.requested(cell): cell for name, cells in every.items() if name.startswith("random ") for cell in cells
    }
    found = []
    for name, cells in every.items():
        if name.startswith("random "):
            continue
        pairs = [(cell, controls[facts.requested(cell)]) for cell in cells if facts.requested(cell) in controls]
        found += [control_sentence(results, model, cell, control) for cell, control in pairs]
    return [each for each in found if each]


def control_sentence(results: Results, model: ModelRecord, cell: CellRecord, control: CellRecord) -> str:
    """One criterion against random pruning at one sparsity."""
    own, other = facts.find(cell, "perplexity"), facts.find(control, "perplexity")
    if own is None or other is None or own.value is None or other.value is None:
        return ""
    subject = names.sentence(names.on(results, model), names.state(results, cell))
    values = f"(perplexity {numbers.with_interval(own)} against {numbers.with_interval(other)})"
    if not facts.differ(own, other):
        return f"{subject} shows no clear difference from random pruning {values}."
    if own.value < other.value:
        return f"{subject} is better than random pruning {values}: the criterion matters, not only the number of zeros."
    return f"{subject} is worse than random pruning {values}: the criterion does harm here."


def function_sentence(results: Results, model: ModelRecord) -> str:
    """Whether the formats of one mask compute the same function: what the contract checks of its cells say."""
    differences = {
        cell.id: (found.value, cell)
        for cell in facts.cells_of(results, model)
        if (found := facts.find(cell, DIFFERENCE)) is not None and found.value is not None
    }
    if not differences:
        return ""
    verdicts = {
        cell: check.verdict
        for check in results.checks
        if check.origin == "contract" and check.metric == DIFFERENCE
        for cell in check.cells
        if cell in differences
    }
    missed = [differences[cell] for cell, verdict in verdicts.items() if verdict == "miss"]
    worst, cell = max(missed or differences.values(), key=lambda each: each[0])
    prefix, size = names.on(results, model), numbers.significant(worst, 2)
    if missed:
        return names.sentence(
            prefix,
            f"logits of {names.variant(results, cell)} differ from the masked model’s by up to {size}, more than ",
            "rounding explains: its behaviour cannot be put down to pruning alone.",
        )
    if set(verdicts.values()) != {"pass"} or len(verdicts) < len(differences):
        return names.sentence(prefix, f"logits of a format differ from the masked model’s by up to {size}.")
    return names.sentence(
        prefix,
        "the formats of one pruned model compute the same function: over all ",
        numbers.count(len(differences)),
        f" checked cells no logit differs from the masked model’s by more than {size}. ",
        "What changes the predictions is the pruning, not the format.",
    )


def section(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """5 Behaviour."""
    sweeps = [
        sweep_sentence(results, model, name, cells)
        for model in results.models
        for name, cells in series(results, model).items()
    ]
    controls = [each for model in results.models for each in control_sentences(results, model)]
    table = result_tables.behaviour(results)
    if not table.rows:
        return Section("sec:behaviour", "Behaviour", paragraph("No cell has behaviour to show."))
    opening = (
        "Behaviour belongs to the pruned model, not to the format that stores it: it is measured once for every state "
        f"and holds for all of its formats{see('tab:behaviour', 'fig:quality_sparsity')}."
    )
    blocks = (
        *paragraph(opening, *(function_sentence(results, model) for model in results.models)),
        *paragraph(*sweeps),
        *figure(results, drawings, "quality_sparsity"),
        *paragraph(*controls),
        table,
    )
    return Section("sec:behaviour", "Behaviour", blocks)
