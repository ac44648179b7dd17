"""Sentences and tables about time and machines follow the data: each is tried on data that make it say the opposite."""

from __future__ import annotations

import pytest

from sparsity_report.report import bounds, steps, time_tables
from sparsity_report.report.build import build
from sparsity_report.report.prose import execution, hardware, time
from sparsity_report.results.model import Results


@pytest.fixture
def made(results):
    return results("projected")


def everywhere(cell):
    return True


def is_csr(cell):
    return cell.variant.format.entry == "csr"


def plain(text):
    return text.replace("\u00a0", " ")


def dense_text(made):
    model = made.models[0]
    return plain(time.dense_sentence(made, model, time.dense_shares(made, model)[0]))


def test_the_largest_part_and_the_ceiling_are_said(made):
    """Half of the time in the targeted layers: at most twice as fast."""
    assert dense_text(made) == (
        "Of dense prefill at batch 1, prompt 128, 50 % of the time is in the targeted linear layers, the largest part. "
        "Python has 30 % of it, whatever the module. By Amdahl’s law, even if these layers took no "
        "time at all, prefill would be at most 2.00× as fast (modelled)."
    )


def test_another_largest_part_is_named_beside_a_low_ceiling(made, change):
    def share_of(results, part, value):
        cells = []
        for cell in results.cells:
            metrics = tuple(
                m.model_copy(update={"value": value}) if m.conditions.get("part") == part else m for m in cell.metrics
            )
            cells.append(cell.model_copy(update={"metrics": metrics}))
        return results.model_copy(update={"cells": tuple(cells)})

    low = change(
        share_of(share_of(made, "framework", 0.6), "target_linear", 0.1),
        cell=everywhere,
        metric="amdahl_limit",
        value=1.11,
    )

    text = dense_text(low)
    assert "10 % of the time is in the targeted linear layers; the largest part, 60 %, goes to framework" in text
    assert "prefill would be at most 1.11× as fast" in text


def test_parts_that_do_not_add_up_are_called_rough(made, change):
    rough = change(made, cell=is_csr, metric="profile_closure", value=1.4)

    assert "the shares are as good as that" in time.closure_sentence(made)
    assert "rough" in time.closure_sentence(rough)
    assert "between 101 % and 140 %" in plain(time.closure_sentence(rough))


def waterfall(made, sparsity="0.5"):
    cell = next(c for c in made.cells if is_csr(c) and c.variant.stages[0].params["sparsity"] == sparsity)
    return next(steps.waterfalls(made, cell))


def test_the_step_that_loses_most_is_named(made):
    """CSR at 50 %: 1.00 by its bytes, 0.46 of the product: the kernel loses most."""
    text = plain(time.waterfall_sentence(made, waterfall(made)))

    assert "Most is lost in the kernel" in text
    assert text.index("its bytes allow 1.00×") < text.index("alone reach 0.46×") < text.index("0.42× was measured")


def test_another_step_may_lose_most_and_none_may(made, change):
    slow = change(made, cell=is_csr, metric="layer_gain", value=0.1, ci=(0.09, 0.11))
    even = made
    for metric in ("product_gain", "layer_gain", "amdahl_gain", "prefill_speedup"):
        even = change(even, cell=is_csr, metric=metric, value=1.0, ci=(0.99, 1.01))

    assert "between the product alone and the layer in the running model (a factor of 0.22)" in plain(
        time.waterfall_sentence(slow, waterfall(slow))
    )
    assert "No step loses more than 5 %" in plain(time.waterfall_sentence(even, waterfall(even)))


def test_a_loss_inside_its_interval_is_none(made, change):
    """0.9 of the step before, but the interval reaches beyond it."""
    unsure = made
    for metric in ("product_gain", "layer_gain", "amdahl_gain"):
        unsure = change(unsure, cell=is_csr, metric=metric, value=1.0, ci=(0.99, 1.01))
    unsure = change(unsure, cell=is_csr, metric="prefill_speedup", value=0.9, ci=(0.7, 1.1))

    assert waterfall(unsure).loss is None


def test_zeros_that_did_not_pay_are_counted(made, change):
    """CSR at 50 % is slower, at 90 % faster; where both are slower, no zero paid."""
    slow = made
    for phase in ("prefill", "decode"):
        slow = change(slow, cell=is_csr, metric=f"{phase}_speedup", value=0.5, ci=(0.48, 0.52))
    fast = made
    for phase in ("prefill", "decode"):
        fast = change(fast, cell=is_csr, metric=f"{phase}_speedup", value=1.5, ci=(1.48, 1.52))

    assert "of 2 timed variants that skip operations, 1 is nowhere faster" in time.unpaid_sentence(made)
    assert "of 2 timed variants that skip operations, 2 are nowhere" in time.unpaid_sentence(slow)
    assert "Every one of the 2" in time.unpaid_sentence(fast)
    csr = [cell for cell in fast.cells if is_csr(cell) and cell.find("prefill_speedup") is not None]
    alone = fast.model_copy(update={"cells": (fast.cells[0], csr[0])})
    assert time.unpaid_sentence(alone).startswith("The one timed variant that skips operations is faster")


def test_a_bound_that_holds_and_one_that_is_broken(made, change):
    """Nothing is faster than its bound, until a measured time lies below it."""
    broken = change(made, cell=is_csr, metric="prefill_latency_s", value=1e-9, ci=(1e-9, 2e-9))

    assert "no timed phase is faster than its bound" in hardware.validation_sentence(made)
    assert "2 of 8 timed phases are faster than their bound" in plain(hardware.validation_sentence(broken))


def test_a_time_whose_interval_reaches_the_bound_does_not_break_it(made, change):
    [first, *_] = bounds.validated(made, next(filter(is_csr, made.cells)))
    bound = first.bound.value
    near = change(made, cell=is_csr, metric="prefill_latency_s", value=0.99 * bound, ci=(0.9 * bound, 1.01 * bound))

    assert not next(iter(bounds.validated(near, next(filter(is_csr, near.cells))))).broken


def test_the_ratio_is_measured_over_modelled(made):
    [first, *_] = bounds.validated(made, made.cells[0])

    assert first.ratio == pytest.approx(0.021 / first.bound.value)


def machine(made, name):
    return next(each for each in made.machines if each.name == name)


def test_the_lowest_bound_on_a_machine_is_named(made, change):
    """CSR at 90 % has the fewest bytes; where all have the same bound, none is named."""
    pi = machine(made, "raspberry-pi-5")
    same = change(made, cell=everywhere, metric="decode_bound_s", value=0.001)

    text = plain(hardware.projection_sentence(made, made.models[0], pi))
    assert "Raspberry Pi 5, 8 GB (modelled): a decoded token of dense takes at least" in text
    assert "the lowest bound is that of magnitude 90 %, CSR" in text
    assert "no variant has a lower bound" in hardware.projection_sentence(same, same.models[0], pi)


def test_what_fits_and_what_does_not(made, change):
    pi, model = machine(made, "raspberry-pi-5"), made.models[0]
    none = change(made, cell=everywhere, metric="sequences_fit", value=0)
    some = change(made, cell=lambda cell: not is_csr(cell), metric="sequences_fit", value=0)

    assert "sequences of 256 tokens fit beside the weights" in plain(hardware.projection_sentence(made, model, pi))
    assert "do not fit, in any variant" in plain(hardware.projection_sentence(none, model, pi))
    assert "Only magnitude 50 %, CSR and magnitude 90 %, CSR of 4 fit" in plain(
        hardware.projection_sentence(some, model, pi)
    )


def test_costs_are_said_only_where_there_is_a_price(made, results):
    assert "a million decoded tokens cost at least" in plain(hardware.cost_sentence(made))
    assert hardware.cost_sentence(results("course")) == ""


def test_older_results_say_nothing_of_all_this(results):
    made = results("course")
    section = execution.section(made, {})

    assert section.sections == ()
    assert time.closure_sentence(made) == hardware.validation_sentence(made) == hardware.method_sentence(made) == ""


def test_projections_are_marked_as_modelled_everywhere(made):
    """In the header of every column with such a number, in the caption, and in every sentence."""
    table = time_tables.projection(made)

    assert {each.kind for each in table.columns if each.numeric} == {"modelled"}
    assert table.caption.startswith("Modelled, not measured")
    validation = {each.title: each.kind for each in time_tables.validation(made).columns}
    assert validation["Bound"] == "modelled"
    assert validation["Time"] == "measured"
    steps_of = {each.title: each.kind for each in time_tables.waterfall(made).columns}
    assert (steps_of["Bytes allow"], steps_of["Model, by Amdahl"], steps_of["Measured"]) == (
        "counted", "modelled", "measured",
    )  # fmt: skip
    for each in bounds.elsewhere(made):
        assert "(modelled)" in hardware.projection_sentence(made, made.models[0], each)


def test_states_that_store_the_same_have_one_row_of_projections(made):
    """A second state in masked storage has the same bounds as the first: its row says how many it is for."""
    masked = next(cell for cell in made.cells if cell.variant.format.entry == "masked")
    twin = masked.model_copy(update={"id": "twin"})
    first = {row.entries[0].text for row in time_tables.projection(made).rows}
    both = time_tables.projection(made.model_copy(update={"cells": (*made.cells, twin)}))

    assert len(both.rows) == len(time_tables.projection(made).rows)
    assert {row.entries[0].text for row in both.rows} - first == {"masked, 2 states"}


def test_a_point_that_all_rows_share_is_said_once(made, change):
    """In the caption; where rows differ, each has its own."""
    table = time_tables.waterfall(made)
    several = made.model_copy(
        update={"cells": tuple(map(at_two_points, made.cells))},
    )

    assert table.caption.endswith("All at batch 1, prompt 128.".replace(" 1", "\u00a01").replace(" 128", "\u00a0128"))
    assert {row.entries[1].below for row in table.rows} == {""}
    assert {plain(row.entries[1].below) for row in time_tables.waterfall(several).rows} == {
        "batch 1, prompt 128", "batch 8, prompt 128",
    }  # fmt: skip


def at_two_points(cell):
    eight = [m.model_copy(update={"conditions": {**m.conditions, "batch": 8}}) for m in cell.metrics]
    return cell.model_copy(update={"metrics": (*cell.metrics, *(m for m in eight if "phase" in m.conditions))})


def test_variants_whose_bytes_allow_no_gain_share_a_sentence(made):
    """CSR at 90 % might gain; masked and CSR at 50 %, as large as dense, cannot."""
    *each, rest = map(plain, time.waterfall_items(made))

    assert [text.partition(":")[0] for text in each] == [
        "Magnitude 90 %, CSR, prefill", "Magnitude 90 %, CSR, decoding",
    ]  # fmt: skip
    assert rest.startswith("The bytes of magnitude 50 %, masked and magnitude 50 %, CSR allow no gain")


def test_what_does_not_fit_is_said_in_the_table(made, change):
    none = change(made, cell=everywhere, metric="sequences_fit", value=0)
    place = [each.title for each in time_tables.projection(none).columns].index("Fit")

    assert {row.entries[place].text for row in time_tables.projection(none).rows} == {"does not fit"}


def test_targets_alone_need_no_timed_variant(made):
    """Without any timing the projections stand, and nothing is said about this machine."""
    cells = tuple(
        cell.model_copy(
            update={
                "metrics": tuple(
                    m for m in cell.metrics if m.noise != "timing" and m.conditions.get("machine") != "this"
                )
            }
        )
        for cell in made.cells
    )
    untimed = made.model_copy(update={"cells": cells, "machines": made.machines[1:]})
    report = build(Results.model_validate(untimed.model_dump()))

    assert "roofline" not in report.drawings
    assert hardware.validation_sentence(untimed) == ""
    assert len(time_tables.projection(untimed).rows) == 8
    assert time_tables.validation(untimed).rows == ()
