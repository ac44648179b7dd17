"""What was observed of a cell: a value with its interval, alone, over another cell's, or of blocks of the scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .model import CellRecord, Condition, Measurement

SPEEDUPS = {"prefill_latency_s": "prefill_speedup", "decode_latency_s": "decode_speedup"}
"""Latencies whose ratio to dense was itself measured, in pairs: dense over variant."""

PAIRED = {"perplexity": "perplexity_ratio"}
"""Metrics whose ratio to dense was itself measured, in pairs: variant over dense."""


@dataclass(frozen=True)
class Observation:
    """A value with its interval (both ends equal for a counted number), or the reason why there is none."""

    low: float = 0.0
    value: float = 0.0
    high: float = 0.0
    unit: str = ""
    missing: str = ""


def pick(cell: CellRecord, metric: str, conditions: Mapping[str, Condition]) -> Measurement | str:
    """
    The measurement that fits the conditions and has the fewest others: a total rather than one of its parts.

    Bytes are the model's unless the target's are asked for. Returns the reason where there is none or no single one.
    """
    fitting = [each for each in cell.metrics if each.metric == metric and conditions.items() <= each.conditions.items()]
    if not fitting:
        return f"{cell.id} has no {metric}{f' with {dict(conditions)}' if conditions else ''}"
    fewest = min(len(each.conditions) for each in fitting)
    closest = [each for each in fitting if len(each.conditions) == fewest]
    if len(closest) > 1:
        closest = [each for each in closest if each.conditions.get("over") == "model"] or closest
    if len(closest) > 1:
        differing = sorted({key for each in closest for key in each.conditions} - conditions.keys())
        return f"{cell.id} has {len(closest)} values of {metric}: say which with conditions ({', '.join(differing)})"
    return closest[0]


def observe(found: Measurement | str) -> Observation:
    if isinstance(found, str):
        return Observation(missing=found)
    if found.value is None:
        return Observation(missing=f"{found.metric} is not finite")
    low, high = found.ci or (found.value, found.value)
    return Observation(low, found.value, high, found.unit)


def blocks_meant(cell: CellRecord, metric: str, wanted: Any) -> list[int]:
    """The scanned blocks that "first", "last", "inner" or a number means."""
    every = sorted({int(each.conditions["block"]) for each in cell.metrics if "block" in each.conditions})
    places = {"first": every[:1], "last": every[-1:], "inner": every[1:-1]}
    return places[wanted] if wanted in places else [each for each in every if each == wanted]


def observations(cell: CellRecord, metric: str, conditions: Mapping[str, Condition]) -> list[Observation]:
    """The cell's value; of the scan, one for every block that is meant."""
    if "block" not in conditions:
        return [observe(pick(cell, metric, conditions))]
    meant = blocks_meant(cell, metric, conditions["block"])
    missing = [Observation(missing=f"{cell.id} has no {metric} of {conditions['block']} blocks")]
    return [observe(pick(cell, metric, {**conditions, "block": block})) for block in meant] or missing


def over_dense(cell: CellRecord, metric: str, conditions: Mapping[str, Condition]) -> Observation | None:
    """The ratio to dense that was itself measured, in pairs; None where there is none."""
    if cell.is_reference and metric in (PAIRED | SPEEDUPS) and not observe(pick(cell, metric, conditions)).missing:
        return Observation(1.0, 1.0, 1.0, "× dense")
    ratio = observe(pick(cell, PAIRED.get(metric, ""), conditions))
    if not ratio.missing:
        return Observation(ratio.low, ratio.value, ratio.high, "× dense")
    speedup = observe(pick(cell, SPEEDUPS.get(metric, ""), conditions))
    if not speedup.missing and speedup.low > 0:
        return Observation(1 / speedup.high, 1 / speedup.value, 1 / speedup.low, "× dense")
    return None


Pairs = tuple[list[Observation], list[Observation]]


def beside(
    cell: CellRecord,
    other: CellRecord,
    metric: str,
    conditions: Mapping[str, Condition],
    theirs: Mapping[str, Condition],
) -> Pairs:
    """
    Two cells' values on common ground.

    Of one model, latencies and perplexities are taken over dense, as they were measured in pairs: a perplexity's own
    interval mostly says how unlike the windows are, and a latency's how busy the machine was.
    """
    if cell.variant.model == other.variant.model:
        first, second = over_dense(cell, metric, conditions), over_dense(other, metric, theirs)
        if first is not None and second is not None:
            return [first], [second]
    return observations(cell, metric, conditions), observations(other, metric, theirs)


def ratio(ours: Observation, theirs: Observation, metric: str, unit: str) -> Observation:
    """One over the other; the interval combines opposite ends of both, which is never too narrow."""
    if ours.missing or theirs.missing:
        return Observation(missing=ours.missing or theirs.missing)
    if theirs.low <= 0:
        return Observation(missing=f"the {metric} to compare with is not positive: there is no ratio to it")
    ends = [end / other for end in (ours.low, ours.high) for other in (theirs.low, theirs.high)]
    return Observation(min(ends), ours.value / theirs.value, max(ends), unit)
