"""Which cells a `where = { … }` means, before the run (planned cells) and after it (their records)."""

from __future__ import annotations

import fnmatch
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .contracts import Cell, Stage
    from .results.model import CellRecord, StageRecord

KEYS = (
    *("id", "variant", "model", "method", "pattern", "scope", "sparsity", "allocation", "calibration", "windows"),
    *("seed", "propagate", "format", "replicate"),
)
"""What cells can be selected by (`calibration`, `windows` and `seed` are those of a method that needs data); a format's
own parameters come on top."""

SAME = ("model", "pattern", "sparsity")
"""What two cells that are compared have in common, unless the comparison is about just that."""

ALIKE = (
    *("format", "index", "scope", "allocation", "calibration", "windows", "seed"),
    *("propagate", "replicate", "variant"),
)
"""What decides between several that could be compared with, one after another."""

SCANNED = ("block",)
"""No property of a cell, but of a value of the sensitivity scan: a number, or one of `PLACES`."""

PLACES = ("first", "last", "inner")
"""Blocks by where they are in the model; "inner" are all but the first and the last."""

Facts = dict[str, Any]
T = TypeVar("T")


def pruning_facts(stages: Iterable[Stage] | Iterable[StageRecord]) -> Facts:
    """Method, pattern, scope and sparsity as asked for. N:M has no sparsity of its own here: select it by pattern."""
    for stage in stages:
        if stage.op == "prune":
            keys = ("pattern", "scope", "sparsity", "propagate")
            asked = {key: stage.params[key] for key in keys if stage.params.get(key)}
            return {"method": stage.entry, **asked, **spread_facts(stage.params), **calibration_facts(stage.params)}
    return {}


def spread_facts(params: Mapping[str, Any]) -> Facts:
    """How the sparsity was spread over matrices; N:M and given masks have nothing to spread."""
    if not params.get("sparsity"):
        return {}
    return {"allocation": (params.get("allocation") or {}).get("use", "uniform")}


def calibration_facts(params: Mapping[str, Any]) -> Facts:
    chosen = params.get("calibration")
    if not chosen:
        return {}
    return {"calibration": chosen["source"], "windows": chosen["windows"], "seed": chosen["seed"]}


def facts_of_cell(cell: Cell) -> Facts:
    """What a planned cell is, flat."""
    identity = {"id": cell.id, "variant": cell.variant, "model": cell.node.model, "replicate": cell.replicate}
    return {**cell.format.params, **pruning_facts(cell.node.stages), "format": cell.format.entry, **identity}


def facts_of_record(record: CellRecord) -> Facts:
    """The same of a finished cell. Its variant is the spec's [[variant]]; "dense" is the reference."""
    variant = record.variant
    identity = {"id": record.id, "variant": variant.id, "model": variant.model, "replicate": variant.replicate}
    return {**variant.format.params, **pruning_facts(variant.stages), "format": variant.format.entry, **identity}


def agrees(fact: Any, wanted: Any) -> bool:
    """Numbers by value ("0.30" is 0.3), text by glob."""
    if isinstance(wanted, int | float | Decimal):
        try:
            return Decimal(str(fact)) == Decimal(str(wanted))
        except ArithmeticError:
            return False
    return fnmatch.fnmatchcase(str(fact), str(wanted))


def matches(facts: Facts, where: Mapping[str, Any]) -> bool:
    return all(key in facts and agrees(facts[key], wanted) for key, wanted in where.items())


def selects(cell: Cell, where: Mapping[str, Any]) -> bool:
    """Whether `where` means this planned cell. An empty `where` means every cell."""
    return matches(facts_of_cell(cell), where)


def selects_record(record: CellRecord, where: Mapping[str, Any]) -> bool:
    """Whether `where` means this finished cell."""
    return matches(facts_of_record(record), where)


def counterparts(own: Facts, wanted: Mapping[str, Any], others: Iterable[tuple[Facts, T]]) -> tuple[T, ...]:
    """
    What a cell is compared with: of those that `wanted` selects, the ones that are otherwise most like it.

    Equal formats, scopes and so on are preferred, not required: methods have scopes of their own.
    """
    common = [key for key in SAME if key not in wanted and key in own]
    found = [
        (facts, each)
        for facts, each in others
        if matches(facts, wanted) and all(facts.get(key, own[key]) == own[key] for key in common)
    ]
    for key in ALIKE:
        if key not in wanted:
            found = [each for each in found if each[0].get(key) == own.get(key)] or found
    return tuple(each for _, each in found)


def split(selection: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A selection's properties of cells, and its conditions on values of the scan."""
    conditions = {key: value for key, value in selection.items() if key in SCANNED}
    return {key: value for key, value in selection.items() if key not in SCANNED}, conditions
