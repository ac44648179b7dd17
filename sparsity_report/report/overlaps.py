"""How far pruned states remove the same weights: overlap records by place, and by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import facts, replicates
from .economy import remembered
from .figures.cells import Names
from .figures.heat import place_of
from .layers import layout

if TYPE_CHECKING:
    from ..results.model import ModelRecord, NodeRecord, OverlapRecord, Results


@dataclass(frozen=True)
class Pair:
    """Two states; `first` and `second` are their names without the sparsity."""

    record: OverlapRecord
    first: str
    second: str
    methods: frozenset[str]
    """Entries of their first pruning stages."""
    blocks: dict[int, float]
    """Jaccard index by decoder block; empty where places or sparsities of the matrices were not recorded."""

    @property
    def name(self) -> str:
        return f"{self.first} – {self.second}"

    @property
    def total(self) -> float:
        return self.record.total

    @property
    def chance(self) -> float:
        return self.record.chance


@dataclass(frozen=True)
class Group:
    """All pairs of one model at one place (a sparsity or a pattern); `seeds` are pairs of one state's replicates."""

    model: ModelRecord
    place: str
    pairs: tuple[Pair, ...]
    seeds: tuple[Pair, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The states, in the order of the study."""
        return tuple(dict.fromkeys(name for pair in self.pairs for name in (pair.first, pair.second)))


@remembered
def groups(results: Results) -> list[Group]:
    """Overlaps by model and place. Of replicates the first stands for its state; others only beside each other."""
    naming, found = Names.of(results), []
    nodes = {node.key: node for node in results.nodes}
    for model in results.models:
        states = {node.key: own[0].key for own in replicates.node_states(results, model.id) for node in own}
        pairs: dict[str, tuple[list[Pair], list[Pair]]] = {}
        for record in results.overlaps:
            one, other = nodes.get(record.first), nodes.get(record.second)
            if record.model != model.id or one is None or other is None:
                continue
            pair = Pair(
                record,
                naming.kind(one.stages),
                naming.kind(other.stages),
                frozenset(stage.entry for each in (one, other) if (stage := facts.pruning(each.stages))),
                _by_block(model, one, other, record),
            )
            between, among = pairs.setdefault(place_of(one), ([], []))
            if states[one.key] == states[other.key]:
                among.append(pair)
            elif states[one.key] == one.key and states[other.key] == other.key:
                between.append(pair)
        ordered = sorted(pairs.items(), key=lambda each: _order(nodes, each[1]))
        found += [Group(model, place, tuple(between), tuple(among)) for place, (between, among) in ordered]
    return found


def _order(nodes: dict[str, NodeRecord], pairs: tuple[list[Pair], list[Pair]]) -> tuple[bool, bool, float, str]:
    """Single weights by rising sparsity, then N:M, then units."""
    stages = nodes[(*pairs[0], *pairs[1])[0].record.first].stages
    pattern = facts.pattern_of(stages)
    return bool(pattern.unit), pattern.is_nm, facts.asked(stages) or 0, str(pattern)


def _by_block(model: ModelRecord, one: NodeRecord, other: NodeRecord, record: OverlapRecord) -> dict[int, float]:
    """
    From one index a matrix to one a block, exactly: with a and b pruned weights, J = |A ∩ B| / (a + b − |A ∩ B|).

    So |A ∩ B| = J (a + b) / (1 + J), and intersections and unions of matrices add up.
    """
    where = layout(model)
    if where is None or not len(one.sparsity) == len(other.sparsity) == len(record.jaccard) == len(where.places):
        return {}
    shared: dict[int, float] = {}
    either: dict[int, float] = {}
    rows = zip(where.places, where.numel, one.sparsity, other.sparsity, record.jaccard, strict=True)
    for (block, _), weights, first, second, index in rows:
        both = (first + second) * weights
        inside = index * both / (1 + index)
        shared[block] = shared.get(block, 0) + inside
        either[block] = either.get(block, 0) + both - inside
    return {block: shared[block] / either[block] for block in where.blocks if either[block]}
