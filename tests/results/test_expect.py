"""Verdicts on expectations, with bounds and intervals chosen by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tiny_results import cell, perplexity, pruned, results, scanned, stored, timing

from sparsity_report.results.expect import evaluate
from sparsity_report.spec.model import Expect

if TYPE_CHECKING:
    from sparsity_report.results.model import CheckRecord, Measurement, Results


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


# Cells beside cells


def ratio(value: float, half_width: float = 0.01) -> tuple[Measurement, Measurement]:
    """A perplexity whose own interval is wide, and its ratio to dense, which was measured in pairs."""
    paired = perplexity(value, (value - half_width, value + half_width))
    return perplexity(10 * value, (1, 100)), paired.model_copy(update={"metric": "perplexity_ratio"})


METHODS = results(
    cell("dense", perplexity(10.0, (1, 100))),
    pruned("m30", *ratio(1.2), sparsity="0.3"),
    pruned("m50", *ratio(2.0)),
    pruned("w30", *ratio(1.0), method="wanda", sparsity="0.3"),
    pruned("w50", *ratio(1.6), method="wanda"),
    pruned("rows", *ratio(9.0), pattern="row"),
    pruned("tiles", *ratio(4.0), pattern="block:4x4"),
    pruned("nm", *ratio(2.005), pattern="2:4"),
)


def test_a_ratio_is_to_the_cell_that_differs_by_what_is_said() -> None:
    """Magnitude over Wanda at the same sparsity: 1.2 / 1.0 and 2.0 / 1.6, opposite ends of both intervals combined."""
    record = check(
        METHODS, where={"method": "magnitude", "pattern": "unstructured"}, metric="perplexity",
        relative_to={"method": "wanda"}, between=(1.1, 1.3),
    )  # fmt: skip

    assert record.expected == "1.1 × wanda to 1.3 × wanda"
    assert record.observed == "1.2 × wanda [1.178, 1.222]; 1.25 × wanda [1.236, 1.264]"
    assert (record.verdict, record.cells) == ("pass", ("m30", "w30", "m50", "w50"))


def test_a_cell_is_not_compared_with_itself() -> None:
    record = check(METHODS, where={"sparsity": 0.3}, metric="perplexity", relative_to={"method": "wanda"}, at_most=1.1)

    assert (record.verdict, record.cells) == ("miss", ("m30", "w30"))


def test_a_ratio_across_patterns_says_which_cell() -> None:
    wanted = {"pattern": "unstructured", "sparsity": Decimal("0.5"), "method": "magnitude"}
    record = check(METHODS, where={"pattern": "2:4"}, metric="perplexity", relative_to=wanted, at_most=1.0)

    assert (record.verdict, record.cells) == ("undecided", ("nm", "m50"))


def test_a_counterpart_that_is_missing_or_not_the_only_one_cannot_be_checked() -> None:
    lonely = check(METHODS, where={"method": "wanda", "sparsity": 0.3}, metric="perplexity",
                   relative_to={"pattern": "row"}, at_most=1)  # fmt: skip
    unclear = check(METHODS, where={"pattern": "2:4"}, metric="perplexity",
                    relative_to={"pattern": "unstructured", "method": "magnitude"}, at_most=1)  # fmt: skip

    assert (lonely.verdict, lonely.observed) == ("cannot_check", "w30 has no counterpart with row")
    assert (unclear.verdict, unclear.observed) == ("cannot_check", "nm could be compared with m30, m50: say which")


def test_a_latency_over_another_variant_goes_through_the_anchors() -> None:
    """Speed-ups over dense of 2 and of 4: the second takes half of the first's time, whatever the seconds were."""
    found = results(
        cell("dense", timing("prefill_latency_s", 9.0, None)),
        pruned("slow", timing("prefill_latency_s", 5.0, None), timing("prefill_speedup", 2.0, (2.0, 2.0), "higher")),
        pruned(
            "fast",
            timing("prefill_latency_s", 4.9, None),
            timing("prefill_speedup", 4.0, (4.0, 4.0), "higher"),
            method="wanda",
        ),
    )
    record = check(
        found, where={"method": "wanda"}, metric="prefill_latency_s", relative_to={"method": "magnitude"}, at_most=0.5
    )

    assert (record.verdict, record.observed) == ("pass", "0.5 × magnitude")


STRUCTURE = [{"pattern": "unstructured"}, {"pattern": "block:4x4"}, {"pattern": "row"}]


def test_an_order_goes_from_the_lowest_value_to_the_highest() -> None:
    at = {"method": "magnitude", "sparsity": Decimal("0.5")}
    met = check(METHODS, where=at, metric="perplexity", order=STRUCTURE)
    missed = check(METHODS, where=at, metric="perplexity", order=STRUCTURE[::-1])

    assert met.expected == "unstructured < block:4x4 < row"
    assert met.observed == (
        "unstructured 2 × dense [1.99, 2.01], block:4x4 4 × dense [3.99, 4.01]; "
        "block:4x4 4 × dense [3.99, 4.01], row 9 × dense [8.99, 9.01]"
    )
    assert (met.verdict, met.cells) == ("pass", ("m50", "tiles", "rows"))
    assert missed.verdict == "miss"


def test_an_order_of_overlapping_intervals_is_undecided() -> None:
    """2.00 ± 0.01 and 2.005 ± 0.01."""
    order = [{"pattern": "unstructured", "sparsity": Decimal("0.5")}, {"pattern": "2:4"}]

    assert check(METHODS, where={"method": "magnitude"}, metric="perplexity", order=order).verdict == "undecided"


@pytest.mark.parametrize(
    ("values", "half_width", "verdict"),
    [
        ((0.5, 0.1, 0.2, 0.4), 0.0, "pass"),
        ((0.5, 0.1, 0.2, 0.15), 0.0, "miss"),  # the last one is below block 2
        ((0.5, 0.1, 0.2, 0.4), 0.15, "undecided"),
        ((0.5, 0.4), 0.0, "cannot_check"),  # nothing lies between the ends
    ],
)
def test_an_order_of_blocks_compares_every_inner_one(values: Any, half_width: float, verdict: str) -> None:
    found = results(cell("dense", *scanned(*values, half_width=half_width)))
    scan: dict[str, Any] = {"where": {"format": "dense"}, "metric": "nll_increase", "conditions": {"sparsity": 0.5}}
    ends = [check(found, **scan, order=[{"block": "inner"}, {"block": place}]) for place in ("first", "last")]

    assert ends[1].verdict == verdict
    assert ends[1].expected == "inner blocks < last block"
    if verdict == "pass":
        assert ends[0].observed == "inner blocks 0.1 to 0.2, first block 0.5"


def test_a_block_can_be_judged_by_itself_and_beside_another() -> None:
    found = results(cell("dense", *scanned(0.5, 0.1, 0.2, 0.4)))
    scan: dict[str, Any] = {"where": {"format": "dense"}, "metric": "nll_increase"}
    first = {"block": "first", "sparsity": 0.5}

    assert check(found, **scan, conditions=first, at_least=0.45).verdict == "pass"
    beside = check(found, **scan, conditions=first, relative_to={"block": 2}, between=(2.4, 2.6))
    assert (beside.verdict, beside.observed) == ("pass", "2.5 × block 2")


def test_a_number_in_a_selection_is_named_by_its_key() -> None:
    order = [{"sparsity": Decimal("0.3")}, {"sparsity": Decimal("0.5")}]
    record = check(METHODS, where={"method": "wanda"}, metric="perplexity", order=order)

    assert record.expected == "sparsity 0.3 < sparsity 0.5"
    assert (record.verdict, record.cells) == ("pass", ("w30", "w50"))
