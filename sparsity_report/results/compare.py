"""
Two runs beside each other, by the kind of noise that each number has.

Counted numbers must be equal. Float numbers may differ by rounding. Timings are compared by their intervals, and only
when both runs come from one machine with the same software and threads. What could not be compared is no pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..errors import CANNOT_CHECK, CHECK_FAILED, OK
from .circumstances import circumstances
from .timing import floor_behind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .model import CellRecord, Measurement, Results

Verdict = Literal["same", "better", "worse", "changed", "lost", "new", "not_comparable"]
Key = tuple[str, tuple[tuple[str, object], ...]]

FLOAT_TOLERANCE = 1e-6
"""
Relative. Float32 rounds at 6e-8; sums over thousands of tokens, taken in another order by another number of threads,
move their mean by some 1e-7. A change that a reader of four digits could ever see is far above.
"""


ROUNDING = ("max_abs_logit_difference",)
"""Numbers that are nothing but rounding: two of them need not agree."""

OF_THE_HOUR = ("prefill_drift", "decode_drift", "other_cores", "preemptions_per_s")
"""Numbers that say what the machine did meanwhile."""

NEVER_JUDGED = (*ROUNDING, *OF_THE_HOUR)


@dataclass(frozen=True)
class Difference:
    """One number (or a cell's status) in both runs; null where a run lacks it."""

    cell: str
    metric: str
    conditions: dict[str, object]
    old: float | str | None
    new: float | str | None
    noise: str
    verdict: Verdict
    why: str = ""


@dataclass(frozen=True)
class Comparison:
    """Every number of two runs, and the cells that only one of them has."""

    differences: tuple[Difference, ...]
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]
    circumstances: tuple[str, ...] = ()
    """What else differs between the runs: spec, models, texts, machine, software."""

    @property
    def changes(self) -> tuple[Difference, ...]:
        """What differs beyond its noise, timings included."""
        return tuple(each for each in self.differences if each.verdict in ("better", "worse", "changed", "lost"))

    @property
    def exit_code(self) -> int:
        """6 when a number changed or was lost, 7 when one could not be compared; timings decide nothing."""
        return self.verdict()

    def verdict(self, *, better_fails: bool = True, timings: bool = False) -> int:
        """
        6 when a number changed or a cell was lost, 7 when one could not be compared, or none at all: 7 goes first.

        Timings decide only where they are asked to: they depend on the hour, and between machines on everything.
        """
        fails = ("worse", "changed", "lost", *(("better",) if better_fails else ()))
        failed = any(each.verdict in fails for each in self.differences if timings or each.noise != "timing")
        failed = failed or bool(self.only_old)
        if self.unjudged_with(timings=timings) or not (failed or self.compared):
            return CANNOT_CHECK
        return CHECK_FAILED if failed else OK

    @property
    def unjudged(self) -> tuple[Difference, ...]:
        """Numbers that decide and could not be compared."""
        return self.unjudged_with(timings=False)

    def unjudged_with(self, *, timings: bool) -> tuple[Difference, ...]:
        return tuple(
            each
            for each in self.differences
            if each.verdict == "not_comparable"
            and each.metric not in NEVER_JUDGED
            and (timings or each.noise != "timing")
        )

    @property
    def compared(self) -> bool:
        """Whether any number stands beside its like; that two cells have the same status says little."""
        judged = ("same", "better", "worse", "changed")
        return any(each.verdict in judged and each.metric != "status" for each in self.differences)


def keyed(cell: CellRecord) -> dict[Key, Measurement]:
    return {(each.metric, tuple(sorted(each.conditions.items()))): each for each in cell.metrics}


def texts(results: Results, model: str) -> dict[str, set[tuple[str, ...]]]:
    """
    Fingerprints of what a model was evaluated on, by the text's name: two values are only comparable on the same
    tokens, cut by the same protocol.
    """
    found: dict[str, set[tuple[str, ...]]] = {}
    for each in results.data:
        if each.role == "evaluation" and each.model == model:
            fingerprint = (each.corpus, each.protocol, each.token_ids_sha256, str(each.predicted_tokens))
            found.setdefault(each.called, set()).add(fingerprint)
    return found


def other_texts(old: dict[str, set[tuple[str, ...]]], new: dict[str, set[tuple[str, ...]]]) -> frozenset[str]:
    """The texts that the runs did not cut alike, or that one of them cut by more than one protocol."""
    return frozenset(name for name in old | new if old.get(name) != new.get(name) or len(old[name]) > 1)


def other_tasks(old: Results, new: Results) -> frozenset[str]:
    """The tasks whose items or prompts differ between the runs."""
    before, after = ({each.task: each for each in results.tasks} for results in (old, new))
    return frozenset(name for name in before.keys() & after.keys() if before[name] != after[name])


def direction(old: Measurement, new: Measurement) -> Verdict:
    """Better or worse where the metric has a good side; old and new values differ and are finite."""
    if old.value is None or new.value is None or new.direction == "none":
        return "changed"
    return "better" if (new.value < old.value) == (new.direction == "lower") else "worse"


def same_float(old: float, new: float) -> bool:
    return abs(new - old) <= FLOAT_TOLERANCE * max(abs(old), abs(new))


def judge_timing(old: Measurement, new: Measurement, same_machine: bool, floor: float) -> tuple[Verdict, str]:
    """Intervals that overlap, or are no further apart than dense is from itself, are no difference."""
    if not same_machine:
        return "not_comparable", "another machine, software or number of threads"
    if old.ci is None or new.ci is None:
        return "not_comparable", "no interval"
    overlap = old.ci[0] <= new.ci[1] * (1 + floor) and new.ci[0] <= old.ci[1] * (1 + floor)
    return ("same", "") if overlap else (direction(old, new), "")


def judge(
    old: Measurement, new: Measurement, *, same_machine: bool, other_texts: frozenset[str], floor: float
) -> tuple[Verdict, str]:
    """The verdict on one number, and why it could not be compared. `floor` is the noise of a timing."""
    if new.conditions.get("corpus") in other_texts:  # texts that are not cut alike in both
        return "not_comparable", "evaluated on other text or by another protocol"
    if new.conditions.get("task") in other_texts:
        return "not_comparable", "the task's items, prompts or harness differ"
    if new.metric in ROUNDING:
        return "not_comparable", "rounding itself; the checks judge it"
    if new.metric in OF_THE_HOUR:
        return "not_comparable", "what the machine did meanwhile"
    if old.unit != new.unit:
        return "not_comparable", f"{old.unit} became {new.unit}"
    if old.value is None or new.value is None:
        if old.value is new.value:
            return "same", ""
        return ("worse" if new.value is None else "better"), "not finite in one of the runs"
    if new.noise == "timing":
        return judge_timing(old, new, same_machine, floor)
    equal = old.value == new.value if new.noise == "exact" else same_float(old.value, new.value)
    return ("same", "") if equal else (direction(old, new), "")


def compare_cells(
    old: CellRecord,
    new: CellRecord,
    *,
    same_machine: bool,
    other_texts: frozenset[str],
    floor: Callable[[Measurement, Measurement], float],
) -> Iterator[Difference]:
    """Status first, then every number of either run."""
    verdict: Verdict = "same"
    if old.status != new.status:
        verdict = "worse" if old.status == "ok" else "better" if new.status == "ok" else "changed"
    why = new.reason if verdict != "same" else ""
    yield Difference(new.id, "status", {}, old.status, new.status, "exact", verdict, why)
    before, after = keyed(old), keyed(new)
    for key in {**before, **after}:
        ours, theirs = before.get(key), after.get(key)
        conditions = dict(key[1])
        if ours is not None and theirs is not None:
            verdict, why = judge(
                ours, theirs, same_machine=same_machine, other_texts=other_texts, floor=floor(ours, theirs)
            )
            yield Difference(new.id, key[0], conditions, ours.value, theirs.value, theirs.noise, verdict, why)
        elif ours is not None:
            yield Difference(new.id, key[0], conditions, ours.value, None, ours.noise, "lost")
        elif theirs is not None:
            yield Difference(new.id, key[0], conditions, None, theirs.value, theirs.noise, "new")


def compare(old: Results, new: Results) -> Comparison:
    """Cells are the same when their ids are: an id hashes all that makes a cell."""
    before = {cell.id: cell for cell in old.cells}
    after = {cell.id: cell for cell in new.cells}
    print_old, print_new = old.environment.fingerprint, new.environment.fingerprint
    differences: list[Difference] = []
    tasks = other_tasks(old, new)
    for name in (name for name in before if name in after):
        model = after[name].variant.model
        differences += compare_cells(
            before[name],
            after[name],
            same_machine=bool(print_old) and print_old == print_new,
            other_texts=other_texts(texts(old, model), texts(new, model)) | tasks,
            floor=lambda one, other: max(floor_behind(old, one), floor_behind(new, other)),
        )
    return Comparison(
        tuple(differences),
        tuple(name for name in before if name not in after),
        tuple(name for name in after if name not in before),
        circumstances(old, new),
    )
