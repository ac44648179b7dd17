"""Sentences about the scan: which decoder blocks the model misses most, as far as the probes agree."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from .. import names, numbers
from ..figures.sensitivity import scans
from ..markup import plain, see

if TYPE_CHECKING:
    from ...results.model import ModelRecord, Results, SensitivityRecord

CLEAR = 1.1
"""A block stands out that loses at least a tenth more than the next one."""


def ranked(scan: SensitivityRecord, column: int) -> list[tuple[float, int]]:
    """Blocks by falling increase at one probe; what is not finite comes first."""
    found = [
        (float("inf") if row[column] is None else float(row[column] or 0), block)
        for block, row in zip(scan.blocks, scan.nll_increase, strict=True)
    ]
    return sorted(found, key=lambda each: (-each[0], each[1]))


def most_sentence(results: Results, model: ModelRecord, scan: SensitivityRecord) -> str:
    """The block that the model misses most: one if all probes agree, else one for each probe."""
    if len(scan.blocks) < 2 or not scan.sparsity:
        return ""
    tops = [ranked(scan, column)[0] for column in range(len(scan.sparsity))]
    prefix = names.on(results, model)
    if len({block for _, block in tops}) > 1:
        parts = [f"block {block} at {numbers.percent(at)}" for at, (_, block) in zip(scan.sparsity, tops, strict=True)]
        return names.sentence(
            prefix, f"which single block hurts most when pruned depends on the sparsity: {names.listing(parts)}."
        )
    block = tops[0][1]
    every = "both" if len(tops) == 2 else f"all {numbers.count(len(tops))}"
    how = f"at {every} probe sparsities" if len(tops) > 1 else "at the one probe sparsity"
    parts = [_amount(scan, column) for column in range(len(scan.sparsity))]
    hedge = "" if all(_stands_out(scan, column, 0) for column in range(len(tops))) else _hardly(scan, tops)
    return names.sentence(
        prefix, f"pruned alone by {plain(scan.method)}, block {block} hurts most {how}: {names.listing(parts)}{hedge}."
    )


def _amount(scan: SensitivityRecord, column: int) -> str:
    """The largest increase at a probe, and how that compares with the median block."""
    order = ranked(scan, column)
    value, middle, at = order[0][0], median(value for value, _ in order), numbers.percent(scan.sparsity[column])
    if value == float("inf"):
        return f"a likelihood that is not finite at {at}"
    times = f" ({numbers.times(value / middle)} the median block)" if 0 < middle < float("inf") else ""
    return f"{numbers.significant(value)} nats per token at {at}{times}"


def _stands_out(scan: SensitivityRecord, column: int, place: int) -> bool:
    order = ranked(scan, column)
    return order[place][0] >= CLEAR * order[place + 1][0]


def _hardly(scan: SensitivityRecord, tops: list[tuple[float, int]]) -> str:
    close = [
        f"block {ranked(scan, column)[1][1]} at {numbers.percent(at)}"
        for column, at in enumerate(scan.sparsity)
        if not _stands_out(scan, column, 0)
    ]
    return f", but hardly more than {names.listing(close)}"


def least_sentence(results: Results, model: ModelRecord, scan: SensitivityRecord) -> str:
    """The block that the model misses least, and whether any can be pruned without loss."""
    if len(scan.blocks) < 2 or not scan.sparsity:
        return ""
    lows = [ranked(scan, column)[-1] for column in range(len(scan.sparsity))]
    prefix = names.on(results, model)
    places = zip(scan.sparsity, lows, strict=True)
    if len({block for _, block in lows}) > 1:
        parts = [f"block {block} at {numbers.percent(at)}" for at, (_, block) in places]
        text = f"the block that hurts least depends on the sparsity: {names.listing(parts)}"
    else:
        parts = [
            f"{numbers.significant(value)} at {numbers.percent(at)}"
            for at, (value, _) in places
            if value < float("inf")
        ]
        close = [column for column, _ in enumerate(lows) if not _clearly_least(scan, column)]
        hedge = ", though hardly less than the next" if close else ""
        shown = f" (nats per token: {names.listing(parts)})" if parts else ""
        text = f"block {lows[0][1]} hurts least{shown}{hedge}"
    free = [block for column in range(len(lows)) for value, block in ranked(scan, column) if value <= 0]
    unharmed = (
        f"; for {names.listing([f'block {each}' for each in dict.fromkeys(sorted(free))])} some probe shows no increase"
        if free
        else ""
    )
    return names.sentence(prefix, text, unharmed, ".")


def _clearly_least(scan: SensitivityRecord, column: int) -> bool:
    order = ranked(scan, column)
    return order[-2][0] >= CLEAR * order[-1][0]


def limit_sentence(results: Results) -> str:
    """What a scan cannot say."""
    found = scans(results)
    if not found:
        return ""
    tokens = names.listing(list(dict.fromkeys(numbers.count(scan.tokens) for _, scan in found)))
    return (
        f"The scan prunes one block at a time and has no intervals (n = {tokens} tokens): small differences between "
        "blocks may not last on other text, and the errors of several pruned blocks need not add up."
    )


def sentences(results: Results) -> list[str]:
    """The paragraph beside the figure."""
    found = scans(results)
    if not found:
        return []
    parts = [each(results, model, scan) for model, scan in found for each in (most_sentence, least_sentence)]
    opening = f"How much the model loses when one decoder block alone is pruned was scanned{see('fig:sensitivity')}."
    return [opening, *parts, limit_sentence(results)]
