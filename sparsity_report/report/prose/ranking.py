"""Whether the order of methods that papers report is seen here: SparseGPT, Wanda and magnitude at 50 % and 2:4."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from .. import facts, names, numbers
from ..markup import cite, plain
from ..method_tables import Standing, lower, place
from ..result_tables import corpora

if TYPE_CHECKING:
    from ...results.model import ModelRecord, Results

PUBLISHED = ("sparsegpt", "wanda", "magnitude")
"""By rising perplexity, as in the tables of both papers for OPT and LLaMA at 50 % and 2:4."""
PLACES = (numbers.percent(0.5), "2:4")


def plain_standings(results: Results, model: ModelRecord, corpus: str, at: str) -> dict[str, Standing]:
    """The first plain state of every method at a place: uniform, not permuted, blocks pruned as wholes."""
    found: dict[str, Standing] = {}
    for node in facts.nodes(facts.cells_of(results, model)):
        cell = next((each for each in node if facts.executed(each)), None)
        if cell is None or not facts.plain_state(cell.variant.stages) or place(cell) != at:
            continue
        perplexity = cell.find("perplexity", corpus=corpus)
        if perplexity is not None:
            entry = cell.variant.stages[0].entry
            found.setdefault(entry, Standing(cell, perplexity, cell.find("perplexity_ratio", corpus=corpus)))
    return found


def order_sentence(results: Results, model: ModelRecord, corpus: str, at: str) -> str:
    """What came of the published order at one place; nothing unless all three methods were run there."""
    found = plain_standings(results, model, corpus, at)
    if not set(PUBLISHED) <= set(found):
        return ""
    ranked = sorted(PUBLISHED, key=lambda name: (_value(found[name]), PUBLISHED.index(name)))
    shown = _shown(found, ranked)
    close = [f"{one} and {other}" for one, other in pairwise(ranked) if not lower(found[one], found[other])]
    unclear = ", and between ".join(close)
    where = f" on {plain(corpus)}" if len(corpora(results)) > 1 else ""
    prefix = names.sentence(names.on(results, model), f"at {at}{where} ")
    papers = cite("frantar2023sparsegpt", "sun2024wanda")
    order = "SparseGPT < Wanda < magnitude"
    if tuple(ranked) == PUBLISHED and not unclear:
        return f"{prefix}the published order of perplexities{papers}, {order}, holds beyond the intervals: {shown}."
    if tuple(ranked) == PUBLISHED:
        return (
            f"{prefix}the values stand in the published order{papers}, {order}: {shown}; but between "
            f"{unclear} there is no clear difference."
        )
    turned = [
        (one, other)
        for place_, one in enumerate(PUBLISHED)
        for other in PUBLISHED[place_ + 1 :]
        if lower(found[other], found[one])
    ]
    if turned:
        claims = names.listing([f"{other} is better than {one}" for one, other in turned])
        tail = f"; between {unclear} there is no clear difference" if unclear else ""
        verdict = f"the published order{papers}, {order}, does not hold: {shown}."
        return f"{prefix}{verdict} Beyond the intervals {claims}{tail}."
    return (
        f"{prefix}the published order{papers}, {order}, is not seen: {shown}; but between {unclear} "
        "there is no clear difference."
    )


def _shown(found: dict[str, Standing], ranked: list[str]) -> str:
    """The values in their order: ratios to dense where all have one, for it is they that are compared."""
    ratios = [found[name].ratio for name in ranked]
    if all(each is not None and each.value is not None for each in ratios):
        known = [f"{name} {numbers.with_interval(each)}" for name, each in zip(ranked, ratios, strict=True) if each]
        return f"in ratios to dense over the same windows, {' < '.join(known)}"
    return " < ".join(f"{name} {numbers.with_interval(found[name].perplexity)}" for name in ranked)


def _value(standing: Standing) -> float:
    return float("inf") if standing.perplexity.value is None else standing.perplexity.value


def sentences(results: Results) -> list[str]:
    """One sentence for every model, text and place that has the three methods."""
    return [
        order_sentence(results, model, corpus, at)
        for model in results.models
        for corpus in corpora(results)
        for at in PLACES
    ]
