"""Sentences about how behaviour leaves dense: tipping points, flips, ranks, confidence, greedy text, several texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, names, numbers, stability_tables
from ..figures.cells import Names
from ..figures.states import binned
from ..markup import plain, see

if TYPE_CHECKING:
    from ...results.model import CellRecord, Measurement, ModelRecord, Results, TippingRecord

NEARLY_TIED = 0.2
"""A margin, in probability, below which a decision was nearly tied."""


def lead(results: Results, model: ModelRecord) -> CellRecord | None:
    """The state that the summary speaks of."""
    return next(iter(facts.lead(facts.cells_of(results, model))), None)


def on_text(results: Results, corpus: str) -> str:
    """ " on wikitext-2" where there are several texts."""
    return f" on {plain(corpus)}" if len(facts.texts(results)) > 1 else ""


def on_first_text(results: Results) -> str:
    """The same for the first text, of which sentences speak that look at one."""
    return on_text(results, facts.texts(results)[0]) if facts.texts(results) else ""


def opening(results: Results) -> str:
    """Which text sentences speak of that name none."""
    every = facts.texts(results)
    if len(every) < 2:
        return ""
    return (
        f"Sentences that name no text speak of {plain(every[0])}, the first; values on different texts are never put "
        "on one axis."
    )


def texts_sentence(results: Results, model: ModelRecord) -> str:
    """The leading state's perplexity over dense on every text."""
    cell, every = lead(results, model), facts.texts(results)
    if cell is None or len(every) < 2:
        return ""
    found = {corpus: cell.find("perplexity_ratio", corpus=corpus) for corpus in every}
    known = {corpus: each for corpus, each in found.items() if each is not None and each.value is not None}
    if len(known) < 2:
        return ""
    shown = names.listing([f"{numbers.with_interval(each)} on {plain(corpus)}" for corpus, each in known.items()])
    low, high = (pick(known.values(), key=lambda each: each.value or 0) for pick in (min, max))
    verdict = "the texts differ beyond the intervals" if facts.differ(low, high) else "the intervals overlap"
    return names.sentence(
        names.on(results, model), f"{names.state(results, cell)} has {shown} times dense’s perplexity: {verdict}."
    )


def tipping_sentences(results: Results) -> list[str]:
    """One sentence for every model, text and level: by method, from the first to leave to the last."""
    found: dict[tuple[str, str, str, float], dict[str, TippingRecord]] = {}
    naming = Names.of(results)
    for record in results.tipping:
        cell = stability_tables.series_of(results, record)
        if cell is not None:
            own = found.setdefault((record.model, record.corpus, record.metric, record.level), {})
            own.setdefault(naming.series(cell), record)
    places = [see("tab:tipping"), *[""] * len(found)]
    return [_tipping(results, *key, own, place) for (key, own), place in zip(found.items(), places, strict=False)]


def _tipping(
    results: Results, model: str, corpus: str, metric: str, level: float, own: dict[str, TippingRecord], table: str
) -> str:
    record = next(each for each in results.models if each.id == model)
    reached = {name: each for name, each in own.items() if each.value is not None}
    order = sorted(reached, key=lambda name: reached[name].value or 0)
    parts = [f"{place(reached[name])} with {plain(name)}" for name in order]
    never = [name for name in own if name not in reached]
    shown = f"{level:g}" if metric == "perplexity_ratio" else numbers.percent(level)
    what = "perplexity" if metric == "perplexity_ratio" else "top-1 agreement"
    verb = f"exceeds {shown} times dense" if metric == "perplexity_ratio" else f"falls below {shown}"
    text = f"the {what}{on_text(results, corpus)} {verb} at {names.listing(parts)}" if parts else ""
    if never:
        last = names.listing([f"{plain(name)} (studied up to {_last(own[name])})" for name in never])
        lost = f"it does not with {last}" if parts else f"the {what}{on_text(results, corpus)} never {verb} with {last}"
        text = f"{text}; {lost}" if text else lost
    return names.sentence(names.on(results, record), text, f"{table}.")


def _last(record: TippingRecord) -> str:
    return numbers.percent(record.sparsity[-1], 1)


def place(record: TippingRecord) -> str:
    """ "34.1 % [32.0 %, 36.2 %]": a bound that the resamples do not reach is open."""
    value = numbers.percent(record.value or 0, 1)
    if record.low is None:
        return value
    high = f"more than {_last(record)}" if record.high is None else numbers.percent(record.high, 1)
    return f"{value} [{numbers.percent(record.low, 1)}, {high}]"


def flips_sentence(results: Results, model: ModelRecord) -> str:
    """How much of the leading state's flips befell decisions that were nearly tied, beside how many those are."""
    cell = lead(results, model)
    if cell is None or not facts.texts(results):
        return ""
    bins = binned(cell, "flip_rate", facts.texts(results)[0], "margin")
    total, flips = sum(each.n or 0 for each in bins), sum(_count(each) for each in bins)
    if not flips or facts.mixed(results, model, facts.texts(results)[0]):
        return ""
    tied = [each for each in bins if _ends(each)[1] <= NEARLY_TIED]
    sure = [each for each in bins if _ends(each)[0] >= 1 - NEARLY_TIED]
    text = (
        f"{numbers.percent(sum(map(_count, tied)) / flips, 1)} of the first tokens that {names.state(results, cell)} "
        f"changes were nearly tied in dense (a margin below {NEARLY_TIED:g}), as were "
        f"{numbers.percent(sum(each.n or 0 for each in tied) / total, 1)} of all positions"
    )
    end = ""
    if len(sure) == 1:
        share = numbers.with_interval(sure[0], 100, "%", 2)
        end = f"; where dense was sure (a margin of {1 - NEARLY_TIED:g} or more) it changes {share}"
    return names.sentence(names.on(results, model), text, f"{end}{see('fig:flips')}.")


def _count(each: Measurement) -> float:
    return (each.n or 0) * (each.value or 0)


def _ends(each: Measurement) -> tuple[float, float]:
    low, _, high = str(each.conditions["margin"]).partition("–")
    return float(low), float(high)


def ranks_sentence(results: Results, model: ModelRecord) -> str:
    """How far the leading state keeps the order of dense's first tokens."""
    cell = lead(results, model)
    found = None if cell is None else facts.find(cell, "rank_correlation")
    if cell is None or found is None or found.value is None:
        return ""
    return names.sentence(
        names.on(results, model),
        f"{names.state(results, cell)} keeps the order of dense’s ten most likely tokens with a rank correlation of "
        f"{numbers.with_interval(found)}.",
    )


def confidence_sentence(results: Results, model: ModelRecord) -> str:
    """Calibration error of the leading state beside dense's, and on which side it errs."""
    cell, dense = lead(results, model), results.reference(model.id)
    if cell is None or dense is None:
        return ""
    own, base = (facts.find(each, "calibration_error") for each in (cell, dense))
    if own is None or base is None or own.value is None or base.value is None:
        return ""
    said, right = (facts.value(cell, metric) for metric in ("mean_confidence", "next_token_accuracy"))
    verdict = "no clear difference"
    if facts.differ(own, base):
        verdict = "which is worse" if own.value > base.value else "which is better"
    side = (
        f"; on the whole it gives its first tokens {numbers.percent(said, 1)}, and they follow in "
        f"{numbers.percent(right, 1)}"
        if said is not None and right is not None
        else ""
    )
    return names.sentence(
        names.on(results, model),
        f"the calibration error of {names.state(results, cell)} is {numbers.with_interval(own, 100, '%', 2)} against "
        f"{numbers.with_interval(base, 100, '%', 2)} for dense, {verdict}{side}{see('fig:reliability')}.",
    )


def greedy_sentence(results: Results, model: ModelRecord) -> str:
    """How many continuations of the leading state are dense's to the end, and where the others first differ."""
    cell = lead(results, model)
    records = [each for each in results.generations if each.model == model.id]
    if cell is None or not records:
        return ""
    same = [(each.same, record.tokens) for record in records for each in record.continuations if each.node == cell.node]
    if not same:
        return ""
    whole = sum(own == tokens for own, tokens in same)
    left = sorted(own + 1 for own, tokens in same if own < tokens)
    state, count = names.state(results, cell), numbers.count(len(same))
    text = f"{state} continues {numbers.count(whole)} of {count} prompts with dense’s own {same[0][1]} tokens"
    if left:
        where = f"token {left[0]}" if left[0] == left[-1] else f"tokens {left[0]} to {left[-1]}"
        text += f"; the {'other differs' if len(left) == 1 else 'others first differ'} at {where}"
    return names.sentence(names.on(results, model), text, f"{see('app:greedy')}.")


def sentences(results: Results) -> list[str]:
    """Everything about how behaviour leaves dense, model by model."""
    return [
        sentence(results, model)
        for model in results.models
        for sentence in (flips_sentence, ranks_sentence, confidence_sentence, greedy_sentence)
    ]
