"""Section 5 and the sentences about behaviour: quality against sparsity, criteria compared, what does not change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, method_tables, names, numbers, replicates, result_tables, stability_tables
from ..document import Section
from ..figures.cells import Names
from ..markup import plain, see
from . import ranking, sensitivity, stability, tasks
from .words import bullets, figure, paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...results.model import CellRecord, ModelRecord, Results
    from ..document import Block
    from ..drawing import Drawing

MOST_TIPPING = 4
"""Sentences about tipping points; the table has all of them."""
FEW, LONG = 3, 24
"""Sentences of a paragraph that does not become a list; rows of a table that does not go to the appendix."""
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
    n += stability.on_first_text(results)
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
    """One-shot states by method and what it was told, by rising sparsity; N:M and other replicates left out."""
    found: dict[str, dict[str, CellRecord]] = {}
    naming = Names.of(results)
    for node in facts.nodes(facts.cells_of(results, model)):
        cell = next((each for each in node if facts.executed(each)), None)
        if cell is None or not facts.one_shot(cell) or facts.is_nm(cell):
            continue
        stage = cell.variant.stages[0]
        name, scope = naming.series(cell), str(stage.params.get("scope", "layer"))
        name += "" if scope in name.split() else f" (scope {scope})"
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
    return names.sentence(
        prefix, f"with {plain(name)} the perplexity{stability.on_first_text(results)} ", reach, tail, "."
    )


def control_sentences(results: Results, model: ModelRecord) -> list[str]:
    """Every criterion beside random pruning at the sparsities and in the pattern that both have."""
    found = [
        control_sentence(results, model, *pairs[0]) if len(pairs) == 1 else control_summary(results, model, name, pairs)
        for name, pairs in control_pairs(results, model).items()
    ]
    return [each for each in found if each]


def _method(cell: CellRecord) -> str:
    return cell.variant.stages[0].entry


def _place(cell: CellRecord) -> tuple[str, float | None]:
    return facts.pattern(cell), facts.requested(cell)


def sweep_summary(results: Results, model: ModelRecord) -> str:
    """All series of a model in one sentence, by how far they stay close to dense."""
    dense = results.reference(model.id)
    base = None if dense is None else facts.value(dense, "perplexity")
    reached: dict[float, list[str]] = {}
    for name, cells in series(results, model).items():
        measured = [cell for cell in cells if facts.find(cell, "perplexity") is not None]
        if not base or len(measured) < 2:
            continue
        reach = 0.0
        for cell in measured:
            own = facts.value(cell, "perplexity")
            if own is None or own > base * (1 + TOLERANCE):
                break
            reach = facts.requested(cell) or 0
        reached.setdefault(reach, []).append(plain(name.partition(" (")[0]))
    within = f"stays within {numbers.percent(TOLERANCE)} of dense "
    parts = [
        f"up to {numbers.percent(reach)} sparsity with {names.listing(reached[reach])}"
        for reach in sorted(reached, reverse=True)
        if reach
    ]
    text = f"the perplexity {within}{'; '.join(parts)}" if parts else ""
    if 0.0 in reached:
        lost = f"with {names.listing(reached[0.0])} it is further away already at the lowest sparsity studied"
        text = f"{text}; {lost}" if text else lost.replace("it is", "the perplexity is", 1)
    return names.sentence(names.on(results, model), text, ".") if text else ""


def control_pairs(results: Results, model: ModelRecord) -> dict[str, list[tuple[CellRecord, CellRecord]]]:
    """States beside random pruning of the same pattern and sparsity, by series."""
    every = series(results, model)
    controls = {_place(cell): cell for cells in every.values() for cell in cells if _method(cell) == "random"}
    pairs = {
        name: [(cell, controls[_place(cell)]) for cell in cells if _place(cell) in controls and _place(cell)[1]]
        for name, cells in every.items()
        if _method(cells[0]) != "random"
    }
    return {name: found for name, found in pairs.items() if found}


def control_verdict(cell: CellRecord, control: CellRecord) -> str:
    """What one criterion is beside random pruning; "" where one of them has no finite perplexity."""
    own, other = facts.find(cell, "perplexity"), facts.find(control, "perplexity")
    if own is None or other is None or own.value is None or other.value is None:
        return ""
    if not facts.differ(own, other):
        return "shows no clear difference from random pruning"
    return f"is {'better' if own.value < other.value else 'worse'} than random pruning"


def control_overview(results: Results, model: ModelRecord) -> str:
    """Many criteria beside random pruning: who is better wherever both were run, and every exception."""
    better, others = [], []
    for name, pairs in control_pairs(results, model).items():
        verdicts: dict[str, list[str]] = {}
        for cell, control in pairs:
            at = numbers.percent(facts.requested(cell) or 0)
            verdicts.setdefault(control_verdict(cell, control), []).append(at)
        verdicts.pop("", None)
        shown = plain(name.partition(" (")[0])
        if list(verdicts) == ["is better than random pruning"]:
            better.append(shown)
        else:
            others += [f"{shown} {verdict} at {names.listing(places)}" for verdict, places in verdicts.items()]
    parts = [f"{names.listing(better)} {'are' if len(better) > 1 else 'is'} better than random pruning wherever both "
             "were run"] if better else []  # fmt: skip
    text = "; ".join([*parts, *others])
    return names.sentence(names.on(results, model), text, ".") if text else ""


def control_summary(results: Results, model: ModelRecord, name: str, pairs: list[tuple[CellRecord, CellRecord]]) -> str:
    """One criterion against random pruning at several sparsities, the values at the last of them."""
    places: dict[str, list[str]] = {}
    last = ""
    for cell, control in pairs:
        own, other, verdict = facts.find(cell, "perplexity"), facts.find(control, "perplexity"), ""
        if own is None or other is None or not (verdict := control_verdict(cell, control)):
            continue
        at = numbers.percent(facts.requested(cell) or 0)
        places.setdefault(verdict, []).append(at)
        last = f" (perplexity {numbers.with_interval(own)} against {numbers.with_interval(other)} at {at})"
    parts = [f"{verdict} at {names.listing(found)}" for verdict, found in places.items()]
    return (
        names.sentence(names.on(results, model), f"{plain(name)} ", names.listing(parts), f"{last}.") if parts else ""
    )


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
        for cell in replicates.runs(results)
        if cell.variant.model == model.id
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
        sentence
        for model in results.models
        for sentence in (
            [sweep_summary(results, model)]
            if len(series(results, model)) > FEW
            else [sweep_sentence(results, model, name, cells) for name, cells in series(results, model).items()]
        )
    ]
    controls = [
        each
        for model in results.models
        for each in (
            [control_overview(results, model)]
            if len(control_sentences(results, model)) > FEW
            else control_sentences(results, model)
        )
    ]
    table = result_tables.behaviour(results)
    if not table.rows:
        answers = tasks.blocks(results)
        return Section("sec:behaviour", "Behaviour", answers or paragraph("No cell has behaviour to show."))
    opening = (
        "Behaviour belongs to the pruned model, not to the format that stores it: it is measured once for every state "
        f"and holds for all of its formats{see('tab:behaviour', 'fig:quality_sparsity')}."
    )
    seeds = method_tables.seeds(results)
    left = stability_tables.tipping(results)
    decided = stability_tables.decisions(results)
    blocks = (
        *paragraph(opening, *(function_sentence(results, model) for model in results.models)),
        *paragraph(stability.opening(results), *(stability.texts_sentence(results, model) for model in results.models)),
        *paragraph(*ranking.sentences(results)),
        *listed(sweeps),
        *figure(results, drawings, "quality_sparsity"),
        *listed(controls),
        *(() if long_behaviour(results) else (table,)),
        *paragraph(*stability.tipping_sentences(results)[:MOST_TIPPING], heading="Tipping points."),
        *((left,) if left.rows else ()),
        *paragraph(*stability.sentences(results), heading="Decisions."),
        *((decided,) if 0 < len(decided.rows) <= LONG else ()),
        *figure(results, drawings, "flips"),
        *figure(results, drawings, "reliability"),
        *paragraph(seeds_sentence(results), heading="Seeds."),
        *((seeds,) if 0 < len(seeds.rows) <= method_tables.SHORT else ()),
        *tasks.blocks(results),
        *paragraph(*sensitivity.sentences(results), heading="Single blocks."),
        *figure(results, drawings, "sensitivity"),
    )
    return Section("sec:behaviour", "Behaviour", blocks)


def listed(sentences: list[str]) -> tuple[Block, ...]:
    """A few sentences as a paragraph, many as a list."""
    known = [each for each in sentences if each]
    return bullets(known) if len(known) > FEW else paragraph(*known)


def long_behaviour(results: Results) -> bool:
    """Whether the table of all states goes to the appendix, because a table of methods stands before it."""
    return len(result_tables.behaviour(results).rows) > LONG and bool(method_tables.comparison(results))


def seeds_sentence(results: Results) -> str:
    """The widest range over seeds, beside the interval of the windows."""
    found = [
        (each, cell)
        for cell in results.cells
        for each in cell.metrics
        if each.metric == "perplexity" and isinstance(each, replicates.PooledMeasurement) and each.value
    ]
    if not found:
        return ""
    ranges = [((each.high or 0) - (each.low or 0), each, cell) for each, cell in found]
    width, worst, cell = max(ranges, key=lambda each: each[0] / (each[1].value or 1))
    counts = names.listing([str(count) for count in sorted({each.seeds for each, _ in found})])
    text = (
        f"States that were pruned again under {counts} seeds differ in perplexity by at most "
        f"{numbers.percent(width / (worst.value or 1), 1)} of their mean ({names.state(results, cell)}: "
        f"{numbers.with_interval(worst)}){see('tab:seeds')}"
    )
    one = replicates.members(cell)[0].find("perplexity", **worst.conditions)
    if one is None or one.ci is None:
        return f"{text}."
    own = one.ci[1] - one.ci[0]
    side = "more" if width > own else "less"
    return f"{text}; that is {side} than the 95 % interval of one run spans ({numbers.number(own, 2)})."
