"""Latency: wall-clock time of prefill and of decoding, beside dense in the same minutes; memory, load time, energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..contracts import Info, Quantity
from ..results.stats import bootstrap_median
from ..results.timing import drift, floor_of, outliers
from ._record import record

if TYPE_CHECKING:
    from ..contracts import Direction
    from ..engine.timed import Timed
    from ..engine.timing import Phase
    from ..engine.witness import Witness
    from ..results.model import Condition, Measurement

LEVEL = "timing"
_INTERVAL = "median over interleaved rounds; 95 % bootstrap interval"
_LIMITS = "valid for this machine, its load and its threads; compare ratios, not seconds"


def _timed(name: str, unit: str, direction: Direction, definition: str, limits: str = "") -> Quantity:
    return Quantity(name, unit, "measured", "timing", direction, definition, limits)


def _of_phase(phase: str, latency: str, time: str) -> tuple[Quantity, ...]:
    """The quantities that prefill and decode both have."""
    return (
        _timed(f"{phase}_latency_s", "s", "lower", f"{latency}; {_INTERVAL}", _LIMITS),
        _timed(f"{phase}_speedup", "1", "higher", f"dense over variant {time} of the same round; {_INTERVAL}", _LIMITS),
        _timed(
            f"{phase}_noise_floor",
            "1",
            "none",
            "largest distance from 1, as a factor less one, of the interval of dense against a copy of itself: smaller "
            "differences are none",
        ),
        _timed(
            f"{phase}_drift",
            "1",
            "none",
            "change of the dense time from the first round to the last, over its median (Theil–Sen slope; 95 % "
            "interval)",
            "drift hits both models of a round alike: ratios hold, seconds do not",
        ),
        _timed(
            f"{phase}_energy_j",
            "J",
            "lower",
            f"energy per token in {phase}, of the whole processor package or device; median over rounds",
            "counts whatever else the device did meanwhile",
        ),
    )


INFO = Info(
    name="latency",
    summary="prefill and decode time, interleaved with dense in a process of its own",
    equation=r"R \;=\; \mathrm{median}_{\,r}\;\, t_r^{\,(d)} /\, t_r^{\,(v)}",
    spoken="the speed-up R is the median over rounds of the dense time over the variant's in the same round",
    cite="efron1993bootstrap",
    result_version=4,
    quantities=(
        *_of_phase("prefill", "seconds to process the prompt", "prefill time"),
        *_of_phase("decode", "seconds per decoded token", "time per decoded token"),
        _timed(
            "other_cores",
            "cores",
            "none",
            "cores that other processes (or the hypervisor) kept busy while this was timed",
            "Linux only",
        ),
        _timed(
            "preemptions_per_s", "1/s", "none", "how often a thread of the timing process had to give way, per second"
        ),
        _timed(
            "load_seconds",
            "s",
            "lower",
            "dense: from the model's source to a model that can run; a variant: from its kept state to encoded layers, "
            "after dense was loaded",
            "a single reading, files in the system's cache; no format is loaded from a file of its own",
        ),
        _timed(
            "resident_bytes",
            "B",
            "lower",
            "over target: memory by which the timing process grew when the variant's layers were built (dense: a copy "
            "of its layers); over process: its peak, both models and all libraries included",
            "Linux only for the target; allocators round up",
        ),
    ),
)


def measure(timed: Timed, anchor: str, is_reference: bool) -> list[Measurement]:
    """Everything that was read of a cell; for dense against its copy, the noise floor instead of a speed-up."""
    records = []
    for pair, witness in zip(timed.pairs, timed.witnesses, strict=True):
        point: dict[str, Condition] = {"batch": pair.setting.batch, "prompt": pair.setting.prompt}
        for phase in pair.phases():
            tokens = pair.setting.batch * (1 if phase.decode else pair.setting.prompt)
            conditions = point | ({"decode": phase.decode} if phase.decode else {})
            records += _phase_records(phase, conditions, tokens, anchor, is_reference)
        records += _witness_records(witness, point)
    return records + _once(timed, is_reference)


def _phase_records(
    phase: Phase, conditions: dict[str, Condition], tokens: int, anchor: str, is_reference: bool
) -> list[Measurement]:
    count, samples = len(phase.variant), f"b{conditions['batch']}_p{conditions['prompt']}"
    median, interval = bootstrap_median(phase.variant)
    ratio, bounds = bootstrap_median(phase.ratio)
    change, range_of_change = drift(phase.dense)
    shared = {"n": count, "samples_ref": samples}
    found = [
        record(
            INFO, f"{phase.name}_latency_s", median, conditions, ci=interval, anchor=anchor,
            outliers=outliers(phase.variant), **shared,
        ),
        record(INFO, f"{phase.name}_noise_floor", floor_of(ratio, bounds), conditions, **shared)
        if is_reference
        else record(
            INFO, f"{phase.name}_speedup", ratio, conditions, ci=bounds, anchor=anchor,
            outliers=outliers(phase.ratio), **shared,
        ),
        record(INFO, f"{phase.name}_drift", change, conditions, ci=range_of_change, **shared),
    ]  # fmt: skip
    if np.isfinite(phase.joules).all():
        energy, spread = bootstrap_median(phase.joules / tokens)
        found.append(record(INFO, f"{phase.name}_energy_j", energy, conditions, ci=spread, **shared))
    return found


def _witness_records(witness: Witness, point: dict[str, Condition]) -> list[Measurement]:
    read = {"other_cores": witness.other_cores, "preemptions_per_s": witness.preemptions}
    return [record(INFO, name, each, point) for name, each in read.items() if each is not None]


def _once(timed: Timed, is_reference: bool) -> list[Measurement]:
    """What a cell has once, whatever the settings."""
    loading = timed.load_seconds if is_reference else timed.build_seconds
    memory = {"target": timed.resident_bytes, "process": timed.peak_bytes}
    return [
        *([record(INFO, "load_seconds", loading)] if loading is not None else []),
        *(record(INFO, "resident_bytes", each, {"over": over}) for over, each in memory.items() if each is not None),
    ]
