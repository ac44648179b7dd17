"""
Expected beside observed: a spec's `[[expect]]` against the finished cells.

A number with an interval passes only if the whole interval lies within the bounds, and misses only if all of it lies
outside; one that straddles a bound is undecided. What is not there cannot be checked, and that is not a pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any, Literal

from ..selectors import counterparts, facts_of_record, selects_record, split
from . import timing
from .model import CheckRecord
from .observation import Observation, beside, observations, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..spec.model import Expect
    from .model import CellRecord, Condition, Results

Verdict = Literal["pass", "miss", "undecided", "cannot_check"]

ALL_ORDER: tuple[Verdict, ...] = ("miss", "cannot_check", "undecided", "pass")
ANY_ORDER: tuple[Verdict, ...] = ("pass", "undecided", "cannot_check", "miss")


@dataclass(frozen=True)
class Finding:
    """One comparison: its verdict, what was observed in words, the unit of the bounds, and whose numbers they are."""

    verdict: Verdict
    observed: str
    unit: str = ""
    cells: tuple[str, ...] = ()


def wanted_conditions(expect: Expect) -> dict[str, Condition]:
    return {**expect.conditions, **({"over": expect.over} if expect.over else {})}


def unusable(cell: CellRecord) -> str:
    """Why a cell has no numbers to check; "" if it has."""
    reason = f" ({cell.reason})" if cell.reason else ""
    return "" if cell.status == "ok" else f"{cell.id}: {cell.status.replace('_', ' ')}{reason}"


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


def ascends(lower: Observation, higher: Observation) -> Verdict:
    """Whether the second is above the first: intervals apart decide, intervals that overlap do not."""
    if lower.missing or higher.missing:
        return "cannot_check"
    if higher.low > lower.high:
        return "pass"
    return "miss" if higher.high <= lower.low else "undecided"


def number(value: float, unit: str) -> str:
    """Bytes in MiB once there are that many, everything else with four digits."""
    if unit == "B":
        return f"{value / 2**20:.2f} MiB" if value >= 2**20 else f"{value:.0f} B"
    text = f"{value:.4g}"
    return text if unit in ("", "1") else f"{text} {unit}"


def label(selection: Mapping[str, Any]) -> str:
    """A selection in words: "wanda", "row, sparsity 0.5" or "inner blocks"."""
    facts, scan = split(selection)
    blocks = [f"block {each}" if isinstance(each, int) else f"{each} block{'s' * (each == 'inner')}" for each in
              scan.values()]  # fmt: skip
    cells = [each if isinstance(each, str) else f"{key} {each}" for key, each in facts.items()]
    return ", ".join([*cells, *blocks])


def expected_text(expect: Expect, unit: str) -> str:
    if expect.order:
        return " < ".join(map(label, expect.order))
    if expect.between is not None:
        return f"{number(expect.between[0], unit)} to {number(expect.between[1], unit)}"
    parts = [("at least", expect.at_least), ("at most", expect.at_most)]
    return ", ".join(f"{word} {number(bound, unit)}" for word, bound in parts if bound is not None)


def observed_text(seen: Observation) -> str:
    if seen.missing:
        return seen.missing
    interval = "" if seen.low == seen.high else f" [{number(seen.low, '')}, {number(seen.high, '')}]"
    return number(seen.value, seen.unit) + interval


def span_text(seen: Sequence[Observation]) -> str:
    """One value, or from where to where several reach."""
    found = sorted((each for each in seen if not each.missing), key=lambda each: each.value)
    if len(found) < 2:
        return observed_text(seen[0])
    return f"{number(found[0].value, '')} to {observed_text(found[-1])}"


def other_cell(cell: CellRecord, wanted: Mapping[str, Any], results: Results) -> CellRecord | str:
    """The one cell that `cell` is compared with, or why there is none."""
    known = [(facts_of_record(each), each) for each in results.cells]
    found = counterparts(facts_of_record(cell), wanted, known)
    if not found:
        return f"{cell.id} has no counterpart with {label(wanted)}"
    if len({each.node for each in found}) > 1:
        return f"{cell.id} could be compared with {', '.join(each.id for each in found)}: say which"
    return found[0]


def dense_of(cell: CellRecord, results: Results) -> CellRecord | str:
    return results.reference(cell.variant.model) or f"the model {cell.variant.model} has no dense cell"


def bounded(cell: CellRecord, expect: Expect, results: Results) -> Iterator[Finding]:
    """The cell's value, or its ratio to another cell's, beside the bounds."""
    conditions = wanted_conditions(expect)
    if expect.relative_to is None:
        yield from (found(expect, each, (cell,)) for each in observations(cell, expect.metric, conditions))
        return
    if isinstance(expect.relative_to, str):
        other, theirs, unit = dense_of(cell, results), conditions, "× dense"
    else:
        wanted, scan = split(expect.relative_to)
        other, theirs = other_cell(cell, wanted, results) if wanted else cell, conditions | scan
        unit = f"× {label(expect.relative_to)}"
    if other is cell and expect.relative_to != "dense" and theirs == conditions:
        return  # selected by `where` as well: it is what the others are compared with
    if isinstance(other, str) or unusable(other):
        yield found(expect, Observation(missing=other if isinstance(other, str) else unusable(other)), (cell,))
        return
    cells = (cell,) if expect.relative_to == "dense" else (cell, other)
    for ours, reference in product(*beside(cell, other, expect.metric, conditions, theirs)):
        yield found(expect, ratio(ours, reference, expect.metric, unit), cells)


def found(expect: Expect, seen: Observation, cells: tuple[CellRecord, ...]) -> Finding:
    named = tuple(dict.fromkeys(each.id for each in cells))
    return Finding(judge(seen, expect), observed_text(seen), "" if seen.missing else seen.unit, named)


def steps(expect: Expect, results: Results) -> Iterator[Finding]:
    """Every cell of each step of an order beside its counterpart in the step before."""
    conditions = wanted_conditions(expect)
    for before, after in pairwise(expect.order):
        (lower, lower_scan), (higher, higher_scan) = split(before), split(after)
        cells = [cell for cell in results.cells if selects_record(cell, {**expect.where, **higher})]
        if not cells:
            yield Finding("cannot_check", f"no cell of this run fits {label(after)}")
        for cell in cells:
            other = other_cell(cell, {**expect.where, **lower}, results) if lower != higher else cell
            missing = other if isinstance(other, str) else unusable(cell) or unusable(other)
            if isinstance(other, str) or missing:
                yield Finding("cannot_check", missing, cells=(cell.id,))
                continue
            above, below = beside(cell, other, expect.metric, conditions | higher_scan, conditions | lower_scan)
            verdicts = [ascends(first, second) for first, second in product(below, above)]
            told = f"{label(before)} {span_text(below)}, {label(after)} {span_text(above)}"
            yield Finding(min(verdicts, key=ALL_ORDER.index), told, cells=tuple({other.id: 0, cell.id: 0}))


def findings(expect: Expect, results: Results) -> list[Finding]:
    """Every comparison that the expectation asks for; one that cannot be made stands for none."""
    if expect.order:
        return list(steps(expect, results))
    cells = [cell for cell in results.cells if selects_record(cell, expect.where)]
    made = [
        each
        for cell in cells
        for each in (
            [Finding("cannot_check", unusable(cell), cells=(cell.id,))]
            if unusable(cell)
            else bounded(cell, expect, results)
        )
    ]
    return made or [Finding("cannot_check", "no cell of this run fits")]


def check(expect: Expect, results: Results) -> CheckRecord:
    """One expectation against every cell that it selects."""
    seen = findings(expect, results)
    order = ALL_ORDER if expect.need == "all" else ANY_ORDER
    unit = next((each.unit for each in seen if each.unit), "× dense" if expect.relative_to == "dense" else "")
    return CheckRecord(
        what=expect.what,
        source=expect.source,
        expected=expected_text(expect, unit),
        observed="; ".join(dict.fromkeys(each.observed for each in seen)),
        verdict=min((each.verdict for each in seen), key=order.index),
        cells=tuple(dict.fromkeys(name for each in seen for name in each.cells)),
        metric=expect.metric,
        on_miss=expect.on_miss,
    )


def evaluate(expectations: Sequence[Expect], results: Results) -> tuple[CheckRecord, ...]:
    """
    What was expected beside what was observed, in the order of the spec.

    A speed-up inside the noise of dense against dense may be none: its interval then reaches to 1.
    """
    results = timing.settled(results)
    return tuple(check(expect, results) for expect in expectations)
