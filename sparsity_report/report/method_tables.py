"""Tables about methods: what they are, how they compare, how seeds spread, what pruning cost, which masks agree."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .. import contracts
from . import facts, names, numbers, overlaps, replicates
from .columns import NONE, aligned, measured, plain_number, share, text, without_empty
from .document import Column, Entry, Row, RowGroup, Table
from .figures.cells import Names, own_params, pattern_name
from .markup import cite, code, plain
from .result_tables import corpora, protocol_notes
from .tables import by_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..results.model import CellRecord, Fallback, Measurement, ModelRecord, Results, StageRecord

TRAIT_TITLES = {"removes": "Removes", "speed-up": "How it can speed up", "hardware": "Hardware"}
MOST_ACROSS = 5
"""Value columns that a printed page holds."""
SHORT = 14
"""A table of states with more rows goes to the appendix."""


def used_stages(results: Results, entry: str = "") -> list[StageRecord]:
    """Pruning stages of the study, of one method or of all."""
    return [
        stage
        for cell in results.cells
        for stage in cell.variant.stages
        if stage.op == "prune" and entry in ("", stage.entry)
    ]


def parameters(stages: list[StageRecord]) -> str:
    """A method's own parameters, "block size 128, damping 0.01 or 0.1"; what is not set is not named."""
    values: dict[str, dict[str, None]] = {}
    for stage in stages:
        for key, value in own_params(stage).items():
            if value not in (None, ""):
                values.setdefault(key, {})[str(value)] = None
    return ", ".join(f"{key.replace('_', ' ')} {' or '.join(found)}" for key, found in values.items())


def methods(results: Results) -> Table:
    """What each method says about itself, with the parameters that this study gave it."""
    entries = [each for each in results.entries if each.kind == "method" and each.traits]
    entries = [each for each in entries if used_stages(results, each.name)]
    rows = tuple(
        Row(
            (
                text(code(each.name) + cite(each.cite), plain(parameters(used_stages(results, each.name)))),
                *(text(plain(each.traits.get(trait) or numbers.DASH)) for trait in contracts.TRAITS),
            )
        )
        for each in entries
    )
    columns = (
        Column("Method"),
        *(Column(TRAIT_TITLES.get(trait, names.capital(trait))) for trait in contracts.TRAITS),
    )
    caption = (
        "Pruning methods as they describe themselves: family, what they remove, what could make the result faster and "
        "on which hardware, and whether kept weights change."
    )
    notes = (
        ("Small print: parameters of the method in this study.",) if any(row.entries[0].below for row in rows) else ()
    )
    return Table("tab:methods", caption, columns, (RowGroup(rows),), notes, tall=True, small=True)


@dataclass(frozen=True)
class Standing:
    """A state's perplexity at one place, and its ratio to dense where windows were paired."""

    cell: CellRecord
    perplexity: Measurement
    ratio: Measurement | None


def place(cell: CellRecord) -> str:
    """Where methods can be compared: "50 %", "2:4", "50 %, 4×4 tiles"."""
    pattern, asked = facts.pattern_of(cell.variant.stages), facts.requested(cell)
    if pattern.is_nm or asked is None:
        return str(pattern)
    return numbers.percent(asked) + (f", {pattern_name(pattern)}" if pattern.unit else "")


def _place_order(cell: CellRecord) -> tuple[bool, bool, float, str]:
    pattern = facts.pattern_of(cell.variant.stages)
    return bool(pattern.unit), pattern.is_nm, facts.requested(cell) or 0, str(pattern)


def standings(results: Results, model: ModelRecord, corpus: str) -> dict[str, dict[str, Standing]]:
    """One-shot states with a perplexity: by kind of state, then by place, both in order; formats share a state."""
    naming = Names.of(results)
    found: dict[str, dict[str, Standing]] = {}
    places: dict[str, CellRecord] = {}
    for node in facts.nodes(facts.cells_of(results, model)):
        cell = next((each for each in node if facts.executed(each)), None)
        if cell is None or not facts.one_shot(cell) or facts.requested(cell) is None:
            continue
        perplexity = cell.find("perplexity", corpus=corpus)
        if perplexity is not None:
            ratio = cell.find("perplexity_ratio", corpus=corpus)
            own = found.setdefault(naming.kind(cell.variant.stages), {})
            own.setdefault(place(cell), Standing(cell, perplexity, ratio))
            places.setdefault(place(cell), cell)
    order = sorted(places, key=lambda each: _place_order(places[each]))
    return {kind: {each: own[each] for each in order if each in own} for kind, own in found.items()}


def lower(one: Standing, other: Standing) -> bool:
    """Whether one perplexity is below the other beyond the intervals: of the ratios to dense where both have one."""
    if one.perplexity.value is None or other.perplexity.value is None:
        return one.perplexity.value is not None and one.perplexity.ci is not None
    pair = (one.ratio, other.ratio) if one.ratio and other.ratio else (one.perplexity, other.perplexity)
    return one.perplexity.value < other.perplexity.value and facts.differ(*pair)


def best(standing: Iterable[Standing]) -> Standing | None:
    """The one that is lower than every other beyond the intervals; None where there is none, or nothing to beat."""
    every = list(standing)
    found = [one for one in every if all(one is other or lower(one, other) for other in every)]
    return found[0] if len(every) > 1 and found else None


def comparison(results: Results) -> tuple[Table, ...]:
    """Perplexity by method and place, for every model and text; nothing where there is only one method."""
    tables = []
    for model in results.models:
        for corpus in corpora(results):
            found = {} if facts.mixed(results, model, corpus) else standings(results, model, corpus)
            every = dict.fromkeys(at for own in found.values() for at in own)
            cells = {at: [own[at].cell for own in found.values() if at in own] for at in every}
            # What only one method did in units is no comparison.
            places = [
                at for at, own in cells.items() if len(own) > 1 or not facts.pattern_of(own[0].variant.stages).unit
            ]
            places.sort(key=lambda at: _place_order(cells[at][0]))
            if len(found) > 1 and any(len(own) > 1 for own in cells.values()):
                tables += list(_comparison(results, model, corpus, found, places))
    number = len(tables)
    return tuple(
        replace(each, id="tab:comparison" if number == 1 else f"tab:comparison-{at + 1}")
        for at, each in enumerate(tables)
    )


def _comparison(
    results: Results, model: ModelRecord, corpus: str, found: dict[str, dict[str, Standing]], places: list[str]
) -> Iterator[Table]:
    """Methods down and places across; turned round, or in several tables, where a page is too narrow for that."""
    kinds = [kind for kind, own in found.items() if set(own) & set(places)]
    winners = {at: best(each[at] for each in found.values() if at in each) for at in places}
    turned = len(places) > MOST_ACROSS >= len(kinds)
    across = kinds if turned else places
    count = -(-len(across) // MOST_ACROSS)
    width = -(-len(across) // count)
    for first in range(0, len(across), width):
        own = across[first : first + width]
        if turned:
            rows = [Row((text(at), *(_standing(found[kind].get(at), winners[at]) for kind in own))) for at in places]
        else:
            rows = [
                Row((text(plain(kind)), *(_standing(found[kind].get(at), winners[at]) for at in own)))
                for kind in kinds
                if set(found[kind]) & set(own)
            ]
        columns = (
            Column("Sparsity or pattern" if turned else "Method"),
            *(Column(plain(each), "", "measured", numeric=True) for each in own),
        )
        notes = _comparison_notes(results, model, found, "row" if turned else "column")
        caption = _comparison_caption(results, model, corpus)
        yield aligned(Table("tab:comparison", caption, columns, (RowGroup(tuple(rows)),), notes, small=True))


def _comparison_caption(results: Results, model: ModelRecord, corpus: str) -> str:
    dense = results.reference(model.id)
    base = None if dense is None else dense.find("perplexity", corpus=corpus)
    reference = "" if base is None else f"; dense has {numbers.with_interval(base)}"
    place = f" on {plain(corpus)}" if len(corpora(results)) > 1 else ""
    return f"Perplexity by method and sparsity or pattern, {names.model(model)}{place}{reference}. Lower is better."


def _comparison_notes(
    results: Results, model: ModelRecord, found: dict[str, dict[str, Standing]], line: str
) -> tuple[str, ...]:
    """What the small numbers and the bold ones mean; `line` is what competes, a row or a column."""
    every = [each for own in found.values() for each in own.values()]
    several = any(replicates.seeds(each.cell) > 1 for each in every)
    ratio = "the ratio to dense, from the same windows in pairs, with " if any(each.ratio for each in every) else ""
    spread = ", or of several seeds (the value is their mean) smallest–largest" if several else ""
    protocols = protocol_notes(results)
    own = [note for note in protocols if len(results.models) == 1 or f"of {plain(model.id)}" in note]
    return (
        *names.labels_note(results),
        *own,
        f"Below: {ratio}the 95 % interval in brackets{spread}. Bold: lower than every other of its {line} beyond the "
        f"intervals{' of all seeds' * several}; in a {line} without bold there is no clear difference.",
    )


def _standing(each: Standing | None, winner: Standing | None) -> Entry:
    if each is None:
        return NONE
    own = measured(each.perplexity)
    if each.ratio is not None and each.ratio.value is not None:
        places = numbers.decimals_for(each.ratio)
        span = numbers.interval(each.ratio, decimals=places)
        own = replace(own, below=f"{numbers.number(each.ratio.value, places)}× {span}".rstrip())
    return replace(own, best=each is winner)


def seeds(results: Results) -> Table:
    """How far the seeds of a state lie apart, beside the interval of one of them."""
    rows: dict[str, list[Row]] = {}
    several = len(corpora(results)) > 1
    for cells in (nodes for model in results.models for nodes in facts.nodes(facts.cells_of(results, model))):
        cell = max(cells, key=replicates.seeds)
        for corpus in corpora(results) if isinstance(cell, replicates.PooledCell) else ():
            found = cell.find("perplexity", corpus=corpus)
            if isinstance(found, replicates.PooledMeasurement):
                place = f" on {plain(corpus)}" if several else ""
                rows.setdefault(cell.variant.model, []).append(_seeds_row(results, cell, corpus, found, place))
    columns = (
        Column("Pruned state"),
        Column("Seeds", numeric=True),
        Column("Perplexity, mean", "", "measured", numeric=True),
        Column("Smallest", "", "measured", numeric=True),
        Column("Largest", "", "measured", numeric=True),
        Column("Standard deviation", "", "measured", numeric=True),
        Column("Range over mean", "%", "measured", numeric=True),
        Column("Top-1, mean", "%", "measured", numeric=True),
    )
    caption = (
        "Spread over seeds: the same state pruned again with other calibration windows (or random choices), all else "
        "equal and measured on the same evaluation text. The standard deviation is that of the sample."
    )
    notes = (*names.labels_note(results), *protocol_notes(results))
    table = Table("tab:seeds", caption, columns, by_model(results, rows), notes, long=True, small=True)
    return aligned(without_empty(table))


def _seeds_row(results: Results, cell: CellRecord, corpus: str, found: replicates.PooledMeasurement, place: str) -> Row:
    decimals = numbers.decimals_for(found)
    relative = None
    if found.value and found.low is not None and found.high is not None:
        relative = (found.high - found.low) / found.value
    return Row(
        (
            text(names.state(results, cell) + place),
            plain_number(found.seeds),
            *(
                Entry("not finite") if each is None else plain_number(each, decimals)
                for each in (found.value, found.low, found.high)
            ),
            plain_number(found.deviation, decimals + 1),
            share(relative, 1),
            measured(facts.find(cell, "agreement_top1", corpus=corpus), 100, 1),
        )
    )


def cost(results: Results) -> Table:
    """What pruning took and left: one row a pruned state."""
    rows: dict[str, list[Row]] = {}
    for model in results.models:
        for cells in facts.nodes(facts.cells_of(results, model)):
            known = [each for each in cells if any(facts.find(each, metric) for metric in COSTS)]
            if known:
                rows.setdefault(model.id, []).append(_cost_row(results, known[0]))
    columns = (
        Column("Pruned state"),
        Column("Requested", "%", "counted", numeric=True),
        Column("Achieved", "%", "counted", numeric=True),
        Column("Reconstruction error", "", "measured", numeric=True),
        Column("Time", "s", "measured", numeric=True),
        Column("Memory", "MiB", "measured", numeric=True),
        Column("Fallbacks"),
    )
    several = any(replicates.seeds(cell) > 1 for cell in results.cells)
    caption = (
        "What pruning cost and left: sparsity of the target requested and achieved, squared error of the pruned "
        "matrices’ outputs over their squares (pooled over matrices, on the dense model’s calibration inputs), time "
        "with calibration and without loading, and largest memory. Single readings without an interval."
    )
    notes = (
        *names.labels_note(results),
        *(("Of several seeds the mean, and smallest–largest below; fallbacks are added up.",) if several else ()),
    )
    table = Table("tab:cost", caption, columns, by_model(results, rows), notes, long=True, small=True)
    return aligned(without_empty(table))


COSTS = ("reconstruction_error", "prune_seconds", "prune_memory_bytes")


def _cost_row(results: Results, cell: CellRecord) -> Row:
    asked = facts.requested(cell)
    error = facts.find(cell, "reconstruction_error")
    fallbacks = "; ".join(
        f"{plain(each.what)}{f' ({numbers.count(each.count)})' if each.count > 1 else ''}"
        for each in pruning_fallbacks(results, cell)
    )
    repeats = f"{replicates.seeds(cell)} seeds" if replicates.seeds(cell) > 1 else ""
    return Row(
        (
            text(names.state(results, cell), repeats),
            share(asked, 1),
            share(facts.value(cell, "sparsity_target"), 2),
            _significant(error),
            measured(facts.find(cell, "prune_seconds"), 1, 1),
            measured(facts.find(cell, "prune_memory_bytes"), 1 / numbers.MIB, 0),
            text(fallbacks or numbers.DASH),
        )
    )


def _significant(found: Measurement | None) -> Entry:
    """Three digits of a small fraction; of several seeds their range below."""
    if found is None or found.value is None:
        return NONE
    below = ""
    if isinstance(found, replicates.PooledMeasurement) and found.low is not None and found.high is not None:
        below = f"{numbers.significant(found.low)}–{numbers.significant(found.high)}"
    return Entry(numbers.significant(found.value), below=below, sort=found.value)


def pruning_fallbacks(results: Results, cell: CellRecord) -> list[Fallback]:
    """What did not go as asked while a state was pruned: the records of its node, else of the cell itself."""
    keys = {each.node for each in replicates.members(cell)}
    nodes = [node for node in results.nodes if node.key in keys]
    return list(replicates.merged(each for node in nodes for each in node.fallbacks) if nodes else cell.fallbacks)


def _overlap_row(place: str, other: str, pairs: list[overlaps.Pair]) -> Row:
    """One pair, or the mean over the pairs of a state's seeds."""
    blocks = [value for pair in pairs for value in pair.blocks.values()]
    several = f"mean of {len(pairs)} pairs" if len(pairs) > 1 else ""
    return Row(
        (
            text(plain(place)),
            text(plain(pairs[0].first)),
            text(plain(other), several),
            plain_number(sum(pair.total for pair in pairs) / len(pairs), 3),
            plain_number(pairs[0].chance, 3),
            plain_number(min(blocks, default=None), 3),
            plain_number(max(blocks, default=None), 3),
        )
    )


def overlap(results: Results) -> Table:
    """Every pair of states that were compared."""
    rows: dict[str, list[Row]] = {}
    for group in overlaps.groups(results):
        for pair in sorted(group.pairs, key=lambda each: -each.total):
            rows.setdefault(group.model.id, []).append(_overlap_row(group.place, pair.second, [pair]))
        for name in dict.fromkeys(pair.first for pair in group.seeds):
            pairs = [pair for pair in group.seeds if pair.first == name]
            rows.setdefault(group.model.id, []).append(_overlap_row(group.place, "under another seed", pairs))
    columns = (
        Column("At"),
        Column("State"),
        Column("Other state"),
        Column("Jaccard", "", "counted", numeric=True),
        Column("Chance", "", "counted", numeric=True),
        Column("Least in a block", "", "counted", numeric=True),
        Column("Most in a block", "", "counted", numeric=True),
    )
    caption = "Weights that both states remove over weights that either removes (Jaccard index, counted), by pair."
    notes = names.labels_note(results)
    table = Table("tab:overlap", caption, columns, by_model(results, rows), notes, long=True, small=True)
    return aligned(without_empty(table))
