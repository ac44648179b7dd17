"""Sentences matrix by matrix: how sparsity is spread, where errors arise, and which weights the methods remove."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, names, numbers, overlaps
from ..figures import allocation, layer_error
from ..markup import plain, see

if TYPE_CHECKING:
    from ...results.model import Results
    from ..figures.allocation import Row
    from ..figures.heat import Sheet
    from ..overlaps import Group, Pair

AS_CHANCE = 0.01
"""Jaccard indices this close to chance are called chance."""


def allocation_sentences(results: Results) -> list[str]:
    """What every unequal rule does with the highest of its sparsities."""
    return [_allocation(results, row) for row in allocation.rows_of(results)]


def _allocation(results: Results, row: Row) -> str:
    node = row.nodes[-1]
    asked = facts.asked(node.stages)
    blocks, by_name = row.layout.by_block(node.sparsity), row.layout.by_name(node.sparsity)
    if asked is None or len(blocks) < 2:
        return ""
    low, high = min(blocks, key=blocks.__getitem__), max(blocks, key=blocks.__getitem__)
    text = (
        f"{plain(row.name)} at {numbers.percent(asked)} gives blocks between {numbers.percent(blocks[low], 1)} "
        f"(block {low}) and {numbers.percent(blocks[high], 1)} (block {high})"
        if blocks[high] - blocks[low] >= 0.001
        else f"{plain(row.name)} at {numbers.percent(asked)} gives every block the same sparsity"
    )
    least, most = min(by_name, key=by_name.__getitem__), max(by_name, key=by_name.__getitem__)
    spread = (
        f", and matrices between {numbers.percent(by_name[least], 1)} ({plain(least)}) and "
        f"{numbers.percent(by_name[most], 1)} ({plain(most)})"
        if by_name[most] - by_name[least] >= 0.001
        else ""
    )
    missed = ""
    if len(node.requested) == len(node.sparsity):
        gap = max(abs(want - got) for want, got in zip(node.requested, node.sparsity, strict=True))
        missed = (
            f"; no matrix is further than {numbers.percent(gap)} from what was allocated to it"
            if gap >= 0.00005
            else "; every matrix has what was allocated to it"
        )
    return names.sentence(names.on(results, row.model), text, spread, missed, ".")


def equal_sentence(results: Results) -> str:
    """Where all matrices were asked for the same sparsity there is no map to draw."""
    if not results.nodes or any(map(allocation.unequal, results.nodes)):
        return ""
    return "Every targeted matrix was asked for the same sparsity in every state."


def error_sentences(results: Results) -> list[str]:
    """The largest and smallest pooled error of the maps, and where each method's error is largest."""
    return [each for sheet in layer_error.sheets(results) for each in (_errors(results, sheet), _peaks(results, sheet))]


def _errors(results: Results, sheet: Sheet) -> str:
    totals = {}
    for each in sheet.maps:
        cell = next((cell for cell in results.cells if cell.node == each.node.key), None)
        value = None if cell is None else facts.value(cell, "reconstruction_error")
        if value is not None:
            totals[each.name] = value
    if len(totals) < 2:
        return ""
    low, high = min(totals, key=totals.__getitem__), max(totals, key=totals.__getitem__)
    if totals[low] <= 0:
        return ""
    return names.sentence(
        names.on(results, sheet.model),
        f"at {sheet.place} the reconstruction error over all matrices runs from {numbers.significant(totals[low])} "
        f"({plain(low)}) to {numbers.significant(totals[high])} ({plain(high)}), "
        f"{numbers.times(totals[high] / totals[low])} as much{see('fig:layer_error', 'tab:cost')}.",
    )


def _peaks(results: Results, sheet: Sheet) -> str:
    """Whether the maps agree on the matrix that suffers most."""
    peaks = {}
    for each in sheet.maps:
        by_name = {name: value for name, value in sheet.layout.by_name(each.values).items() if value == value}
        if len(by_name) > 1:
            peaks[each.name] = max(by_name, key=by_name.__getitem__)
    if len(peaks) < 2:
        return ""
    found = set(peaks.values())
    if len(found) == 1:
        count, peak = numbers.count(len(peaks)), plain(found.pop())
        return f"In all {count} states {peak} has the largest error on average over blocks."
    parts = [f"{plain(peak)} for {names.listing([n for n, p in peaks.items() if p == peak])}" for peak in sorted(found)]
    return f"The matrix with the largest error on average over blocks is {names.listing(parts)}."


def overlap_sentences(results: Results) -> list[str]:
    """For each place the pairs that agree most and least, beside chance; and how far seeds move a mask."""
    found = []
    for group in overlaps.groups(results):
        parts = [each for each in (_pairs(group), _control(group), _seeds(group)) if each]
        if parts:
            found.append(names.sentence(names.on(results, group.model), f"at {group.place} ", "; ".join(parts), "."))
    return found


def _pairs(group: Group) -> str:
    """The pairs that agree most and least; random pruning, which agrees with none, apart."""
    ranked = sorted((pair for pair in group.pairs if "random" not in pair.methods), key=lambda pair: pair.total)
    if not ranked:
        return ""
    least, most = ranked[0], ranked[-1]
    if len(ranked) == 1:
        return f"{_who(most)} overlap {_share(most)}"
    if most.total - least.total < AS_CHANCE:
        return f"all {numbers.count(len(ranked))} pairs are about equally alike, {_share(most)}"
    index, chance = (numbers.number(each, 2) for each in (least.total, least.chance))
    if least.total - least.chance >= AS_CHANCE and chance == numbers.number(most.chance, 2):
        return f"{_who(most)} agree most, {_share(most)}; {_who(least)} agree least, with {index}"
    return f"{_who(most)} agree most, {_share(most)}; {_who(least)} agree least, {_share(least)}"


def _control(group: Group) -> str:
    """Whether random pruning overlaps with the methods as chance says."""
    found = [pair for pair in group.pairs if "random" in pair.methods]
    if not found:
        return ""
    furthest = max(found, key=lambda pair: abs(pair.total - pair.chance))
    if abs(furthest.total - furthest.chance) < AS_CHANCE:
        return "random pruning overlaps with every method as chance says"
    return f"{_who(furthest)} overlap {_share(furthest)}"


def _who(pair: Pair) -> str:
    return f"{plain(pair.first)} and {plain(pair.second)}"


def _share(pair: Pair) -> str:
    """The index and what chance would give."""
    index, chance = numbers.number(pair.total, 2), numbers.number(pair.chance, 2)
    if abs(pair.total - pair.chance) < AS_CHANCE:
        return f"with a Jaccard index of {index}, as two random masks would ({chance})"
    if pair.total < pair.chance:
        return f"with a Jaccard index of {index}, less than two random masks would ({chance})"
    return f"with a Jaccard index of {index}, where two random masks would have {chance}"


def _seeds(group: Group) -> str:
    """How alike the masks of one state are under other seeds."""
    by_state: dict[str, list[float]] = {}
    for pair in group.seeds:
        by_state.setdefault(pair.first, []).append(pair.total)
    if not by_state:
        return ""
    parts = [f"{numbers.number(min(values), 2)} ({plain(name)})" for name, values in by_state.items()]
    least = "at least " if any(len(values) > 1 for values in by_state.values()) else ""
    return f"masks of one method under two seeds have an index of {least}{names.listing(parts)}"
