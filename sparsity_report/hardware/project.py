"""
The modelled numbers of a finished cell: its work on every machine of the study.

Work is counted once and kept with the cell; machines, prices and the stated context are divided in afterwards, so
that another target costs no new measurement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..accounting import VALUE_BYTES
from ..metrics import roofline as family
from ..metrics._record import record
from . import roofline
from .machines import THIS, known
from .roofline import Work

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..results.model import CellRecord, Condition, MachineRecord, Measurement, ModelRecord
    from ..spec.model import Hardware

PHASES = ("prefill", "decode")
DEFAULT_CONTEXT = 2048
"""Tokens, where neither the spec nor the model's config says how long a sequence may be."""


def targets(hardware: Hardware, measured: MachineRecord | None) -> tuple[MachineRecord, ...]:
    """This machine, if it was measured, and those that the spec names; with the prices that it gives."""
    found = [*([measured] if measured is not None else []), *(known()[name] for name in hardware.project)]
    return tuple(
        each.model_copy(update={"price_per_hour": hardware.price.get(each.name), "currency": hardware.currency})
        if each.name in hardware.price
        else each
        for each in found
    )


def works(cell: CellRecord) -> Iterator[tuple[str, Measurement, Work]]:
    """(phase, record of its bytes, work) of every point that was counted."""
    for phase in PHASES:
        for each in cell.metrics:
            if each.metric == f"{phase}_bytes" and each.value:
                flops = cell.value_at(f"{phase}_flops", each.conditions)
                sparse = cell.value_at(f"{phase}_flops", {**each.conditions, "unit": "2:4"})
                yield phase, each, Work(each.value, flops or 0.0, sparse or 0.0)


def records(
    cell: CellRecord, model: ModelRecord, machines: Iterable[MachineRecord], context: int | None
) -> list[Measurement]:
    """Bounds, fit and cost of a cell on every machine; nothing where its work was not counted."""
    found: list[Measurement] = []
    for machine in machines:
        for phase, at, work in works(cell):
            found += _bound(machine, model.dtype, phase, at, work)
        found += _fit(cell, model, machine, context or model.context or DEFAULT_CONTEXT)
    return found


def _bound(machine: MachineRecord, dtype: str, phase: str, at: Measurement, work: Work) -> list[Measurement]:
    limit = roofline.bound(work, machine, dtype)
    if limit is None:
        return []
    conditions = {**at.conditions, "machine": machine.name}
    noise = {"noise": "timing"} if machine.name == THIS else {}
    made = [record(family.INFO, f"{phase}_bound_s", limit.seconds, conditions)]
    if machine.price_per_hour is not None:
        tokens = int(at.conditions["batch"]) * (int(at.conditions["prompt"]) if phase == "prefill" else 1)
        cost = roofline.cost_per_million(machine.price_per_hour, limit.seconds, tokens)
        priced = record(family.INFO, "cost_per_million_tokens", cost, {**conditions, "phase": phase})
        made.append(priced.model_copy(update={"unit": machine.currency}))
    return [each.model_copy(update=noise) for each in made]


def _fit(cell: CellRecord, model: ModelRecord, machine: MachineRecord, context: int) -> list[Measurement]:
    """How many sequences of the stated context fit beside the weights."""
    weights = cell.value("weight_bytes")
    if model.attention_shape is None or weights is None:
        return []
    each = roofline.cache_bytes(model.attention_shape, context, VALUE_BYTES[model.dtype])
    count = roofline.sequences(machine, weights, each)
    conditions: dict[str, Condition] = {"machine": machine.name, "context": context}
    return [] if count is None else [record(family.INFO, "sequences_fit", count, conditions)]
