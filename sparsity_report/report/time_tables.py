"""Tables about time and machines: shares, waterfalls, bounds beside measured times, projections, the machines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..hardware.machines import THIS
from . import bounds, facts, names, numbers, steps
from .columns import NONE, aligned, measured, plain_number, text, without_empty
from .document import Column, Entry, Row, RowGroup, Table
from .markup import plain
from .result_tables import point_text
from .tables import by_model

if TYPE_CHECKING:
    from ..results.model import CellRecord, Condition, MachineRecord, Measurement, Results
    from .bounds import Bounded

GIGA, TERA = 1e9, 1e12
MODELLED_NOTE = (
    "Modelled numbers are bounds from below, not predictions: kernels, Python and irregular access add to them."
)


def profile(results: Results) -> Table:
    """Shares of every profiled cell."""
    rows: dict[str, list[Row]] = {}
    for cell in results.cells:
        for each in steps.shares(cell):
            closure = measured(each.closure, 100, 0)
            entries = [measured(each.parts.get(part), 100, 1) for part in steps.PART_TITLES]
            row = Row((*_head(results, cell, each.phase, each.point), *entries, closure, measured(each.python, 100, 1)))
            rows.setdefault(cell.variant.model, []).append(row)
    columns = (
        *_HEAD,
        *(Column(names.capital(title), "%", "measured", numeric=True) for title in steps.PART_TITLES.values()),
        Column("Adds up", "%", "measured", numeric=True),
        Column("Python", "%", "measured", numeric=True),
    )
    caption = (
        "Where the time of a forward goes: medians over rounds of each part’s own time over the whole, with 95 % "
        "intervals; their sum over the time of the same forward without clocks in it; and, across all parts, what lies "
        "outside of every PyTorch function and format’s product: Python."
    )
    notes = (
        "Norms stand for activations and look-ups too. Attention is what its "
        "module takes beside linear maps and norms; framework is what lies inside of no timed module: residual sums, "
        "masks, the cache’s bookkeeping, and the Python between modules.",
        *names.labels_note(results),
    )
    table = Table("tab:profile", caption, columns, by_model(results, rows), notes, long=True, small=True)
    return aligned(without_empty(_point_said_once(table)))


_HEAD = (Column("Variant"), Column("Phase"))


def _head(results: Results, cell: CellRecord, phase: str, point: dict[str, Condition]) -> tuple[Entry, ...]:
    return text(names.variant(results, cell), names.repeats(cell)), text(phase, _short(point))


def _short(point: dict[str, Condition]) -> str:
    """A point under the phase or the machine: "batch 1, prompt 128"."""
    return point_text(point).replace(" ", numbers.NBSP).replace(f",{numbers.NBSP}", ", ")


def _point_said_once(table: Table) -> Table:
    """The table with the point, which stands below the second entry of every row, in its caption if it is the same."""
    points = {row.entries[1].below for row in table.rows}
    if len(table.rows) < 2 or len(points) > 1:
        return table
    groups = tuple(
        replace(group, rows=tuple(replace(row, entries=_without_point(row.entries)) for row in group.rows))
        for group in table.groups
    )
    return replace(table, caption=f"{table.caption} All at {points.pop()}.", groups=groups)


def _without_point(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    first, second, *others = entries
    return (first, replace(second, below=""), *others)


def waterfall(results: Results) -> Table:
    """The steps of every variant."""
    rows: dict[str, list[Row]] = {}
    for cell in results.cells:
        for each in steps.waterfalls(results, cell):
            entries = [measured(each.steps.get(step)) for step in steps.STEP_NAMES]
            rows.setdefault(cell.variant.model, []).append(
                Row((*_head(results, cell, each.phase, each.point), *entries))
            )
    kinds = {"bytes_gain": "counted", "amdahl_gain": "modelled"}
    columns = (
        *_HEAD,
        *(
            Column(names.capital(name), "×", kinds.get(step, "measured"), numeric=True)
            for step, name in steps.STEP_NAMES.items()
        ),
    )
    caption = (
        "From what the bytes of the targeted weights allow to the speed-up that was timed; all relative to dense, "
        "medians with 95 % intervals where measured."
    )
    notes = (
        "Product alone: one pass over the targeted matrices’ products, without bias and module. Layers: the same "
        "matrices as the running model calls them. By Amdahl: what that comes to with the layers’ share in the dense "
        "time.",
        *names.labels_note(results),
    )
    table = Table("tab:waterfall", caption, columns, by_model(results, rows), notes, long=True, small=True)
    return aligned(without_empty(_point_said_once(table)))


def validation(results: Results) -> Table:
    """Modelled beside measured on this machine, for every timed phase."""
    rows: dict[str, list[Row]] = {}
    for cell in results.cells:
        for each in bounds.validated(results, cell):
            row = Row(
                (
                    *_head(results, cell, each.phase, each.point),
                    _milliseconds(each.bound),
                    measured(each.measured, 1000, 2),
                    plain_number(each.ratio, 2),
                    text(each.limit),
                )
            )
            rows.setdefault(cell.variant.model, []).append(row)
    columns = (
        *_HEAD,
        Column("Bound", "ms", "modelled", numeric=True),
        Column("Time", "ms", "measured", numeric=True),
        Column("Time to bound", "×", "modelled", numeric=True),
        Column("Bound by"),
    )
    caption = (
        "The roofline model beside measured medians on this machine, decode per token of every sequence. Bandwidth "
        "and peak behind the bound are measured too."
    )
    table = Table("tab:validation", caption, columns, by_model(results, rows), _notes(results), long=True, small=True)
    return aligned(_point_said_once(table))


def _notes(results: Results) -> tuple[str, ...]:
    return (MODELLED_NOTE, *names.labels_note(results))


def _milliseconds(measurement: Measurement | None) -> Entry:
    if measurement is None or measurement.value is None:
        return NONE
    return Entry(numbers.significant(measurement.value * 1000), sort=measurement.value)


def projection(results: Results) -> Table:
    """Every variant on every machine of the spec: bounds, fit, cost. States that store the same have one row."""
    found: dict[tuple[object, ...], list[tuple[CellRecord, Row]]] = {}
    for cell in results.cells:
        for machine in results.machines:
            own = [each for each in bounds.bounds(results, cell) if each.machine is machine]
            for point in facts.distinct(each.point for each in own):
                at = {each.phase: each for each in own if each.point == point}
                row = Row((*_projected(results, cell, machine, at), *_fit(cell, machine), *_costs(cell, machine, at)))
                stored = cell.variant.model, names.storage_format(cell.variant.format)
                key = (*stored, *((each.text, each.below) for each in row.entries[1:]))
                found.setdefault(key, []).append((cell, row))
    rows: dict[str, list[Row]] = {}
    for alike in found.values():
        cell, row = alike[0]
        if len(alike) > 1:
            shared = f"{names.storage_format(cell.variant.format)}, {numbers.count(len(alike))} states"
            row = Row((text(shared), *row.entries[1:]))
        rows.setdefault(cell.variant.model, []).append(row)
    currency = next((each.currency for each in results.machines if each.currency), "")
    columns = (
        Column("Variant"),
        Column("Machine"),
        Column("Prefill", "ms", "modelled", numeric=True),
        Column("Decode", "ms/token", "modelled", numeric=True),
        Column("Bound by"),
        Column("Fit", "sequences", "modelled", numeric=True),
        Column("Prompt", f"{currency}/million", "modelled", numeric=True),
        Column("Decoding", f"{currency}/million", "modelled", numeric=True),
    )
    contexts = {
        each.conditions["context"] for cell in results.cells for each in cell.metrics if each.metric == "sequences_fit"
    }
    stated = names.listing([numbers.count(float(each)) for each in sorted(contexts, key=float)])
    said = [
        "the shortest time that bytes and operations allow on each machine, and which of the two bounds decoding",
        *([f"how many sequences of {stated} tokens fit beside the weights"] if contexts else []),
        *(["what a million tokens cost at least at the spec’s price"] if currency else []),
    ]
    caption = f"Modelled, not measured: {'; '.join(said)}."
    table = Table("tab:projection", caption, columns, by_model(results, rows), _notes(results), long=True, small=True)
    return aligned(without_empty(_point_said_once(table)))


def _projected(results: Results, cell: CellRecord, machine: MachineRecord, at: dict[str, Bounded]) -> tuple[Entry, ...]:
    some = next(iter(at.values()))
    decode = at.get("decode")
    return (
        text(names.variant(results, cell), names.repeats(cell)),
        text(machine_name(machine), _short(some.point)),
        _milliseconds(at["prefill"].bound if "prefill" in at else None),
        _milliseconds(None if decode is None else decode.bound),
        NONE if decode is None else text(decode.limit),
    )


def _fit(cell: CellRecord, machine: MachineRecord) -> tuple[Entry, ...]:
    found = bounds.fitting(cell, machine)
    if found is None or found.value is None:
        return (NONE,)
    return (Entry(numbers.count(found.value) if found.value else "does not fit", sort=found.value),)


def _costs(cell: CellRecord, machine: MachineRecord, at: dict[str, Bounded]) -> tuple[Entry, ...]:
    entries = []
    for phase in steps.PHASES:
        point = at[phase].point if phase in at else {}
        found = cell.find("cost_per_million_tokens", machine=machine.name, phase=phase, **point)
        entries.append(NONE if found is None or found.value is None else _cost(found.value))
    return tuple(entries)


def _cost(value: float) -> Entry:
    return Entry(numbers.significant(value), sort=value)


def machine_name(machine: MachineRecord) -> str:
    """ "this machine", or the vendor's name."""
    return "this machine" if machine.name == THIS else plain(machine.title)


def machines(results: Results) -> Table:
    """The machines behind modelled numbers, with their sources."""
    dtypes = list(dict.fromkeys(model.dtype for model in results.models))
    rows = [Row(_machine(each, dtypes)) for each in results.machines]
    columns = (
        Column("Machine"),
        Column("Bandwidth", "GB/s", numeric=True),
        *(Column(f"Peak, {dtype}", "TFLOP/s", numeric=True) for dtype in dtypes),
        *(Column(f"2:4, {dtype}", "TFLOP/s", numeric=True) for dtype in dtypes),
        Column("Memory", "GB", numeric=True),
        Column("Price", "per hour", numeric=True),
        Column("Source"),
    )
    caption = (
        "Machines behind the modelled numbers. Bandwidth and peak of this machine are measured, those of the others "
        f"are their vendors’ figures; {numbers.DASH} is not given by the source."
    )
    table = Table(
        "tab:machines", caption, columns, (RowGroup(tuple(rows)),), _cache_note(results), small=True, tall=True
    )
    return aligned(without_empty(table))


def _machine(machine: MachineRecord, dtypes: list[str]) -> tuple[Entry, ...]:
    title = machine_name(machine)
    price = machine.price_per_hour
    return (
        text(names.capital(title), plain(machine.title) if machine.name == THIS else ""),
        _scaled(machine.bandwidth, GIGA),
        *(_scaled(machine.peak.get(each), TERA) for each in dtypes),
        *(_scaled(machine.peak_2_4.get(each), TERA) for each in dtypes),
        _scaled(machine.memory_bytes, GIGA),
        NONE if price is None else Entry(f"{numbers.significant(price)} {plain(machine.currency)}", sort=price),
        text(plain(machine.source), plain(machine.note)),
    )


def _scaled(value: float | None, unit: float) -> Entry:
    return NONE if value is None else Entry(numbers.significant(value / unit), sort=value)


def _cache_note(results: Results) -> tuple[str, ...]:
    """What this machine reads at from smaller buffers."""
    machine = bounds.here(results)
    if machine is None or len(machine.read_rates) < 2:
        return ()
    rates = names.listing(
        [
            f"{numbers.significant(each.bytes_per_s / GIGA)} GB/s from {numbers.mebibytes(each.bytes)}"
            for each in machine.read_rates
        ]
    )
    return (
        f"This machine reads {rates} (measured); what fits into a cache is bounded by the rate of the largest buffer "
        "that it holds.",
    )
