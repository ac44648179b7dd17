"""Nothing is said or drawn of what this study does not have; and it is, of what it has."""

from __future__ import annotations

import pytest

from sparsity_report.report import numbers, result_tables, tables
from sparsity_report.report.figures import break_even, pareto_bytes, storage_components
from sparsity_report.report.markup import to_text
from sparsity_report.report.prose import checks, deploy, execution, setup, summary

UNCOMPRESSED = ("dense", "masked")


@pytest.fixture
def course(results):
    return results("course")


@pytest.fixture
def masked_only(course):
    """The study without its compressed cells."""
    return course.model_copy(
        update={"cells": tuple(cell for cell in course.cells if cell.variant.format.entry in UNCOMPRESSED)}
    )


def test_what_a_gpu_takes_is_said_on_one_and_where_a_cell_was_not_executed(course):
    entries = tuple(
        each.model_copy(update={"constraints": ("needs CUDA",)}) if each.name == "csr" else each
        for each in course.entries
    )
    here = course.model_copy(update={"entries": entries})
    on_gpu = here.model_copy(update={"environment": here.environment.model_copy(update={"device": "cuda"})})
    skipped = [
        cell.model_copy(update={"status": "not_executed"}) if cell.variant.format.entry == "csr" else cell
        for cell in here.cells
    ]

    assert "CUDA" not in " ".join(setup.entry_items(here, "format"))
    for each in (on_gpu, here.model_copy(update={"cells": tuple(skipped)})):
        assert "Needs CUDA." in " ".join(setup.entry_items(each, "format"))


def test_the_glossary_has_what_was_found_and_without_results_what_was_asked_for(course):
    spare = course.quantities[0].model_copy(update={"name": "never_measured"})
    asked = course.model_copy(update={"quantities": (*course.quantities, spare)})
    failed = asked.model_copy(update={"cells": tuple(cell.model_copy(update={"metrics": ()}) for cell in asked.cells)})

    assert "never_measured" not in {row.entries[0].text for row in tables.quantities(asked).rows}
    assert "never_measured" in {row.entries[0].text for row in tables.quantities(failed).rows}


def test_bytes_that_all_variants_share_are_no_figure_and_no_table(course, masked_only):
    for draw in (storage_components.draw, pareto_bytes.draw):
        assert draw(course) is not None
        assert draw(masked_only) is None
    assert result_tables.components(course).rows
    assert not result_tables.components(masked_only).rows


def test_the_caption_of_break_even_speaks_of_points_where_there_are_any(course, masked_only):
    assert "filled points" in break_even.draw(course).caption
    assert "filled points" not in break_even.draw(masked_only).caption


def test_seeds_are_in_the_summary_of_a_study_that_has_them(shown):
    for name, has in (("calibrated", True), ("course", False)):
        made = shown(name)
        for text in (" ".join(summary.at_a_glance(made)), summary.abstract(made)):
            assert ("seeds differ in perplexity" in text) is has


def test_what_was_expected_is_told_at_a_glance_and_what_to_deploy_in_the_abstract(shown):
    made = shown("course")
    expected, deployed = checks.expectations_sentence(made), deploy.smallest_sentence(made, made.models[0])

    assert expected
    assert expected in summary.at_a_glance(made)
    assert deployed
    assert to_text(deployed) in summary.abstract(made)


def test_of_several_observations_the_first_is_told(shown):
    check = shown("course").checks[0].model_copy(update={"origin": "expect", "observed": "1.5; 1.6; 1.7"})
    made = shown("course").model_copy(update={"checks": (check,)})

    assert "(observed: 1.5, and 2 more)" in checks.expectations_sentence(made)


def test_the_abstract_names_the_best_method_and_has_no_marks(shown):
    text = summary.abstract(shown("calibrated"))

    assert "clearly" in text
    assert "\ue000" not in text


def test_letters_of_the_scores_are_explained_where_there_are_any(results):
    without = results("course")
    without = without.model_copy(
        update={"entries": tuple(each.model_copy(update={"equation": ""}) for each in without.entries)}
    )

    assert "calibration" not in setup.symbols_sentence(results("course"))
    assert "the inputs that calibration saw" in setup.symbols_sentence(results("calibrated"))
    assert setup.symbols_sentence(without) == ""


def test_two_are_both_and_none_is_no_core(course, change):
    two = course.model_copy(update={"checks": (course.checks[0].model_copy(update={"verdict": "pass"}),) * 2})
    speeds = execution.by_format(course, course.models[0], "prefill")
    name, found = next((name, each) for name, each in speeds.items() if each)
    reading = course.cells[0].metrics[0].model_copy(update={"metric": "other_cores"})

    def beside(cores):
        cell = course.cells[0].model_copy(update={"metrics": (reading.model_copy(update={"value": cores}),)})
        return execution.hour_sentence(course.model_copy(update={"cells": (cell,)}))

    assert checks.verdict_sentence(two).startswith("Both checks were met")
    assert "in both timed settings" in execution.speed_sentence(
        course, course.models[0], name, "prefill", found[:1] * 2
    )
    assert "in all 3 timed" in execution.speed_sentence(course, course.models[0], name, "prefill", found[:1] * 3)
    assert "kept no core busy" in beside(0.02)
    assert "kept at most 1.5 cores busy" in beside(1.5)


@pytest.mark.parametrize(("ratio", "text"), [(0.654, "0.65×"), (9.5, "9.50×"), (15.414, "15.4×"), (3522.7, "3,523×")])
def test_large_factors_have_three_digits(ratio, text):
    assert numbers.times(ratio) == text
