"""What to deploy, as far as this study goes: the smallest and the fastest that keep the quality, and which method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, fronts, method_tables, names, numbers
from ..document import Section
from ..markup import see
from .words import figure, paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...results.model import ModelRecord, Results
    from ..drawing import Drawing
    from ..fronts import Candidate

WITHIN = numbers.percent(fronts.TOLERANCE)
REMEDY = "pruning needs recovery or a lower sparsity"


def _named(results: Results, each: Candidate) -> str:
    if each.cell.is_reference:
        return "dense"
    interval = f" [{numbers.number(each.low, 3)}, {numbers.number(each.high, 3)}]" if each.low != each.high else ""
    return f"{names.variant(results, each.cell)} (perplexity {numbers.number(each.quality, 3)}×{interval})"


def smallest_sentence(results: Results, model: ModelRecord) -> str:
    """The smallest variant that keeps the quality; nothing where sizes or perplexities are not known."""
    known = [each for each in fronts.candidates(results, model) if each.size is not None]
    dense = next((each for each in known if each.cell.is_reference), None)
    if dense is None or len(known) < 2 or not dense.size:
        return ""
    on = names.on(results, model)
    kept = [each for each in known if each.keeps]
    if kept == [dense]:
        return names.sentence(
            on,
            f"no variant keeps the perplexity within {WITHIN} of dense beyond doubt: dense stays"
            f"{see('fig:pareto_bytes', 'fig:pareto_latency')}.",
        )
    best = min(kept, key=lambda each: (each.size or 0, not each.cell.is_reference))
    if best is dense or (best.size or 0) >= dense.size:
        return names.sentence(
            on, f"of the variants whose perplexity is within {WITHIN} of dense, none is smaller than dense"
            f"{see('fig:pareto_bytes')}.",
        )  # fmt: skip
    size = f"{numbers.mebibytes(best.size or 0)}, {numbers.times((best.size or 0) / dense.size)} dense"
    return names.sentence(
        on,
        f"for a perplexity within {WITHIN} of dense, the smallest is {_named(results, best)} with {size}"
        f"{see('fig:pareto_bytes')}.",
    )


def fastest_sentence(results: Results, model: ModelRecord, phase: str) -> str:
    """The fastest variant that keeps the quality, at the first timed point; nothing where none was timed."""
    kept = [each for each in fronts.candidates(results, model) if each.keeps and not each.cell.is_reference]
    timed = [(each, speed) for each in kept if (speed := facts.speed(results, each.cell, phase)) is not None]
    if not timed:
        return ""
    on = f"On this machine, {names.on(results, model).lower() if len(results.models) > 1 else ''}"
    faster = [(each, speed) for each, speed in timed if speed.verdict == "faster"]
    if not faster:
        return f"{on}no variant within {WITHIN} is faster than dense in {phase}{see('fig:pareto_latency')}."
    best, speed = max(faster, key=lambda pair: pair[1].ratio.value or 0)
    gain = numbers.with_interval(speed.ratio)
    return (
        f"{on}the fastest of those within {WITHIN} in {phase} is {_named(results, best)}, {gain} times as fast as "
        f"dense{see('fig:pareto_latency')}."
    )


def unclear_sentence(results: Results, model: ModelRecord) -> str:
    """Variants of which the data do not decide whether they keep the quality."""
    found = dict.fromkeys(names.state(results, each.cell) for each in fronts.candidates(results, model) if each.unclear)
    if not found:
        return ""
    verb = "keeps" if len(found) == 1 else "keep"
    states = names.listing(list(found))
    return f"Whether {states} {verb} the quality is not decided: the interval reaches over {WITHIN}."


def method_sentence(results: Results, model: ModelRecord) -> str:
    """Which methods keep the quality at each sparsity; nothing where no two can be compared."""
    at: dict[str, dict[str, bool]] = {}
    for each in fronts.candidates(results, model):
        if facts.pruning(each.cell.variant.stages) is not None and facts.one_shot(each.cell):
            methods = at.setdefault(method_tables.place(each.cell), {})
            entry = each.cell.variant.stages[0].entry
            methods[entry] = methods.get(entry, False) or each.keeps
    compared = {place: methods for place, methods in at.items() if len(methods) > 1}
    if not compared:
        return ""
    places: dict[str, list[str]] = {}
    advice = dict[str, None]()
    for place, methods in compared.items():
        kept = [entry for entry, keeps in methods.items() if keeps]
        who = f"only {names.listing(kept)}"
        if not kept:
            who = "none"
            advice[f"where none is, {REMEDY}"] = None
        elif len(kept) == len(methods):
            who = "both" if len(kept) == 2 else f"all {len(kept)}"
            advice["where all are, the simplest will do"] = None
        places.setdefault(who, []).append(place)
    if list(places) == ["none"]:
        where = names.listing(places["none"]).replace(" and ", " or ")
        return f"No method compared is within {WITHIN} of the dense perplexity at {where}: {REMEDY}."
    parts = [f"at {names.listing(found)} {who}" for who, found in places.items()]
    tail = f" {names.capital('; '.join(advice))}." if advice else ""
    return f"Of the methods compared, within {WITHIN} of the dense perplexity are: {'; '.join(parts)}.{tail}"


def untimed_sentence(results: Results, model: ModelRecord) -> str:
    """Variants that could be deployed and whose speed is not shown."""
    every = [each for each in fronts.candidates(results, model) if not each.cell.is_reference]
    timed = [each for each in every if facts.speed(results, each.cell, "prefill") is not None]
    if not timed or len(timed) == len(every):
        return ""
    return (
        f"Only {numbers.count(len(timed))} of {numbers.count(len(every))} variants were timed: of the others nothing "
        "is said about speed."
    )


def section(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """What to deploy, for each model, with the fronts."""
    blocks = [
        block
        for model in results.models
        for block in paragraph(
            smallest_sentence(results, model),
            *(fastest_sentence(results, model, phase) for phase in ("prefill", "decode")),
            unclear_sentence(results, model),
            method_sentence(results, model),
            untimed_sentence(results, model),
        )
    ]
    pictures = (*figure(results, drawings, "pareto_bytes"), *figure(results, drawings, "pareto_latency"))
    return Section("sec:deploy", "What to deploy", (*blocks, *pictures))
