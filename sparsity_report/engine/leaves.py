"""Executes a leaf: builds its format, counts it, checks it against its node, and times it beside dense."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

from .. import registry
from ..accounting import values_of
from ..errors import SparsityReportError
from ..estimate import cell_memory_bytes
from ..results.model import CellRecord, Fallback, FormatRecord, StageRecord, VariantRecord
from . import equivalence
from .memory import available_bytes, peak_bytes, reset_peak
from .profile import profile_pair
from .remembered import Clocked, remembered
from .stopwatch import settings, trial
from .structure import count
from .traffic import traffic
from .variant import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from ..contracts import Cell, Node
    from ..results.model import Measurement, NodeRecord, Status
    from ..spec.model import Spec
    from .nodes import NodeResult
    from .prepare import Prepared
    from .state import ModelState
    from .stopwatch import Stopwatch
    from .timed import Timed
    from .variant import Variant


def stage_records(node: Node) -> tuple[StageRecord, ...]:
    """The stages as `results.json` names them."""
    return tuple(
        StageRecord(op=stage.op, entry=stage.entry, params=stage.params, seed=stage.seed) for stage in node.stages
    )


def variant_record(cell: Cell) -> VariantRecord:
    """The cell as `results.json` names it."""
    return VariantRecord(
        id=cell.variant,
        model=cell.node.model,
        stages=stage_records(cell.node),
        format=FormatRecord(entry=cell.format.entry, params=cell.format.params),
        replicate=cell.replicate,
        values=low_precision_of(cell),
    )


def low_precision_of(cell: Cell) -> str:
    """How the cell's format stores the weights of a quantised state; empty for values of the model's own type."""
    values = values_of(cell.node.stages, cell.format, "")
    return str(values) if values.dtype else ""


def unfinished(cell: Cell, reason: str, seconds: float = 0.0) -> CellRecord:
    """A failed cell: a row of the report, with its reason."""
    return CellRecord(
        id=cell.id, node=cell.node.key, variant=variant_record(cell), status="failed", reason=reason, seconds=seconds
    )


def timings(timed: Timed, cell: Cell, anchor: str) -> tuple[list[Measurement], dict[str, Any]]:
    """Latency of the cell beside dense, and the raw samples: seconds of every turn, two turns a round."""
    family = registry.get("metrics", "latency")
    samples: dict[str, Any] = {}
    for pair in timed.pairs:
        turns = pair.table[..., 0].tolist()
        samples[f"b{pair.setting.batch}_p{pair.setting.prompt}"] = {
            "stages": ["prefill", *(f"decode to {length}" for length in pair.setting.decode)],
            "variant": [turn[0] for turn in turns],
            "dense": [turn[1] for turn in turns],
        }
    return family.measure(timed, anchor, cell.is_reference), samples


def no_energy(timed: Timed, cell: Cell) -> list[Fallback]:
    """Said once a model: of the reference."""
    silent = timed.energy_reason and cell.is_reference
    return [Fallback(what="energy per token was not measured", why=timed.energy_reason)] if silent else []


def profiles(
    spec: Spec, prepared: Prepared, cell: Cell, variant: nn.Module, anchor: str, quick: bool
) -> tuple[list[Measurement], dict[str, Any]]:
    """Where the time goes, in this process; with the longest of the decoded lengths."""
    records: list[Measurement] = []
    samples: dict[str, Any] = {}
    for setting in settings(spec.metrics.latency, quick):
        ids = torch.tensor(trial(prepared.windows.ids, setting).prompt, device=spec.hardware.device)
        found = profile_pair(
            variant, prepared.dense.model, prepared.dense.anatomy, target_modules(prepared), ids, setting
        )
        conditions = {"batch": setting.batch, "prompt": setting.prompt, "decode": setting.longest}
        records += registry.get("metrics", "profile").measure(found, conditions, anchor, cell.is_reference)
        samples |= found.samples()
    return records, samples


def by_the_clock(
    spec: Spec,
    prepared: Prepared,
    cell: Cell,
    state: ModelState,
    variant: Variant,
    anchor: str,
    stopwatch: Stopwatch,
) -> Iterator[Clocked]:
    """Latency beside dense, and where the time goes; what was timed under the same conditions is not timed again."""

    def latency() -> Clocked:
        timed = stopwatch.time(prepared, cell, state)
        records, samples = timings(timed, cell, anchor)
        return Clocked(tuple(records), samples, tuple(no_energy(timed, cell)))

    def profile() -> Clocked:
        model = prepared.dense.model if cell.is_reference else variant.model
        records, samples = profiles(spec, prepared, cell, model, anchor, stopwatch.quick)
        return Clocked(tuple(records), samples)

    yield remembered("latency", stopwatch, prepared, cell, anchor, latency)
    if "profile" in spec.metrics.use:
        yield remembered("profile", stopwatch, prepared, cell, anchor, profile)


def structure_records(spec: Spec, prepared: Prepared, state: ModelState, variant: Variant) -> list[Measurement]:
    """Everything that is counted."""
    structure = count(state, variant, prepared.dense_zeros)
    families = [registry.get("metrics", name) for name in spec.metrics.use]
    return [record for family in families if family.LEVEL == "structure" for record in family.measure(structure)]


def target_modules(prepared: Prepared) -> tuple[str, ...]:
    """Paths of the layers that hold the targeted matrices."""
    return tuple(dict.fromkeys(matrix.module for matrix in prepared.dense.targets))


def traffic_records(
    spec: Spec, prepared: Prepared, cell: Cell, state: ModelState, variant: Variant, quick: bool
) -> list[Measurement]:
    """The least work of a forward at every point of the latency grid."""
    if "roofline" not in spec.metrics.use:
        return []
    grid = settings(spec.metrics.latency, quick)
    work = traffic(state.anatomy, variant, cell.format.entry, state.pattern, prepared.model.dtype, grid)
    records: list[Measurement] = registry.get("metrics", "roofline").measure(work)
    return records


def status_of(node: NodeResult, fallback: tuple[str, str, int] | None) -> tuple[Status, str]:
    """ "diverged" if any number of the node's behaviour is not finite, "not_executed" where the format cannot run."""
    broken = [record.metric for record in node.measurements if record.value is None]
    if broken:
        return "diverged", f"not finite: {', '.join(broken)}"
    if fallback is not None and fallback[0] == "not executed":
        return "not_executed", fallback[1]
    return "ok", ""


def pruning_records(spec: Spec, made: NodeRecord | None) -> list[Measurement]:
    """What making the state cost and how well it reconstructs: the same for every format of a node."""
    families = [registry.get("metrics", name) for name in spec.metrics.use]
    return [
        record for each in families if each.LEVEL == "pruning" and made is not None for record in each.measure(made)
    ]


def check_room(spec: Spec, prepared: Prepared, cell: Cell, *, fresh: bool) -> None:
    """
    Raises SparsityReportError for a cell that would take more memory than is left: the system would end the whole run.
    """
    needed = cell_memory_bytes(prepared.dense.anatomy.shape, spec, prepared.model, cell, fresh=fresh)
    left = available_bytes()
    if left is not None and needed > left and spec.hardware.device == "cpu":
        process = " (timed in a process of its own)" if cell.timed and fresh else ""
        raise SparsityReportError(
            f"it needs about {needed / 2**20:,.0f} MiB of memory{process}, and {left / 2**20:,.0f} MiB are left"
        )


def execute(
    spec: Spec,
    prepared: Prepared,
    cell: Cell,
    state: ModelState,
    node: NodeResult,
    made: NodeRecord | None,
    anchor: str,
    stopwatch: Stopwatch,
) -> tuple[CellRecord, dict[str, Any]]:
    """The finished cell and its bulk data."""
    started = time.monotonic()
    reset_peak()
    module, variant = registry.need("formats", cell.format.entry), build(state, cell.format)
    layers = list(variant.tensors.values())
    fallback = module.fallback(spec.hardware.device, prepared.model.dtype, layers, state.pattern)
    status, reason = status_of(node, fallback)
    records = [
        *structure_records(spec, prepared, state, variant),
        *traffic_records(spec, prepared, cell, state, variant, stopwatch.quick),
        *pruning_records(spec, made),
        *node.measurements,
    ]
    fallbacks = [*(made.fallbacks if made is not None else ())]
    fallbacks += [Fallback(what=fallback[0], why=fallback[1], count=fallback[2])] if fallback else []
    samples: dict[str, Any] = dict(node.windows)
    if fallback is None or fallback[0] != "not executed":
        if not variant.in_place:
            records += equivalence.measure(prepared, state, variant.model)
        for clocked in by_the_clock(spec, prepared, cell, state, variant, anchor, stopwatch) if cell.timed else ():
            records, samples = [*records, *clocked.records], samples | (clocked.samples or {})
            fallbacks += clocked.fallbacks
    record = CellRecord(
        id=cell.id,
        node=cell.node.key,
        variant=variant_record(cell),
        status=status,
        reason=reason,
        metrics=tuple(records),
        fallbacks=tuple(fallbacks),
        seconds=round(node.seconds + time.monotonic() - started, 3),
        peak_memory_bytes=peak_bytes(),
    )
    return record, samples
