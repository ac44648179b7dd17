"""Sentences follow the data: each is tried on data that make it say the opposite."""

from __future__ import annotations

import pytest

from sparsity_report.report import document, facts, names, tables
from sparsity_report.report.build import build
from sparsity_report.report.markup import to_text
from sparsity_report.report.prose import (
    behaviour,
    checks,
    discussion,
    execution,
    headline,
    metrics,
    reproduce,
    storage,
    structure,
    summary,
)
from sparsity_report.results.model import CheckRecord, RegistrationRecord, StudyRecord


def is_csr(cell):
    return cell.variant.format.entry == "csr"


def csr_cells(made):
    return next(cells for cells in storage.compressed(made, made.models[0]) if is_csr(cells[0]))


def test_csr_below_and_above_its_break_even_is_larger_and_smaller(results):
    text = storage.size_sentence(results("course"), csr_cells(results("course"))).replace("\u00a0", " ")

    assert text == (
        "CSR stores the targeted matrices in more bytes than dense at 30 % (1.405×) and at 50 % (1.005×) "
        "and fewer bytes than dense at 70 % (0.605×)."
    )


def test_csr_larger_everywhere_is_said_to_be_larger_only(results):
    text = storage.size_sentence(results("csr_larger_everywhere"), csr_cells(results("csr_larger_everywhere")))

    assert "more bytes than dense" in text
    assert "fewer" not in text


def test_csr_smaller_everywhere_is_said_to_be_smaller_only(results, change):
    made = change(results("course"), cell=is_csr, metric="stored_bytes", value=1_000_000.0)

    text = storage.size_sentence(made, csr_cells(made))

    assert "fewer bytes than dense" in text
    assert "more bytes" not in text


@pytest.mark.parametrize(
    ("dtype", "index", "even"),
    [("float32", "int32", "50"), ("float32", "int64", "66.67"), ("float16", "int32", "66.67")],
)
def test_the_reason_for_csr_follows_from_value_and_index_bytes(results, dtype, index, even):
    """Break-even without pointers is index / (value + index) bytes."""
    model = results("course").models[0].model_copy(update={"dtype": dtype})
    form = csr_cells(results("course"))[0].variant.format.model_copy(update={"params": {"index": index}})

    assert f"only above {even}\u00a0%" in storage.reason_sentence(model, form)


def test_a_format_without_break_even_never_pays(results):
    made = results("course")
    curves = tuple(each.model_copy(update={"break_even": None}) for each in made.models[0].byte_curves)
    model = made.models[0].model_copy(update={"byte_curves": curves})

    assert "larger than dense at every sparsity" in storage.break_even_sentence(model, csr_cells(made))
    assert "breaks even at 50.24" in storage.break_even_sentence(made.models[0], csr_cells(made))


def test_masked_takes_the_dense_bytes_unless_it_does_not(results, change):
    made = results("course")
    more = change(made, cell=lambda each: each.variant.format.entry == "masked", metric="stored_bytes", value=9e6)

    assert "exactly the dense bytes" in storage.masked_sentence(made, made.models[0])
    assert "does not take the dense bytes" in storage.masked_sentence(more, more.models[0])


def speed_of(made, change, ratio, ci):
    altered = change(made, cell=is_csr, metric="prefill_speedup", value=ratio, ci=ci)
    [name] = [name for name in execution.by_format(altered, altered.models[0], "prefill") if name == "CSR"]
    measured = execution.by_format(altered, altered.models[0], "prefill")[name]
    return altered, execution.speed_sentence(altered, altered.models[0], name, "prefill", measured)


def test_slower_is_said_of_ratios_below_the_noise(results, change):
    made, text = speed_of(results("course"), change, 0.5, (0.48, 0.52))

    assert text == "Prefill with CSR is slower than dense in all 3 timed settings (speed-up 0.50×)."
    assert "No compressed variant" in execution.paying_sentence(made)


def test_faster_is_said_of_ratios_above_the_noise(results, change):
    made, text = speed_of(results("course"), change, 1.5, (1.45, 1.55))

    assert "faster than dense in all 3" in text
    assert "turned its zeros into a shorter time" in execution.paying_sentence(made)
    assert "No compressed variant" not in execution.paying_sentence(made)


@pytest.mark.parametrize(("ratio", "ci"), [(1.3, (0.9, 1.7)), (1.015, (1.01, 1.02)), (1.3, None)])
def test_no_difference_inside_interval_or_floor_and_without_an_interval(results, change, ratio, ci):
    """The interval contains 1; the ratio is within the floor of 2 %; there is no interval."""
    _, text = speed_of(results("course"), change, ratio, ci)

    assert "not different from dense in all 3" in text


def test_untimed_studies_claim_nothing_about_time(results):
    made = results("nan_perplexity")

    assert execution.paying_sentence(made) == ""
    assert "Time was not measured" in discussion.timing_limit(made)


def checked(made, verdict):
    """The results with one contract check for every cell whose logits were compared, all of one verdict."""
    metric = "max_abs_logit_difference"
    cells = [cell.id for cell in made.cells if cell.find(metric)]
    checks = tuple(
        CheckRecord(
            what="same", origin="contract", expected="≤ 1", observed="0", verdict=verdict, cells=(cell,), metric=metric
        )
        for cell in cells
    )
    return made.model_copy(update={"checks": checks})


def test_formats_that_agree_leave_behaviour_to_pruning(results, change):
    """The contract checks decide, whatever the size of the logits: 0.5 may be rounding, and 10⁻⁵ too much."""
    made = results("course")
    apart = change(made, cell=is_csr, metric="max_abs_logit_difference", value=0.5)

    def said(found):
        return behaviour.function_sentence(found, found.models[0])

    assert "What changes the predictions is the pruning, not the format" in said(checked(apart, "pass"))
    assert "cannot be put down to pruning alone" in said(checked(made, "miss"))
    assert "differ from the masked model’s by up to 0.50." in said(checked(apart, "cannot_check"))


def test_without_checks_only_the_difference_is_said(results):
    made = results("course").model_copy(update={"checks": ()})
    text = behaviour.function_sentence(made, made.models[0])

    assert "differ from the masked model’s by up to" in text
    assert "same function" not in text


def test_without_a_check_nothing_is_said_about_the_function(results):
    made = results("nan_perplexity")

    assert behaviour.function_sentence(made, made.models[0]) == ""


def is_random(cell):
    return bool(cell.variant.stages) and cell.variant.stages[0].entry == "random"


@pytest.mark.parametrize(
    ("perplexity", "ci", "words"),
    [(500.0, (490.0, 510.0), "is better than random"), (10.0, (9.0, 11.0), "is worse than random"),
     (62.0, (40.0, 90.0), "no clear difference from random")],
)  # fmt: skip
def test_a_criterion_beside_random_pruning(results, change, perplexity, ci, words):
    """T63: better or worse only beyond the intervals."""
    made = change(results("course"), cell=is_random, metric="perplexity", value=perplexity, ci=ci)

    assert words in behaviour.control_sentences(made, made.models[0])[0]


def test_perplexity_that_overlaps_dense_claims_no_change(results, change):
    made = results("course")
    moved = change(made, cell=lambda each: not each.is_reference, metric="perplexity", value=80.0, ci=(78.0, 82.0))

    assert "the intervals overlap" in behaviour.lead_sentence(made, made.models[0])
    assert "30.3\u00a0% higher" in behaviour.lead_sentence(moved, moved.models[0])


def test_perplexity_that_is_not_finite_is_named_and_not_compared(results):
    made = results("nan_perplexity")
    [(name, cells)] = behaviour.series(made, made.models[0]).items()

    assert "at 70\u00a0% it is not finite" in behaviour.sweep_sentence(made, made.models[0], name, cells)


def test_sweep_says_up_to_where_perplexity_stays_close(results, change):
    made = results("course")
    cells = behaviour.series(made, made.models[0])["magnitude (scope global)"]
    worse = change(made, cell=lambda each: not each.is_reference, metric="perplexity", value=200.0)
    worse_cells = behaviour.series(worse, worse.models[0])["magnitude (scope global)"]

    close = behaviour.sweep_sentence(made, made.models[0], "magnitude (scope global)", cells)
    assert "within 10\u00a0% of dense up to 40\u00a0% sparsity" in close
    assert "already at 10\u00a0%" in behaviour.sweep_sentence(
        worse, worse.models[0], "magnitude (scope global)", worse_cells
    )


def test_flops_change_only_where_zeros_are_skipped(results):
    text = structure.flops_sentence(results("course"), results("course").models[0])

    assert "masked 1.00× at every sparsity studied" in text
    assert "CSR 0.42× to 0.75×" in text


def test_nothing_executed_is_the_answer_when_every_cell_failed(results):
    made = results("every_cell_failed")

    assert summary.at_a_glance(made) == ("All 3 cells failed: there are no results, and the reasons follow.",)
    assert "All 3 cells failed" in summary.abstract(made)
    assert len(headline.unfinished_items(made)) == 3


def test_status_counts_every_kind_of_ending(results):
    text = headline.status_sentence(results("hardest"))

    assert text.startswith("Of 32 cells, 27 executed, 1 failed, 2 diverged and 2 not executed")


@pytest.mark.parametrize("name", ["course", "hardest", "nan_perplexity", "csr_larger_everywhere", "every_cell_failed"])
def test_at_most_five_sentences_at_a_glance(results, name):
    assert 1 <= len(summary.at_a_glance(results(name))) <= 5


def test_the_authors_abstract_is_kept_as_it_is(results):
    made = results("course")
    words = StudyRecord(**{**made.study.model_dump(), "abstract": "My own words."})

    assert summary.abstract(made.model_copy(update={"study": words})) == "My own words."


def test_a_labelled_model_is_named_with_its_label(results):
    made = results("hardest")

    sentence = behaviour.lead_sentence(made, made.models[1])
    assert sentence.startswith("On smollm2-135m (de-quantised from Q4_1), ")


def test_checks_that_could_not_be_made_are_not_met(results):
    assert "1 met, 1 undecided and 1 could not be checked" in checks.verdict_sentence(results("hardest"))
    assert "Of 1 published figure beside this study’s own, 1 differs" in checks.published_sentence(results("hardest"))
    assert "no expectations" in checks.verdict_sentence(results("nan_perplexity"))


@pytest.mark.parametrize(
    ("verdicts", "text"),
    [
        ((), ""),
        (("pass",), "The expectation “a0” was met (observed: 0)."),
        (("miss",), "The expectation “a0” was missed (observed: 0)."),
        (("undecided",), "The expectation “a0” is undecided (observed: 0)."),
        (("cannot_check",), "The expectation “a0” could not be checked (observed: 0)."),
        (("pass", "pass"), "Both expectations were met: “a0” (observed: 0) and “a1” (observed: 1)."),
        (("pass", "pass", "pass"), "All 3 expectations were met."),
        (("pass", "miss"), "Of 2 expectations, 1 was met; 1 was missed: “a1” (observed: 1)."),
        (("miss", "miss"), "Of 2 expectations, 2 were missed: the first, “a0” (observed: 0)."),
        (
            ("pass", "undecided", "cannot_check"),
            "Of 3 expectations, 1 was met; 1 is undecided; 1 could not be checked.",
        ),
    ],
)
def test_how_expectations_went_is_told_with_what_was_observed(results, verdicts, text):
    """Checks of the contract between formats are none of the study's expectations."""
    found = tuple(
        CheckRecord(what=f"a{place}", expected="≤ 1", observed=str(place), verdict=verdict)
        for place, verdict in enumerate(verdicts)
    )
    contract = CheckRecord(what="same", origin="contract", expected="≤ 1", observed="0", verdict="pass")
    made = results("course").model_copy(update={"checks": (*found, contract)})

    assert to_text(checks.expectations_sentence(made)) == text


def test_the_control_leads_only_where_nothing_else_was_pruned(results):
    made = results("course")
    random = [cell for cell in made.cells if facts.is_control(cell)]
    others = [cell for cell in made.cells if cell.variant.stages and not facts.is_control(cell)][:1]

    assert not facts.is_control(facts.lead((*random[:1], *others))[0])
    assert facts.is_control(facts.lead(tuple(random))[0])


def test_limits_follow_from_the_data(results):
    course, hardest = results("course"), results("hardest")

    assert discussion.label_limit(course) == ""
    assert "de-quantised from Q4_1" in discussion.label_limit(hardest)
    assert "one seed" in discussion.replicate_limit(course)
    assert "3 replicates" in discussion.replicate_limit(hardest)
    assert discussion.recovery_limit(hardest) == ""
    assert "No variant was trained" in discussion.recovery_limit(course)
    assert discussion.quick_limit(course) == ""
    assert "quick run" in discussion.quick_limit(hardest)


def test_the_least_specific_measurement_is_the_total(results):
    """A total is found also when a component or a group stands before it."""
    cell = results("course").cells[0]
    backwards = cell.model_copy(update={"metrics": tuple(reversed(cell.metrics))})

    assert facts.value(backwards, "stored_bytes", over="target") == 1_536_000 * 4
    assert facts.value(backwards, "sparsity") == 0


LABELLED = "smollm2-135m (de-quantised from Q4_1), "


def only_labelled(made):
    """The results with their second, labelled model alone."""
    model = made.models[1]
    cells = tuple(cell for cell in made.cells if cell.variant.model == model.id)
    return made.model_copy(update={"models": (model,), "cells": cells, "checks": (), "data": ()})


def test_the_label_of_a_single_model_is_said_once_a_paragraph_and_list(results):
    report = build(only_labelled(results("hardest")))
    blocks = list(document.blocks_of(report.sections))
    texts = [each.text for each in blocks if isinstance(each, document.Paragraph)]
    lists = [" ".join(each.items) for each in blocks if isinstance(each, document.Bullets)]
    counts = [each.count(LABELLED) for each in (*texts, *lists)]

    assert max(counts) == 1
    assert sum(counts) > 3
    assert " ".join(report.glance).count(LABELLED) == 1
    assert report.abstract.count(f"On {LABELLED}") <= 1


def test_sentences_without_their_label_begin_with_a_capital(results):
    made, prefix = only_labelled(results("hardest")), f"On {LABELLED}"

    assert names.once(made, (f"{prefix}a is b. {prefix}c is d.", f"{prefix}e.")) == (f"{prefix}a is b. C is d.", "E.")


def test_several_models_are_named_in_every_sentence(results):
    texts = ("On tiny-opt, a.", f"On {LABELLED}b.", f"On {LABELLED}c.")

    assert names.once(results("hardest"), texts) == texts


def test_the_last_command_is_timed_and_shared_time_is_explained(results):
    made = results("course")

    assert "The last command took" in reproduce.seconds_sentence(made)
    assert "shared by its formats" in tables.cells(made).caption


def test_equations_are_those_that_the_entries_recorded(results):
    """Another equation of the format is printed as it is; formats without one get none."""
    made = results("course")
    entries = tuple(
        each.model_copy(update={"equation": "B = 7", "spoken": "seven"}) if each.name == "csr" else each
        for each in made.entries
    )
    blocks = metrics.storage(made.model_copy(update={"entries": entries}))
    shown = {each.id: each.tex for each in blocks if isinstance(each, document.Equation)}

    assert {target: tex for target, tex in shown.items() if target.endswith("_bytes")} == {"eq:csr_bytes": "B = 7"}


def registered(made, *, late=0, dropped=(), before="2026-01-02T03:04:05+00:00"):
    """The results with three expectations, the first `late` of which came after the first result."""
    found = tuple(
        CheckRecord(what=f"claim {number}", expected="1", observed="1", verdict="pass", late=number < late)
        for number in range(3)
    )
    whats = tuple(each.what for each in found if each.late)
    record = RegistrationRecord(
        sha256="ab" * 32, registered=before, changed="later" if late or dropped else "", late=whats, dropped=dropped
    )
    return made.model_copy(update={"checks": found, "registration": record})


def test_the_report_says_whether_expectations_came_before_the_results(results):
    made = results("course")

    assert checks.registration_sentence(registered(made)) == (
        "The 3 expectations were registered on 2026-01-02 03:04:05 UTC, before the first result in this folder "
        "(sha256 abababababab)."
    )
    assert "Of 3 expectations, 1 is newer than the first result" in checks.registration_sentence(
        registered(made, late=1)
    )
    assert "1 more were dropped since" not in checks.registration_sentence(registered(made))
    assert "1 more was dropped since" in checks.registration_sentence(registered(made, dropped=("claim 7",)))
    assert "had results already" in checks.registration_sentence(registered(made, late=3, before=""))
    assert checks.registration_sentence(made.model_copy(update={"registration": None})) == ""


def test_a_late_expectation_is_marked_in_the_table(results):
    rows = tables.checks(registered(results("course"), late=1)).rows

    assert [row.entries[3].below for row in rows] == ["stated after results", "", ""]
