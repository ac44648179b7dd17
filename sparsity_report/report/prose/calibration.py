"""Sentences about the text that methods look at while they prune: which, how much, how drawn, and what saw it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import cite as references
from .. import facts, names, numbers, replicates
from ..markup import cite, code, plain, see
from ..method_tables import used_stages

if TYPE_CHECKING:
    from ...results.model import DataRecord, Results, StageRecord

FINGERPRINTS = 4
"""More seeds than this have their fingerprints in the table only."""


@dataclass(frozen=True)
class Draw:
    """A calibration text as stages name it, and the seeds that windows were drawn with."""

    source: str
    split: str
    windows: int
    length: str
    seeds: tuple[int, ...]


def stages(results: Results) -> list[StageRecord]:
    """Pruning stages that looked at data, replicates one by one."""
    every = (stage for cell in replicates.runs(results) for stage in cell.variant.stages)
    return [stage for stage in every if stage.op == "prune" and facts.calibration_of(stage)]


def draws(results: Results) -> list[Draw]:
    found: dict[tuple[str, str, int, str], dict[int, None]] = {}
    for stage in stages(results):
        text = facts.calibration_of(stage)
        key = (str(text.get("source", "")), str(text.get("split", "")), int(text.get("windows", 0)))
        found.setdefault((*key, str(text.get("length", ""))), {})[int(text.get("seed", 0))] = None
    return [Draw(*key, tuple(sorted(known))) for key, known in found.items()]


def text_sentence(results: Results) -> str:
    """How much of which text the methods saw, and how it was drawn."""
    every = draws(results)
    if not every:
        return ""
    parts = []
    for each in every:
        corpus = each.source.partition(":")[0]
        split = f", split {plain(each.split)}" if each.split else ""
        length = f" of {plain(each.length)} tokens" if each.length.isdecimal() else ""
        drawn = names.listing([str(seed) for seed in each.seeds])
        how = f"seed {drawn}" if len(each.seeds) == 1 else f"seeds {drawn}, each of which is a replicate"
        parts.append(
            f"{numbers.count(each.windows)} windows{length} of {code(each.source)}"
            f"{cite(references.of_entry(results, 'corpus', corpus))}{split}, drawn with {how}"
        )
    return f"Calibration: methods that look at data see {'; or '.join(parts)}{see('tab:data')}."


def methods_sentence(results: Results) -> str:
    """Which methods look at the text themselves, which only through an allocation, and which not at all."""
    seeing = list(dict.fromkeys(each.entry for each in stages(results) if looks_itself(results, each)))
    through = {each.entry: facts.allocation_of(each) for each in stages(results) if each.entry not in seeing}
    others = [name for name in dict.fromkeys(stage.entry for stage in used_stages(results)) if name not in seeing]
    blind = [name for name in others if name not in through]
    rules = names.listing(sorted({code(rule) for rule in through.values()}))
    parts = [
        *([f"{_who(seeing)} at calibration data"] if seeing else []),
        *(
            [f"{_who(list(through))} at {'it' if seeing else 'calibration data'} through the allocation {rules}"]
            if through
            else []
        ),
        *([f"{_who(blind)} at none"] if blind else []),
    ]
    return f"{'; '.join(parts)}." if seeing or through else ""


def looks_itself(results: Results, stage: StageRecord) -> bool:
    """Of a stage that has a calibration set: whether it is for the method, or for the allocation alone."""
    needs = any(each.needs for each in results.entries if (each.kind, each.name) == ("method", stage.entry))
    return needs or "propagate" in stage.params or facts.allocation_of(stage) == "uniform"


def _who(entries: list[str]) -> str:
    return f"{names.listing(list(map(code, entries)))} look{'s' if len(entries) == 1 else ''}"


PROPAGATION = {
    "pruned": "the inputs of a decoder block are those that the blocks before it produce as pruned",
    "dense": "the inputs of a decoder block are those of the dense model",
}


def propagation_sentence(results: Results) -> str:
    """What calibration inputs have gone through."""
    kinds = {str(stage.params.get("propagate", "")) for stage in stages(results)} & set(PROPAGATION)
    ordered = [stage for stage in stages(results) if stage.params.get("within_block") == "in-order"]
    if not kinds:
        return ""
    if len(kinds) == 1:
        [kind] = kinds
        text = f"{names.capital(PROPAGATION[kind])} (propagate {code(kind)})"
    else:
        text = "; in other variants ".join(
            f"{PROPAGATION[kind] if place else names.capital(PROPAGATION[kind])} (propagate {code(kind)})"
            for place, kind in enumerate(PROPAGATION)
        )
    every = len(ordered) == len(stages(results))
    order = (
        f"; within a block{'' if every else ', in some variants,'} each matrix is pruned before the next one’s inputs "
        "are taken (in order)"
        if ordered
        else ""
    )
    return f"{text}{order}."


def records(results: Results) -> list[DataRecord]:
    return [each for each in results.data if each.role == "calibration"]


def fingerprint_sentence(results: Results) -> str:
    """BOS policy and the beginning of the token ids' hash, by which another run can tell that it saw the same."""
    every = records(results)
    known = [each for each in every if each.token_ids_sha256]
    if not known:
        return ""
    policies = names.listing(list(dict.fromkeys(code(each.bos) for each in known if each.bos)))
    bos = f"BOS policy {policies}; " if policies else ""
    if len(known) > FINGERPRINTS:
        shown = f"the token ids’ fingerprints are in the table{see('tab:data')}"
    else:
        prints = [code(each.token_ids_sha256[:8]) + _which(each, known) for each in known]
        shown = f"the sha256 of the token ids begins with {names.listing(prints)}"
    return names.capital(f"{bos}{shown}.")


def _which(record: DataRecord, every: list[DataRecord]) -> str:
    """What tells a text from the others, in brackets."""
    words = []
    if len({each.model for each in every}) > 1:
        words.append(plain(record.model))
    if len({each.source for each in every}) > 1:
        words.append(plain(record.source))
    if len({each.seed for each in every}) > 1 and record.seed is not None:
        words.append(f"seed {record.seed}")
    return f" ({', '.join(words)})" if words else ""


def curation(record: DataRecord) -> str:
    """What curation left, "371 of 412 paragraphs (dropped: short 30, headings 11)"; nothing without curation."""
    counts = record.curation
    before, after = counts.get("before"), counts.get("after")
    dropped = [
        f"{plain(name.replace('_', ' '))} {numbers.count(count)}"
        for name, count in counts.items()
        if name not in ("before", "after")
    ]
    if before is None or after is None:
        return ", ".join(dropped)
    reasons = f" (dropped: {', '.join(dropped)})" if dropped else ""
    return f"{numbers.count(after)} of {numbers.count(before)} paragraphs{reasons}"


def curation_sentence(results: Results) -> str:
    """What was taken out of the calibration text before it was cut."""
    found = dict.fromkeys(curation(each) for each in records(results) if each.curation)
    return f"Curation of the calibration text kept {names.listing(list(found))}." if found else ""


def sentences(results: Results) -> list[str]:
    """The calibration paragraph."""
    return [
        text_sentence(results),
        methods_sentence(results),
        propagation_sentence(results),
        fingerprint_sentence(results),
        curation_sentence(results),
    ]
