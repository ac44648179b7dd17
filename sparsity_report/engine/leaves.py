"""Executes a leaf: builds its format, counts it, checks it against its node, and times it beside dense."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

from .. import registry
from ..results.model import CellRecord, Fallback, FormatRecord, Measurement, StageRecord, VariantRecord
from .behaviour import forward_hidden, largest_logit_difference
from .memory import peak_bytes, reset_peak
from .nodes import CHECK_WINDOWS, MASKED
from .structure import count
from .timing import Setting, time_pair
from .variant import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from ..contracts import Cell
    from ..spec.model import Latency, Spec
    from .nodes import NodeResult
    from .prepare import Prepared
    from .state import ModelState

QUICK = {"runs": 3, "seconds": 0.0}


def variant_record(cell: Cell) -> VariantRecord:
    """The cell as `results.json` names it."""
    stages = tuple(
        StageRecord(op=stage.op, entry=stage.entry, params=stage.params, seed=stage.seed) for stage in cell.node.stages
    )
    chosen = FormatRecord(entry=cell.format.entry, params=cell.format.params)
    return VariantRecord(id=cell.variant, model=cell.node.model, stages=stages, format=chosen, replicate=cell.replicate)


def unfinished(cell: Cell, reason: str, seconds: float = 0.0) -> CellRecord:
    """A failed cell: a row of the report, with its reason."""
    return CellRecord(
        id=cell.id, node=cell.node.key, variant=variant_record(cell), status="failed", reason=reason, seconds=seconds
    )


def settings(latency: Latency, quick: bool) -> Iterator[Setting]:
    """The grid of batch sizes and prompt lengths."""
    own: dict[str, Any] = QUICK if quick else {"runs": latency.runs, "seconds": latency.seconds}
    for batch in latency.batch:
        for prompt in latency.prompt:
            yield Setting(batch=batch, prompt=prompt, decode=latency.decode, **own)


def prompt_ids(ids_NL: torch.Tensor, setting: Setting) -> torch.Tensor:
    """(B, P) token ids of the evaluation text, repeated when it is shorter: timing does not depend on which."""
    flat = ids_NL.flatten()
    wanted = setting.batch * setting.prompt
    return flat.repeat(-(-wanted // len(flat)))[:wanted].view(setting.batch, setting.prompt)


def timings(
    spec: Spec, prepared: Prepared, cell: Cell, variant: nn.Module, anchor: str, quick: bool
) -> tuple[list[Measurement], dict[str, Any]]:
    """Latency of the cell beside dense, and the raw samples."""
    family = registry.get("metrics", "latency")
    records: list[Measurement] = []
    samples: dict[str, Any] = {}
    for setting in settings(spec.metrics.latency, quick):
        ids = prompt_ids(prepared.windows.ids, setting).to(spec.hardware.device)
        pair = time_pair(variant, prepared.dense.model, ids, setting)
        conditions = {"batch": setting.batch, "prompt": setting.prompt, "decode": setting.decode}
        records += family.measure(pair, conditions, anchor, cell.is_reference)
        for phase, ours, dense in pair.phases():
            samples[f"{phase}_b{setting.batch}_p{setting.prompt}"] = {"variant": ours.tolist(), "dense": dense.tolist()}
    return records, samples


def difference_from_node(prepared: Prepared, state: ModelState, variant: nn.Module) -> Measurement:
    """Largest logit difference between the executed leaf and its node, on a few windows."""
    ids = prepared.windows.ids[:CHECK_WINDOWS]
    node = forward_hidden(build(state, MASKED).model, ids)
    difference, scale = largest_logit_difference(variant, ids, node, prepared.loaded.model.config)
    finite = torch.isfinite(torch.tensor(difference)).item()
    return Measurement(
        metric="max_abs_logit_difference",
        value=difference if finite else None,
        unit="1",
        kind="measured",
        noise="float",
        direction="lower",
        conditions={"largest_logit": scale} if finite else {},
        n=ids.numel(),
    )


def execute(
    spec: Spec, prepared: Prepared, cell: Cell, state: ModelState, node: NodeResult, anchor: str, quick: bool
) -> tuple[CellRecord, dict[str, Any]]:
    """The finished cell and its bulk data."""
    started = time.monotonic()
    reset_peak()
    module = registry.need("formats", cell.format.entry)
    fallback = module.fallback(spec.hardware.device, prepared.model.dtype)
    executable = fallback is None or fallback[0] != "not executed"
    variant = build(state, cell.format)
    structure = count(state, variant, prepared.dense_zeros)
    records = [
        record
        for name in spec.metrics.use
        if registry.get("metrics", name).LEVEL == "structure"
        for record in registry.get("metrics", name).measure(structure)
    ]
    records += node.measurements
    samples: dict[str, Any] = {}
    model = prepared.dense.model if cell.is_reference else variant.model
    if executable and cell.format.entry not in ("dense", "masked"):
        records.append(difference_from_node(prepared, state, model))
    if executable and cell.timed:
        timed, samples = timings(spec, prepared, cell, model, anchor, quick)
        records += timed
    diverged = any(record.value is None for record in records if record.metric == "perplexity")
    record = CellRecord(
        id=cell.id,
        node=cell.node.key,
        variant=variant_record(cell),
        status="diverged" if diverged else "ok" if executable else "not_executed",
        reason="the perplexity is not finite" if diverged else "" if executable else fallback[1],
        metrics=tuple(records),
        fallbacks=()
        if fallback is None
        else (Fallback(what=fallback[0], why=fallback[1], count=len(variant.tensors)),),
        seconds=round(node.seconds + time.monotonic() - started, 3),
        peak_memory_bytes=peak_bytes(),
    )
    return record, samples
