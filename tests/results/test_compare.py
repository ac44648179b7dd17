"""Two runs beside each other: exact, float and timing each by its own rule."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_results import cell, perplexity, results, stored, timing

from sparsity_report.errors import CANNOT_CHECK, CHECK_FAILED, OK
from sparsity_report.results.compare import FLOAT_TOLERANCE, Comparison, compare
from sparsity_report.results.model import DataRecord, Measurement, Results, TaskRecord


def against(old: Measurement, new: Measurement, machines: tuple[str, str] = ("one", "one")) -> Comparison:
    before, after = machines
    return compare(
        results(cell("dense", old), fingerprint=before),
        results(cell("dense", new), fingerprint=after),
    )


def verdict(comparison: Comparison) -> str:
    (status, number) = comparison.differences
    assert status.metric == "status"
    return number.verdict


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (stored(100), stored(100), "same"),
        (stored(100), stored(101), "worse"),
        (stored(100), stored(99), "better"),
        (perplexity(20.0), perplexity(20.0 * (1 + FLOAT_TOLERANCE / 2)), "same"),
        (perplexity(20.0), perplexity(20.0 * (1 + FLOAT_TOLERANCE * 2)), "worse"),
        (perplexity(20.0), perplexity(None), "worse"),
        (perplexity(None), perplexity(None), "same"),
    ],
)
def test_counted_numbers_exactly_and_floats_within_rounding(old: Measurement, new: Measurement, expected: str) -> None:
    comparison = against(old, new)

    assert verdict(comparison) == expected
    assert comparison.exit_code == (OK if expected == "same" else CHECK_FAILED)


def test_a_metric_without_a_good_side_only_changes() -> None:
    sparsity = stored(1).model_copy(update={"metric": "sparsity", "direction": "none"})

    assert verdict(against(sparsity, sparsity.model_copy(update={"value": 2}))) == "changed"


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (timing("prefill_latency_s", 1.1, (1.0, 1.2)), "same"),
        (timing("prefill_latency_s", 1.5, (1.4, 1.6)), "worse"),
        (timing("prefill_latency_s", 0.5, (0.4, 0.6)), "better"),
        (timing("prefill_latency_s", 0.5, None), "not_comparable"),
    ],
)
def test_timings_differ_when_their_intervals_do(new: Measurement, expected: str) -> None:
    assert verdict(against(timing("prefill_latency_s", 1.0, (0.9, 1.1)), new)) == expected


def test_timings_of_two_machines_are_not_compared() -> None:
    slow, fast = timing("prefill_latency_s", 9.0, (8.9, 9.1)), timing("prefill_latency_s", 1.0, (0.9, 1.1))
    comparison = against(slow, fast, ("one", "another"))

    assert verdict(comparison) == "not_comparable"
    assert comparison.exit_code == CANNOT_CHECK


def test_an_unknown_machine_is_not_the_same_as_another_unknown_one() -> None:
    time = timing("prefill_latency_s", 1.0, (0.9, 1.1))

    assert verdict(against(time, time, ("", ""))) == "not_comparable"


def test_a_slower_run_is_shown_but_decides_nothing() -> None:
    old = results(cell("dense", stored(100), timing("prefill_latency_s", 1.0, (0.9, 1.1))))
    new = results(cell("dense", stored(100), timing("prefill_latency_s", 2.0, (1.9, 2.1))))

    comparison = compare(old, new)

    assert [each.verdict for each in comparison.changes] == ["worse"]
    assert comparison.exit_code == OK


def data(protocol: str) -> dict[str, Any]:
    numbers: dict[str, Any] = {"windows": 1, "length": 2, "tokens": 2, "predicted_tokens": 1, "bytes": 3}
    return {"role": "evaluation", "corpus": "embedded", "source": "embedded", "model": "tiny", "protocol": protocol} | (
        numbers
    )


def test_values_on_other_text_are_not_compared() -> None:
    """Perplexities of windows of 256 and of 512 tokens are two different quantities."""
    old, new = (
        results(cell("dense", perplexity(value)), data=[DataRecord(**data(protocol))])
        for value, protocol in ((20.0, "windows of 256"), (18.0, "windows of 512"))
    )

    assert verdict(compare(old, new)) == "not_comparable"


def test_each_text_is_compared_by_its_own_protocol() -> None:
    """One of two texts was cut otherwise: only its numbers are left alone."""

    def run(second: str, value: float) -> Results:
        texts = [DataRecord(**data("256")), DataRecord(**(data(second) | {"source": "ptb", "corpus": "ptb"}))]
        on_ptb = perplexity(value).model_copy(update={"conditions": {"corpus": "ptb"}})
        return results(cell("dense", perplexity(20.0), on_ptb), data=texts)

    found = {
        each.conditions["corpus"]: each.verdict
        for each in compare(run("256", 40.0), run("512", 30.0)).differences
        if each.metric == "perplexity"
    }

    assert found == {"embedded": "same", "ptb": "not_comparable"}
    alike = compare(run("256", 40.0), run("256", 41.0))
    assert [(each.conditions, each.verdict) for each in alike.changes] == [({"corpus": "ptb"}, "worse")]


def test_a_text_that_one_run_cut_by_two_protocols_is_not_compared() -> None:
    """T64: which of the two a number belongs to is not known."""
    both = results(cell("dense", perplexity(20.0)), data=[DataRecord(**data(each)) for each in ("256", "512")])

    assert verdict(compare(both, both)) == "not_comparable"


def test_a_cell_that_fails_now_is_worse() -> None:
    comparison = compare(
        results(cell("csr", stored(1))), results(cell("csr", stored(1), status="failed", reason="why"))
    )

    (change,) = comparison.changes
    assert (change.metric, change.verdict, change.why) == ("status", "worse", "why")
    assert comparison.exit_code == CHECK_FAILED


def test_what_was_lost_is_a_change_and_what_is_new_is_not() -> None:
    """A run that guards a refactoring must notice a metric or a cell that vanished."""
    small, large = cell("dense", stored(1)), cell("dense", stored(1), perplexity(2.0))

    assert compare(results(large), results(small)).exit_code == CHECK_FAILED
    assert compare(results(small), results(large)).exit_code == OK
    vanished = compare(results(small, cell("csr")), results(small))
    assert (vanished.only_old, vanished.exit_code) == (("csr",), CHECK_FAILED)
    assert compare(results(small), results(small, cell("csr"))).only_new == ("csr",)


def test_nothing_in_common_cannot_be_compared() -> None:
    assert compare(results(), results(cell("csr", stored(1)))).exit_code == CANNOT_CHECK


SLOW, FAST = timing("prefill_latency_s", 2.0, (1.9, 2.1)), timing("prefill_latency_s", 1.0, (0.9, 1.1))


@pytest.mark.parametrize(
    ("old", "new", "machines", "expected"),
    [
        (FAST, SLOW, ("one", "one"), CHECK_FAILED),
        (FAST, FAST, ("one", "one"), OK),
        (FAST, FAST, ("one", "two"), CANNOT_CHECK),
    ],
)
def test_timings_decide_where_they_are_asked_to(old, new, machines, expected) -> None:
    """Beside bytes that are the same; without being asked, they only stand there."""
    before, after = (
        results(cell("dense", stored(1), each), fingerprint=name)
        for each, name in zip((old, new), machines, strict=True)
    )
    comparison = compare(before, after)

    assert comparison.verdict() == OK
    assert comparison.verdict(timings=True) == expected


def other_text(value: int) -> tuple[Results, Results]:
    """Bytes that are the given factor of each other, and perplexities of two protocols."""
    first, second = (
        results(cell("dense", stored(each), perplexity(20.0)), data=[DataRecord(**data(protocol))])
        for each, protocol in ((1, "windows of 256"), (value, "windows of 512"))
    )
    return first, second


def test_what_could_not_be_compared_is_no_pass_and_goes_before_what_changed() -> None:
    """Exit 7 although the bytes agree; still 7 where they do not: a fault may hide in what was not seen."""
    assert compare(*other_text(1)).verdict() == CANNOT_CHECK
    assert compare(*other_text(2)).verdict() == CANNOT_CHECK
    assert [each.metric for each in compare(*other_text(1)).unjudged] == ["perplexity"]


def test_rounding_itself_is_never_judged_and_stops_nobody() -> None:
    rounding = stored(1).model_copy(update={"metric": "max_abs_logit_difference", "noise": "float"})
    run = results(cell("dense", stored(1), rounding))

    assert compare(run, run).verdict() == OK


def test_a_task_of_other_items_is_not_compared() -> None:
    accuracy = perplexity(0.5).model_copy(update={"metric": "task_acc", "conditions": {"task": "piqa", "fewshot": 0}})
    task = {"task": "piqa", "version": "1", "items": 10, "of": 20}
    old, new, same = (
        results(cell("dense", stored(1), accuracy)).model_copy(
            update={"tasks": (TaskRecord.model_validate(task | {"sha256": sha}),)}
        )
        for sha in ("a", "b", "a")
    )

    assert compare(old, new).verdict() == CANNOT_CHECK
    assert compare(old, same).verdict() == OK


def test_what_else_differs_is_said() -> None:
    """Spec, model, software and machine: where a changed number may come from."""
    old = results(cell("dense", stored(1)))
    environment = old.environment.model_copy(update={"packages": {"torch": "2.7"}, "fingerprint": "other"})
    model = old.models[0].model_copy(update={"revision": "abc"})
    spec = old.spec.model_copy(update={"sha256": "new"})
    new = old.model_copy(update={"environment": environment, "models": (model,), "spec": spec, "quick": True})

    assert compare(old, old).circumstances == ()
    assert compare(old, new).circumstances == (
        "NEW is a rehearsal (--quick)",
        "the spec changed",
        "model tiny: bundled:tiny → bundled:tiny abc",
        "package torch: none → 2.7",
        "timings are not compared: another machine, software or number of threads",
    )
