"""Several studies as one report: nothing of one is pooled with another, and what does not go together is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from sparsity_report.errors import UsageError
from sparsity_report.report import figures, replicates
from sparsity_report.report.build import ReportModel, build
from sparsity_report.report.render import render
from sparsity_report.results import store
from sparsity_report.results.model import HistogramRecord, HistogramState, Results
from sparsity_report.results.together import _LISTS, together

FIXTURES = Path(__file__).parent / "fixtures"


def read(name: str) -> Results:
    return Results.model_validate_json((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def course() -> Results:
    return read("course")


@pytest.fixture(scope="module")
def both(course: Results) -> Results:
    """The same numbers twice, which seeds of one study would be pooled from."""
    return together({"monday": course, "friday": course}, ["a/results.json", "b/results.json"])


@pytest.fixture(scope="module")
def report(both: Results) -> ReportModel:
    return build(both)


def changed(results: Results, **fields: object) -> Results:
    return Results.model_validate(results.model_copy(update=fields).model_dump())


def test_every_number_is_there_once_for_each_study(course: Results, both: Results):
    values = [each.value for cell in course.cells for each in cell.metrics]

    assert [each.value for cell in both.cells for each in cell.metrics] == values * 2
    assert [cell.id for cell in both.cells][:2] == [f"monday.{cell.id}" for cell in course.cells][:2]
    assert [model.id for model in both.models] == ["monday/tiny-opt", "friday/tiny-opt"]


def test_equal_cells_of_two_studies_are_no_seeds_of_one(both: Results):
    assert replicates.pooled(both) is both


def test_references_between_records_stay_within_a_study():
    """Anchors, states of overlaps and tipping points, and cells of checks mean what they meant."""
    found = together({"one": read("calibrated"), "two": read("calibrated")})
    ids, nodes = {cell.id for cell in found.cells}, {node.key for node in found.nodes}

    assert all(each.anchor is None or each.anchor.split(".")[0] == cell.id.split(".")[0]
               for cell in found.cells for each in cell.metrics)  # fmt: skip
    assert {cell.node for cell in found.cells if cell.variant.stages} >= nodes
    assert found.overlaps
    assert all({each.first, each.second} <= nodes for each in found.overlaps)
    assert all(each.first.startswith(each.model.split("/")[0]) for each in found.overlaps)
    assert all(set(each.cells) <= ids for each in found.checks)
    assert found.reference("two/tiny-opt") is not None


def test_histograms_follow_their_states(course: Results):
    states = tuple(HistogramState(node=cell.node, counts=(3,), zeros=1) for cell in course.cells[:2])
    record = HistogramRecord(model=course.models[0].id, edges=(-1, 1), rms=0.5, states=states)
    joint = together({"one": changed(course, histograms=(record,)), "two": course})

    assert [each.model for each in joint.histograms] == ["one/tiny-opt"]
    assert {each.node for each in joint.histograms[0].states} <= {cell.node for cell in joint.cells}


def test_every_list_of_records_is_gathered(both: Results, course: Results):
    """A list that a later version adds must not be forgotten here."""
    lists = {name for name, field in Results.model_fields.items() if "tuple" in str(field.annotation)}

    assert lists - set(_LISTS) == {"parts", "tasks", "entries", "quantities", "machines"}


def test_the_report_says_where_each_study_comes_from(report: ReportModel):
    page = " ".join(str(block) for section in report.sections for block in section.blocks)

    assert "2 studies that were run apart: monday" in page
    assert "sparsity-report render a/results.json b/results.json --out together" in page
    assert page.count("The spec of ") == 2
    assert {"monday/tiny-opt", "friday/tiny-opt"} <= set(re.findall(r"\w+/tiny-opt", str(report.glance)))


def test_each_spec_is_a_file_of_its_own(
    both: Results, report: ReportModel, course: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """One after the other they are no spec; beside the report and in its page each is, and a study runs from it."""
    monkeypatch.setattr(figures, "draw_all", lambda results: report.drawings)
    written = list(render(both, tmp_path, ("html",)))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")

    for name in ("monday", "friday"):
        assert tmp_path / "specs" / f"{name}.toml" in written
        assert (tmp_path / "specs" / f"{name}.toml").read_text(encoding="utf-8") == course.spec.text
        assert f"<code>specs/{name}.toml</code>" in page
        assert f'data-plain="monday-friday-{name}.toml"' in page or f'download="monday-friday-{name}.toml"' in page
    assert not (tmp_path / "spec.toml").exists()


def test_a_study_s_name_leads_to_no_other_folder(both: Results):
    stray = both.model_dump()
    stray["parts"][0]["name"] = "../monday"

    with pytest.raises(ValidationError, match="pattern"):
        Results.model_validate(stray)


def test_an_author_s_text_is_left_out_and_said(course: Results):
    told = changed(course, study=course.study.model_copy(update={"abstract": "Ours is best."}))
    found = together({"a": course.model_copy(update={"study": told.study}), "b": told})

    assert found.study.abstract == ""
    assert [alert.text for alert in found.alerts if "text of" in alert.text] == [
        f"The author’s text of {name} speaks of its own cells: it stands in its own report." for name in "ab"
    ]


def test_results_of_several_studies_are_results(both: Results):
    """What is attached to the PDF renders again."""
    assert Results.model_validate_json(store.text(both)) == both


def test_other_protocols_of_one_text_are_refused(course: Results):
    data = tuple(each.model_copy(update={"protocol": "another"}) for each in course.data)

    with pytest.raises(UsageError, match=r"the perplexity on embedded is not the same in a .* and in b \(another"):
        together({"a": course, "b": changed(course, data=data)})


def test_times_of_different_machines_are_refused(course: Results):
    elsewhere = course.environment.model_copy(update={"fingerprint": "elsewhere"})
    other = changed(course, environment=elsewhere)
    untimed = changed(
        other,
        cells=tuple(
            cell.model_copy(update={"metrics": tuple(each for each in cell.metrics if each.noise != "timing")})
            for cell in other.cells
        ),
    )

    with pytest.raises(UsageError, match="a and b were timed on different machines"):
        together({"a": course, "b": other})
    assert together({"a": course, "b": untimed}).environment.fingerprint == ""


def test_other_versions_of_an_entry_are_refused(course: Results):
    entries = tuple(each.model_copy(update={"result_version": 7}) for each in course.entries)

    with pytest.raises(UsageError, match="result_version 7"):
        together({"a": course, "b": changed(course, entries=entries)})


def test_a_machine_that_each_study_measured_anew_is_left_out_and_said():
    projected = read("projected")
    machines = tuple(each.model_copy(update={"bandwidth": 1.0}) for each in projected.machines)
    assert machines

    found = together({"a": projected, "b": changed(projected, machines=machines)})

    assert found.machines == ()
    assert not [each for cell in found.cells for each in cell.metrics if "machine" in each.conditions]
    assert any("is left out: the studies have different figures of it" in alert.text for alert in found.alerts)
    assert together({"a": projected, "b": projected}).machines == projected.machines
