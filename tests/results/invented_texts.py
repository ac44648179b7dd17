"""An invented study on two texts with everything that behaviour can be measured by; see make_fixtures.py."""

from __future__ import annotations

import math
from typing import Any

from invented import CSR, DENSE, MASKED, TINY_OPT, TOKENS, behaviour, cell, prune, structure
from invented_study import ENTRIES, data_record, study

from sparsity_report.metrics import confidence, flips, generation, ranks
from sparsity_report.results.model import (
    CellRecord,
    Continuation,
    EntryRecord,
    GenerationRecord,
    Measurement,
    Results,
    TippingRecord,
)
from sparsity_report.results.stats import wilson

TEXTS = ("embedded", "ptb")
FAMILIES = (flips, ranks, confidence, generation)
SHARES = {
    "margin": (0.2, 0.13, 0.17, 0.14, 0.12, 0.24),
    "frequency": (0.1, 0.3, 0.4, 0.2),
    "confidence": (0.08, 0.12, 0.13, 0.12, 0.1, 0.1, 0.09, 0.08, 0.08, 0.1),
}
"""Made-up shares of the positions in every bin."""


def value(metric: str, number: float, spread: float = 0.0, n: int = TOKENS, **conditions: Any) -> Measurement:
    quantity = next(each for family in FAMILIES for each in family.INFO.quantities if each.name == metric)
    ci = wilson(round(n * number), n) if spread < 0 else (number - spread, number + spread) if spread else None
    return Measurement(
        metric=metric, value=number, unit=quantity.unit, kind=quantity.kind, noise=quantity.noise,
        direction=quantity.direction, conditions=conditions, ci=ci, n=n,
    )  # fmt: skip


def bins(by: str) -> list[str]:
    edges = {"margin": flips.MARGINS, "frequency": flips.FREQUENCIES}.get(by)
    edges = edges or tuple((place / confidence.BINS, (place + 1) / confidence.BINS) for place in range(confidence.BINS))
    return [f"{low:g}–{high:g}" for low, high in edges]


def flipped(hurt: float, text: str) -> list[Measurement]:
    """Fewer flips where dense was sure, and among frequent tokens."""
    found = [value("flip_rate", 0.86 * (1 - math.exp(-1.6 * hurt)), -1, corpus=text)]
    for by, falls in (("margin", 0.5), ("frequency", 0.25)):
        for place, (name, share) in enumerate(zip(bins(by), SHARES[by], strict=True)):
            rate = min(0.95, 1.6 * hurt * math.exp(-falls * place))
            found.append(value("flip_rate", rate, -1, round(TOKENS * share), corpus=text, **{by: name}))
    return found


def reliability(hurt: float, text: str) -> list[Measurement]:
    """A pruned model that is ever surer of itself than it may be."""
    found = [
        value("calibration_error", 0.02 + 0.2 * hurt, 0.006, corpus=text),
        value("next_token_accuracy", max(0.02, 0.4 - 0.2 * hurt), -1, corpus=text),
        value("mean_confidence", 0.41, corpus=text),
    ]
    for place, (name, share) in enumerate(zip(bins("confidence"), SHARES["confidence"], strict=True)):
        said, n = (place + 0.5) / confidence.BINS, round(TOKENS * share)
        found.append(value("next_token_accuracy", said * max(0.1, 1 - 0.6 * hurt), -1, n, corpus=text, confidence=name))
        found.append(value("mean_confidence", said, 0, n, corpus=text, confidence=name))
    return found


def all_of(hurt: float) -> tuple[Measurement, ...]:
    """Behaviour on both texts; the second is harder."""
    found: list[Measurement] = []
    for text, factor in zip(TEXTS, (1.0, 1.3), strict=True):
        own = hurt * factor
        usual = [each.model_copy(update={"conditions": {"corpus": text}}) for each in behaviour(TINY_OPT, own)]
        ratio = math.exp(1.1 * own**1.7)
        paired = usual[0].model_copy(
            update={"metric": "perplexity_ratio", "value": ratio, "ci": (0.99 * ratio, 1.01 * ratio)}
        )
        found += [*usual, paired, *reliability(own, text)]
        if hurt:
            found += [*flipped(own, text), value("rank_correlation", max(0.05, 1 - 0.7 * own), 0.01, corpus=text)]
    return tuple(found)


def hurt_of(entry: str, sparsity: float) -> float:
    return float((sparsity / {"magnitude": 0.72, "random": 0.42}[entry]) ** 2.6) / 2


def tipping(cells: list[CellRecord], entry: str, text: str, **points: tuple[float, float | None, float | None]) -> Any:
    own = {each.node: each for each in cells if each.variant.stages and each.variant.stages[0].entry == entry}
    for metric, (point, low, high) in points.items():
        yield TippingRecord(
            model=TINY_OPT.id, corpus=text, metric=metric, level=1.1 if metric == "perplexity_ratio" else 0.9,
            nodes=tuple(own), sparsity=(0.3, 0.5, 0.7)[: len(own)], value=point if point else None, low=low, high=high,
            windows=32,
        )  # fmt: skip


def two_texts() -> Results:
    cells = [cell(TINY_OPT, (), DENSE, (*structure(TINY_OPT, DENSE, 0), *all_of(0)), variant="dense")]
    for entry in ("magnitude", "random"):
        for sparsity in (0.3, 0.5, 0.7):
            for form in (MASKED, CSR) if (entry, sparsity) == ("magnitude", 0.3) else (MASKED,):
                greedy = value("greedy_prefix_tokens", 20 * (1 - sparsity), 4, n=2, corpus=TEXTS[0])
                metrics = (*structure(TINY_OPT, form, sparsity), *all_of(hurt_of(entry, sparsity)), greedy)
                cells.append(cell(TINY_OPT, (prune(entry, sparsity),), form, metrics))
    first = data_record(TINY_OPT)
    second = first.model_copy(
        update={
            "corpus": "ptb",
            "source": "ptb",
            "protocol": "ptb/256/stride256",
            "joiner": " ",
            "token_ids_sha256": "b" * 64,
        }
    )
    nodes = list(dict.fromkeys(each.node for each in cells))
    written = (
        GenerationRecord(
            model=TINY_OPT.id, corpus=TEXTS[0], prompt="The <b>statement</b>\nis", tokens=12,
            continuations=tuple(
                Continuation(node=node, same=12 - place, shared=" executed & then", other=" left\nalone" * bool(place))
                for place, node in enumerate(nodes)
            ),
        ),
        GenerationRecord(
            model=TINY_OPT.id, corpus=TEXTS[0], prompt="A name", tokens=12,
            continuations=tuple(Continuation(node=node, same=12, shared=" is bound") for node in nodes),
        ),
    )  # fmt: skip
    points = [
        *tipping(cells, "magnitude", TEXTS[0], perplexity_ratio=(0.571, 0.55, 0.59), agreement_top1=(0.41, 0.39, 0.43)),
        *tipping(cells, "magnitude", TEXTS[1], perplexity_ratio=(0.52, 0.5, None), agreement_top1=(0.37, 0.35, 0.39)),
        *tipping(cells, "random", TEXTS[0], perplexity_ratio=(0, None, None), agreement_top1=(0.24, 0.22, 0.26)),
    ]
    entries = (
        *ENTRIES,
        *(
            EntryRecord(
                kind="metric", name=family.INFO.name, summary=family.INFO.summary, equation=family.INFO.equation,
                spoken=family.INFO.spoken, cite=family.INFO.cite,
            )
            for family in FAMILIES
        ),
        EntryRecord(kind="corpus", name="ptb", summary="newspaper sentences", cite="marcus1993building"),
    )  # fmt: skip
    return study(
        "A small OPT on two texts (invented numbers)", cells, slug="two-texts", entries=entries,
        calibration=(second,), tipping=tuple(points), generations=written,
    )  # fmt: skip
