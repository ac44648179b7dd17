"""
Runs that differ in nothing but their seeds, seen as one: their mean, and how far they lie apart.

This is a view for figures, tables and prose; `results.json`, `results.csv` and the table of all cells keep every run.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from ..results.model import CellRecord, Fallback, Measurement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..results.model import FormatRecord, NodeRecord, Results, StageRecord


class PooledMeasurement(Measurement):
    """
    The mean over `seeds` runs, of which the smallest was `low` and the largest `high`; all null where one is null.

    `ci` spans the intervals of all runs: what differs by it differs for every choice of seeds.
    """

    seeds: int
    low: float | None = None
    high: float | None = None
    deviation: float | None = None
    """Sample standard deviation over the seeds."""


class PooledCell(CellRecord):
    """Cells of equal stages and format under several seeds."""

    members: tuple[CellRecord, ...]


def without_seeds(stage: StageRecord) -> dict[str, Any]:
    """A stage as plain data, the same for all of its replicates."""
    params = dict(stage.params)
    if isinstance(params.get("calibration"), dict):
        params["calibration"] = {key: value for key, value in params["calibration"].items() if key != "seed"}
    return {"op": stage.op, "entry": stage.entry, "params": params}


def state(model: str, stages: Iterable[StageRecord]) -> str:
    """What the replicates of one pruned state have in common, as text."""
    return json.dumps([model, *map(without_seeds, stages)], sort_keys=True, default=str)


def runs(results: Results) -> Iterator[CellRecord]:
    """Every single run behind the cells, replicates one by one."""
    for cell in results.cells:
        yield from members(cell)


def members(cell: CellRecord) -> tuple[CellRecord, ...]:
    """The runs behind one cell: itself, or its replicates."""
    return cell.members if isinstance(cell, PooledCell) else (cell,)


def seeds(cell: CellRecord) -> int:
    return len(members(cell))


def node_states(results: Results, model: str) -> list[tuple[NodeRecord, ...]]:
    """A model's pruned states in order, each with its replicates."""
    found: dict[str, list[NodeRecord]] = {}
    for node in results.nodes:
        if node.model == model:
            found.setdefault(state(model, node.stages), []).append(node)
    return [tuple(each) for each in found.values()]


def pooled(results: Results) -> Results:
    """The results with replicates of equal fate as one cell, in the place of the first; the same without any."""
    groups: dict[tuple[object, ...], list[CellRecord]] = {}
    first_node: dict[str, str] = {}
    for cell in results.cells:
        own = state(cell.variant.model, cell.variant.stages)
        first_node.setdefault(own, cell.node)
        groups.setdefault((own, _format(cell.variant.format), cell.status, cell.reason), []).append(cell)
    if all(len(group) == 1 for group in groups.values()):
        return results
    cells = tuple(_pool(group, first_node[str(key[0])]) for key, group in groups.items())
    return results.model_copy(update={"cells": cells})


def _format(record: FormatRecord) -> str:
    return json.dumps([record.entry, record.params], sort_keys=True, default=str)


def _pool(group: list[CellRecord], node: str) -> CellRecord:
    if len(group) == 1:
        return group[0]
    first = group[0]
    keys = dict.fromkeys((each.metric, tuple(each.conditions.items())) for cell in group for each in cell.metrics)
    by_key = {key: [each for cell in group for each in cell.metrics if _key(each) == key] for key in keys}
    return PooledCell(
        id=first.id,
        node=node,
        variant=first.variant.model_copy(update={"replicate": 0}),
        status=first.status,
        reason=first.reason,
        metrics=tuple(_mean(found) for found in by_key.values()),
        fallbacks=merged(each for cell in group for each in cell.fallbacks),
        seconds=sum(cell.seconds for cell in group),
        peak_memory_bytes=max(cell.peak_memory_bytes or 0 for cell in group) or None,
        members=tuple(group),
    )


def _key(each: Measurement) -> tuple[str, tuple[tuple[str, object], ...]]:
    return (each.metric, tuple(each.conditions.items()))


def _mean(found: Sequence[Measurement]) -> Measurement:
    """One measurement for those of several seeds; a number that all seeds share stays as it is."""
    first, values = found[0], [each.value for each in found]
    finite = [each for each in values if each is not None]
    if len(found) == 1 or (first.ci is None and first.kind == "counted" and len(set(values)) == 1):
        return first
    content = first.model_dump() | {"samples_ref": None, "seeds": len(found), "value": None, "ci": None}
    if len(finite) == len(values):
        mean = math.fsum(finite) / len(finite)
        squares = math.fsum((each - mean) ** 2 for each in finite)
        intervals = [each.ci for each in found if each.ci is not None]
        content |= {
            "value": mean,
            "low": min(finite),
            "high": max(finite),
            "deviation": math.sqrt(squares / (len(finite) - 1)),
        }
        if len(intervals) == len(found):
            content["ci"] = (min(low for low, _ in intervals), max(high for _, high in intervals))
    return PooledMeasurement(**content)


def merged(fallbacks: Iterable[Fallback]) -> tuple[Fallback, ...]:
    """Equal fallbacks as one, their counts added."""
    counts: dict[tuple[str, str], int] = {}
    for each in fallbacks:
        counts[each.what, each.why] = counts.get((each.what, each.why), 0) + each.count
    return tuple(Fallback(what=what, why=why, count=count) for (what, why), count in counts.items())
