"""
Expected beside observed: a spec's `[[expect]]` against the finished cells.

A number with an interval passes only if the whole interval lies within the bounds, and misses only if all of it lies
outside; one that straddles a bound is undecided. What is not there cannot be checked, and that is not a pass.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ..selectors import selects_record
from . import timing
from .model import CheckRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..spec.model import Expect
    from .model import CellRecord, Condition, Measurement, Results

Verdict = Literal["pass", "miss", "undecided", "cannot_check"]

SPEEDUPS = {"prefill_latency_s": "prefill_speedup", "decode_latency_s": "decode_speedup"}
"""Latencies whose ratio to dense was itself measured, in pairs: dense over variant."""

PAIRED = {"perplexity": "perplexity_ratio"}
"""Metrics whose ratio to dense was itself measured, in pairs: variant over dense."""

ALL_ORDER: tuple[Verdict, ...] = ("miss", "cannot_check", "undecided", "pass")
ANY_ORDER: tuple[Verdict, ...] = ("pass", "undecided", "cannot_check", "miss")


@dataclass(frozen=True)
class Observation:
    """A value with its interval (both ends equal for a counted number), or the reason why there is none."""

    low: float = 0.0
    value: float = 0.0
    high: float = 0.0
    unit: str = ""
    missing: str = ""


def wanted_conditions(expect: Expect) -> dict[str, Condition]:
    return {**expect.conditions, **({"over": expect.over} if expect.over else {})}


def pick(cell: CellRecord, metric: str, conditions: dict[str, Condition]) -> Measurement | str:
    """
    The measurement that fits the conditions and has the fewest others: a total rather than one of its parts.

    Bytes are the model's unless the target's are asked for. Returns the reason where there is none or no single one.
    """
    fitting = [each for each in cell.metrics if each.metric == metric and conditions.items() <= each.conditions.items()]
    if not fitting:
        return f"{cell.id} has no {metric}{f' with {conditions}' if conditions else ''}"
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


def settled(found: Measurement | str, results: Results) -> Observation:
    """A speed-up inside the noise of dense against dense may be none: its interval then reaches to 1."""
    seen = observe(found)
    if isinstance(found, str) or seen.missing or not found.metric.endswith("_speedup"):
        return seen
    if timing.verdict(found.value, found.ci, timing.floor_behind(results, found)) != "no difference":
        return seen
    return replace(seen, low=min(seen.low, 1.0), high=max(seen.high, 1.0))


def over_dense(cell: CellRecord, expect: Expect, results: Results) -> Observation:
    """
    The cell's value over dense's. Latencies and perplexity: from the paired ratio that was measured. Otherwise the
    interval combines the opposite ends of both, which is never too narrow.
    """
    conditions = wanted_conditions(expect)
    ratio = observe(pick(cell, PAIRED.get(expect.metric, ""), conditions))
    if expect.metric in PAIRED and not ratio.missing:
        return Observation(ratio.low, ratio.value, ratio.high, "× dense")
    paired = settled(pick(cell, SPEEDUPS.get(expect.metric, ""), conditions), results)
    if expect.metric in SPEEDUPS and not paired.missing and paired.low > 0:
        return Observation(1 / paired.high, 1 / paired.value, 1 / paired.low, "× dense")
    reference = results.reference(cell.variant.model)
    if reference is None:
        return Observation(missing=f"the model {cell.variant.model} has no dense cell")
    ours, dense = (observe(pick(each, expect.metric, conditions)) for each in (cell, reference))
    if ours.missing or dense.missing:
        return Observation(missing=ours.missing or f"dense: {dense.missing}")
    if dense.low <= 0 or ours.low < 0:
        return Observation(missing=f"dense {expect.metric} is not positive: there is no ratio to it")
    return Observation(ours.low / dense.high, ours.value / dense.value, ours.high / dense.low, "× dense")


def observed(cell: CellRecord, expect: Expect, results: Results) -> Observation:
    if cell.status != "ok":
        reason = f" ({cell.reason})" if cell.reason else ""
        return Observation(missing=f"{cell.id}: {cell.status.replace('_', ' ')}{reason}")
    if expect.relative_to == "dense":
        return over_dense(cell, expect, results)
    return settled(pick(cell, expect.metric, wanted_conditions(expect)), results)


def bounds(expect: Expect) -> tuple[float, float]:
    low, high = expect.between or (expect.at_least, expect.at_most)
    return (float("-inf") if low is None else low, float("inf") if high is None else high)


def judge(seen: Observation, expect: Expect) -> Verdict:
    if seen.missing:
        return "cannot_check"
    low, high = bounds(expect)
    if low <= seen.low and seen.high <= high:
        return "pass"
    return "miss" if seen.high < low or seen.low > high else "undecided"


def number(value: float, unit: str) -> str:
    """Bytes in MiB once there are that many, everything else with four digits."""
    if unit == "B":
        return f"{value / 2**20:.2f} MiB" if value >= 2**20 else f"{value:.0f} B"
    text = f"{value:.4g}"
    return text if unit in ("", "1") else f"{text} {unit}"


def expected_text(expect: Expect, unit: str) -> str:
    if expect.between is not None:
        return f"{number(expect.between[0], unit)} to {number(expect.between[1], unit)}"
    parts = [("at least", expect.at_least), ("at most", expect.at_most)]
    return ", ".join(f"{word} {number(bound, unit)}" for word, bound in parts if bound is not None)


def observed_text(seen: Observation) -> str:
    if seen.missing:
        return seen.missing
    interval = "" if seen.low == seen.high else f" [{number(seen.low, '')}, {number(seen.high, '')}]"
    return number(seen.value, seen.unit) + interval


def check(expect: Expect, results: Results) -> CheckRecord:
    """One expectation against every cell that it selects."""
    cells = [cell for cell in results.cells if selects_record(cell, expect.where)]
    seen = [observed(cell, expect, results) for cell in cells] or [Observation(missing="no cell of this run fits")]
    verdicts = [judge(each, expect) for each in seen]
    verdict = min(verdicts, key=(ALL_ORDER if expect.need == "all" else ANY_ORDER).index)
    unit = next((each.unit for each in seen if not each.missing), "")
    return CheckRecord(
        what=expect.what,
        source=expect.source,
        expected=expected_text(expect, unit or ("× dense" if expect.relative_to else "")),
        observed="; ".join(dict.fromkeys(map(observed_text, seen))),
        verdict=verdict,
        cells=tuple(cell.id for cell in cells),
        metric=expect.metric,
        on_miss=expect.on_miss,
    )


def evaluate(expectations: Sequence[Expect], results: Results) -> tuple[CheckRecord, ...]:
    """What was expected beside what was observed, in the order of the spec."""
    return tuple(check(expect, results) for expect in expectations)
