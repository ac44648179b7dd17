"""The contract of results.json: the hand-written studies are valid, and contradictions are refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sparsity_report.results.model import CellRecord, Results

HERE = Path(__file__).parent
FIXTURES = sorted((HERE / "fixtures").glob("*.json"))


def load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((HERE / "fixtures" / f"{name}.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture
def course() -> Results:
    return Results.model_validate(load("course"))


def test_the_studies_are_there():
    """A loop over no files would pass every test below."""
    names = {path.stem for path in FIXTURES}

    expected = {
        "course",
        "hardest",
        "every_cell_failed",
        "nan_perplexity",
        "csr_larger_everywhere",
        "calibrated",
        "projected",
        "two_texts",
    }
    assert names == expected


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_a_study_survives_the_round_trip(path: Path):
    """Reading, writing and reading again loses nothing."""
    first = Results.model_validate_json(path.read_text(encoding="utf-8"))

    assert Results.model_validate_json(first.model_dump_json()) == first


def test_the_studies_are_what_their_generator_writes(tmp_path: Path):
    """Nobody edits a fixture by hand and loses the change at the next generation."""
    subprocess.run([sys.executable, str(HERE / "make_fixtures.py"), str(tmp_path)], check=True)

    assert {path.name: path.read_text() for path in FIXTURES} == {
        path.name: path.read_text() for path in tmp_path.glob("*.json")
    }


def test_csr_at_30_percent_is_counted_with_indices_and_pointers(course: Results):
    """
    The fixture's bytes follow the formula, here worked out by hand for five blocks.

    A block has 4 · 160² + 2 · 160 · 640 = 307,200 weights in 4 · 160 + 640 + 160 = 1,440 rows of six matrices. Of
    5 · 307,200 = 1,536,000 weights ⌊0.3 · 1,536,000⌋ = 460,800 are zero.
    """
    (csr,) = [each for each in course.cells if each.id.startswith("magnitude-global-30-csr")]
    kept = 1_536_000 - 460_800

    assert csr.value("stored_bytes", over="target", component="values") == 4 * kept
    assert csr.value("stored_bytes", over="target", component="indices") == 4 * kept
    assert csr.value("stored_bytes", over="target", component="pointers") == 4 * 5 * (1440 + 6)


def test_the_hardest_study_holds_every_status_and_verdict():
    """What later work brings must have its place in the contract now."""
    hardest = Results.model_validate(load("hardest"))

    assert {cell.status for cell in hardest.cells} == {"ok", "failed", "diverged", "not_executed"}
    assert {check.verdict for check in hardest.checks} == {"pass", "miss", "undecided", "cannot_check"}
    assert max(len(cell.variant.stages) for cell in hardest.cells) == 3
    assert {model.label for model in hardest.models} == {"", "de-quantised from Q4_1"}


def test_find_matches_the_conditions_that_are_given(course: Results):
    """`find` takes the first measurement that has at least the given conditions."""
    dense = course.reference("tiny-opt")

    assert dense is not None
    assert dense.value("parameter_fraction", group="attention_linear") == 515_200 / 1_956_640
    assert dense.find("parameter_fraction", group="nowhere") is None


def test_a_non_finite_value_is_refused(course: Results):
    """JSON has no NaN: a diverged value is null."""
    record = course.cells[0].metrics[0].model_dump() | {"value": float("nan")}

    with pytest.raises(ValidationError, match="finite"):
        CellRecord.model_validate(course.cells[0].model_dump() | {"metrics": [record]})


def test_a_measurement_may_not_stand_twice(course: Results):
    """(metric, conditions) is an identity within a cell."""
    record = course.cells[0].metrics[0].model_dump()

    with pytest.raises(ValidationError, match="occurs twice"):
        CellRecord.model_validate(course.cells[0].model_dump() | {"metrics": [record, record]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda study: study["cells"].append(study["cells"][0]), "same id"),
        (lambda study: study["cells"][1]["variant"].update(model="nobody"), "not among the models"),
        (lambda study: study["cells"][3]["metrics"][-1].update(anchor="nobody"), "which is no cell"),
        (lambda study: study.update(schema_version=2), "schema_version"),
        (lambda study: study.update(colour="blue"), "colour"),
    ],
    ids=["duplicated cell", "unknown model", "unknown anchor", "other schema", "unknown key"],
)
def test_contradictions_are_refused(change: Any, message: str):
    """Two cells of one id, names that lead nowhere, other schemas and unknown keys do not validate."""
    study = load("course")
    change(study)

    with pytest.raises(ValidationError, match=message):
        Results.model_validate(study)
