"""The functions that Python code and notebooks use."""

from __future__ import annotations

import subprocess
import sys

import pytest

import sparsity_report as sr
from sparsity_report.errors import EnvironmentProblem, UsageError
from sparsity_report.report.tidy import HEADER, results_csv

FIXTURE = "tests/results/fixtures/course.json"


@pytest.fixture
def study(tmp_path, request):
    fixture = request.config.rootpath / FIXTURE
    (tmp_path / "results.json").write_bytes(fixture.read_bytes())
    return sr.read(tmp_path)


def test_the_public_names_are_sorted_and_exist():
    assert sorted(sr.__all__) == sr.__all__
    assert all(callable(getattr(sr, name)) for name in sr.__all__)


def test_importing_the_package_imports_nothing_heavy():
    heavy = "{'torch', 'pydantic', 'matplotlib', 'weasyprint', 'transformers'}"
    code = f"import sys, sparsity_report; sys.exit(len({heavy} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_data_frame_has_one_row_for_each_row_of_the_csv(study):
    pytest.importorskip("pandas")
    frame = study.frame()

    assert list(frame.columns) == list(HEADER)
    assert len(frame) == results_csv(study.results).count("\n") - 1
    dense = study.results.reference(study.results.models[0].id)
    assert dense is not None
    row = frame[(frame["cell"] == dense.id) & (frame["metric"] == "stored_bytes")].iloc[0]
    assert row["value"] == dense.value("stored_bytes")


def test_without_pandas_the_remedy_is_said(study, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)

    with pytest.raises(EnvironmentProblem, match="pip install 'sparsity-report"):
        study.frame()


def test_a_notebook_shows_title_answers_and_table(study):
    page = study._repr_html_()

    assert page.startswith("<h1>")
    assert study.results.study.title in page
    assert "<table>" in page
    assert page.count("<li>") >= 2


def test_a_study_is_rendered_where_it_is_or_elsewhere(study, tmp_path):
    written = study.render([], out=tmp_path / "elsewhere")

    assert {"results.csv", "summary.md"} <= {path.name for path in written}
    assert all(path.is_relative_to(tmp_path / "elsewhere") for path in written)


def test_what_is_not_there_is_said_so(tmp_path):
    with pytest.raises(UsageError):
        sr.read(tmp_path / "nothing")
    with pytest.raises(UsageError):
        sr.load_spec("no_such_spec")


SPEC = """
spec_version = 1
study = { title = "Counted only" }
model = [{ source = "bundled:tiny-opt" }]
data = { evaluation = { source = "embedded", length = 64, windows = 2 } }
metrics = { use = ["storage", "sparsity"] }

[[variant]]
method = "magnitude"
sparsity = 0.5
format = ["masked", "csr"]
"""


def test_a_study_runs_from_python_and_resumes(tmp_path):
    (tmp_path / "counted.toml").write_text(SPEC, encoding="utf-8")
    spec, events = sr.load_spec(tmp_path / "counted.toml"), []
    study = sr.run(spec, out=tmp_path / "run", notify=events.append)
    again = sr.run(tmp_path / "counted.toml", out=tmp_path / "run")

    assert [cell.status for cell in study.results.cells] == ["ok"] * 3
    assert events
    assert again.results.cells == study.results.cells
    assert repr(again).startswith("Study('Counted only', 3 of 3 cells ok")
