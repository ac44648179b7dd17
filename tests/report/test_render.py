"""Files of a report, and machines that lack something."""

from __future__ import annotations

import subprocess
import sys

from sparsity_report.report import pdf, render

from .conftest import FIXTURES

RENDER = """
import sys
from pathlib import Path
for name in {blocked!r}:
    sys.modules[name] = None
from sparsity_report.errors import EnvironmentProblem
from sparsity_report.report.render import render
from sparsity_report.results.model import Results
results = Results.model_validate_json(Path({fixture!r}).read_text(encoding="utf-8"))
try:
    for _ in render(results, Path({folder!r}), {outputs!r}):
        pass
except EnvironmentProblem as problem:
    print("PROBLEM", problem)
"""


def run(tmp_path, *, blocked, outputs, fixture="every_cell_failed"):
    script = RENDER.format(
        blocked=blocked, fixture=str(FIXTURES / f"{fixture}.json"), folder=str(tmp_path), outputs=outputs
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)


def test_every_output_is_written(tmp_path, results, pdf_bytes):
    paths = list(render.render(results("every_cell_failed"), tmp_path))

    assert (paths[0].name, paths[-1].name) == ("report.html", "report.pdf")
    assert all(path.stat().st_size > 0 for path in paths)
    assert {"results.csv", "summary.md"} <= {path.name for path in paths}
    assert list(tmp_path.glob(".*.partial")) == []


def test_each_path_is_told_once_it_is_written(tmp_path, results):
    """What fails later leaves the earlier paths told."""
    paths = render.render(results("every_cell_failed"), tmp_path)

    assert not any(tmp_path.iterdir())
    assert next(paths).exists()
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_figures_come_with_their_data(tmp_path, results):
    assert list(render.render(results("course"), tmp_path, ["html"]))
    drawn = {path.stem for path in (tmp_path / "figures").glob("*.svg")}

    assert {
        "headline",
        "quality_sparsity",
        "break_even",
        "group_sparsity",
        "parameter_fraction",
        "flops_by_group",
    } <= drawn
    assert drawn == {path.stem for path in (tmp_path / "figures").glob("*.csv")}
    assert not (tmp_path / "report.pdf").exists()


def test_rendering_imports_neither_torch_nor_transformers(tmp_path):
    done = run(tmp_path, blocked=("torch", "transformers"), outputs=("html",), fixture="course")

    assert done.stdout == ""
    assert (tmp_path / "report.html").stat().st_size > 100_000


def test_without_weasyprint_the_html_is_there_and_the_remedy_is_named(tmp_path):
    done = run(tmp_path, blocked=("weasyprint",), outputs=("html", "pdf"))

    assert "PROBLEM The PDF needs WeasyPrint" in done.stdout
    assert f"the report as {tmp_path / 'report.html'}" in done.stdout
    assert "pip install" in done.stdout
    assert (tmp_path / "report.html").exists()
    assert not (tmp_path / "report.pdf").exists()


class NoPango:
    """A finder that fails like WeasyPrint does where Pango is missing: it prints a notice and raises OSError."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "weasyprint":
            sys.stdout.write("WeasyPrint could not import some external libraries.")
            raise OSError("cannot load library 'libpango-1.0-0'")


def test_without_pango_the_remedy_is_that_of_the_system_and_stdout_stays_clean(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoPango, *sys.meta_path])
    monkeypatch.setattr(sys, "platform", "linux")

    problem = pdf.problem()

    assert problem is not None
    assert "Pango" in problem
    assert "apt-get install libpango" in problem
    assert capsys.readouterr().out == ""


def test_a_machine_that_can_has_no_problem(pdf_bytes):
    assert pdf.problem() is None
