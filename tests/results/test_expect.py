"""Verdicts on expectations, with bounds and intervals chosen by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tiny_results import cell, perplexity, results, stored, timing

from sparsity_report.results.expect import evaluate
from sparsity_report.spec.model import Expect

if TYPE_CHECKING:
    from sparsity_report.results.model import CheckRecord, Results


def check(found: Results, **expectation: Any) -> CheckRecord:
    (record,) = evaluate([Expect(what="a test", **expectation)], found)
    return record


SIZES = results(
    cell("dense", stored(100, over="model"), stored(50, over="target"), stored(50, over="target", component="dense")),
    cell("masked", stored(100, over="model"), stored(50, over="target")),
    cell("csr", stored(120, over="model"), stored(35, over="target", component="values"), stored(70, over="target")),
)


@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [
        ({"at_most": 120}, "pass"),
        ({"at_most": 119}, "miss"),
        ({"at_least": 120}, "pass"),
        ({"between": (100, 119)}, "miss"),
        ({"between": (120, 121)}, "pass"),
    ],
)
def test_bounds_include_their_ends(bounds: dict[str, Any], verdict: str) -> None:
    assert check(SIZES, where={"format": "csr"}, metric="stored_bytes", **bounds).verdict == verdict


def test_a_total_is_taken_and_not_one_of_its_parts() -> None:
    """The components of the target's bytes are measurements, too; the first of them is not the total."""
    record = check(SIZES, where={"format": "csr"}, metric="stored_bytes", over="target", at_most=70)

    assert (record.verdict, record.observed) == ("pass", "70 B")


def test_a_ratio_is_to_the_dense_cell_of_the_same_model() -> None:
    """70 bytes over 50."""
    record = check(
        SIZES, where={"format": "csr"}, metric="stored_bytes", over="target", relative_to="dense", at_most=1.0
    )

    assert record.verdict == "miss"
    assert (record.expected, record.observed) == ("at most 1 × dense", "1.4 × dense")


def test_need_all_and_need_any() -> None:
    pruned = {"variant": "course"}

    assert check(SIZES, where=pruned, need="all", metric="stored_bytes", at_most=100).verdict == "miss"
    assert check(SIZES, where=pruned, need="any", metric="stored_bytes", at_most=100).verdict == "pass"


def test_an_interval_that_straddles_a_bound_is_undecided() -> None:
    found = results(cell("dense", perplexity(10)), cell("csr", perplexity(20, (18, 22))))

    verdicts = [
        check(found, where={"format": "csr"}, metric="perplexity", at_most=bound).verdict for bound in (17, 21, 22)
    ]

    assert verdicts == ["miss", "undecided", "pass"]


def test_a_ratio_of_intervals_is_never_too_narrow() -> None:
    """18 over 12 to 22 over 8: 1.5 to 2.75, around 20 over 10."""
    found = results(cell("dense", perplexity(10, (8, 12))), cell("csr", perplexity(20, (18, 22))))

    record = check(found, where={"format": "csr"}, metric="perplexity", relative_to="dense", between=(1.4, 2.7))

    assert record.observed == "2 × dense [1.5, 2.75]"
    assert record.verdict == "undecided"


def test_a_latency_ratio_is_the_one_that_was_measured_in_pairs() -> None:
    """A speed-up of 2 (1.6 to 2.5) is half of dense's time, whatever the two latencies were."""
    speedup = timing("prefill_speedup", 2.0, (1.6, 2.5), "higher")
    found = results(
        cell("dense", timing("prefill_latency_s", 9.0, (8.0, 10.0))),
        cell("csr", timing("prefill_latency_s", 9.0, (8.0, 10.0)), speedup),
    )

    record = check(found, where={"format": "csr"}, metric="prefill_latency_s", relative_to="dense", at_most=0.7)

    assert record.observed == "0.5 × dense [0.4, 0.625]"
    assert record.verdict == "pass"


@pytest.mark.parametrize(
    ("found", "observed"),
    [
        (results(cell("dense"), cell("csr", status="failed", reason="out of memory")), "csr: failed (out of memory)"),
        (results(cell("dense"), cell("csr")), "csr has no perplexity"),
        (results(cell("dense"), cell("csr", perplexity(None))), "perplexity is not finite"),
        (results(cell("dense"), cell("csr", status="not_executed")), "csr: not executed"),
        (results(cell("dense")), "no cell of this run fits"),
    ],
)
def test_what_is_not_there_cannot_be_checked(found: Results, observed: str) -> None:
    """It must not read as a pass."""
    record = check(found, where={"format": "csr"}, metric="perplexity", at_most=1e9)

    assert (record.verdict, record.observed) == ("cannot_check", observed)


def test_a_ratio_needs_its_dense_cell() -> None:
    record = check(results(cell("csr", perplexity(3))), metric="perplexity", relative_to="dense", at_most=9)

    assert (record.verdict, record.observed) == ("cannot_check", "the model tiny has no dense cell")


def test_several_values_that_fit_equally_are_not_guessed_between() -> None:
    one = timing("decode_latency_s", 1.0, None)
    other = one.model_copy(update={"conditions": {"batch": 8, "prompt": 128}})
    found = results(cell("csr", one, other))

    record = check(found, metric="decode_latency_s", at_most=2)

    assert record.verdict == "cannot_check"
    assert "say which with conditions (batch, prompt)" in record.observed
    assert check(found, metric="decode_latency_s", conditions={"batch": 8}, at_most=2).verdict == "pass"


def test_bytes_are_shown_in_mebibytes() -> None:
    """125,239,296 parameters of four bytes are 477.75 MiB."""
    found = results(cell("dense", stored(500_957_184, over="model")))

    record = check(found, metric="stored_bytes", over="model", between=(500_957_184, 500_957_184))

    assert (record.verdict, record.observed) == ("pass", "477.75 MiB")


def test_a_perplexity_over_dense_is_the_measured_paired_ratio():
    """Two wide intervals side by side would straddle the bound; the paired ratio does not."""
    ratio = perplexity(1.1, (1.09, 1.11)).model_copy(update={"metric": "perplexity_ratio"})
    found = results(cell("dense", perplexity(10, (5, 20))), cell("csr", perplexity(11, (6, 21)), ratio))

    record = check(found, where={"format": "csr"}, metric="perplexity", relative_to="dense", at_most=1.2)

    assert (record.verdict, record.observed) == ("pass", "1.1 × dense [1.09, 1.11]")
