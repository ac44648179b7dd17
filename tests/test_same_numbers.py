"""The same numbers and the same files, whatever the threads, the hash seed, the locale and the time zone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sparsity_report.engine.run import Options, run_study
from sparsity_report.results import store
from sparsity_report.spec.load import load_spec

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "tests" / "results" / "fixtures"
SPEC = """
spec_version = 1
[study]
title = "Same – 数"
[[model]]
source = "bundled:tiny-opt"
[data]
evaluation = { source = "embedded", length = 64, windows = 4 }
calibration = { source = "embedded", length = 64, windows = 4 }
[[variant]]
method = METHODS
sparsity = 0.5
format = ["masked", "csr"]
[[variant]]
method = "wanda"
pattern = "2:4"
format = "nm"
[metrics]
use = ["storage", "sparsity", "perplexity", "flips", "ranks", "confidence", "reconstruction", "generation"]
generation = { prompts = 1, prompt = 8, tokens = 4 }
[report]
outputs = []
"""
HERE = {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
ELSEWHERE = {
    "PYTHONHASHSEED": "4294967295",
    "TZ": "Asia/Kathmandu",
    "LC_ALL": "C",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONUTF8": "0",  # files that are opened without an encoding are ASCII
    "LANGUAGE": "tr",
}
OF_ONE_PASS = 1e-6
"""Relative: how far apart 1 and 2 threads may be where sums are taken in another order, once."""
OF_A_SOLUTION = 1e-4
"""Where a linear system is solved in between, whose errors grow with its condition: SparseGPT."""


def floats(results):
    return {
        (cell.id, each.metric, str(sorted(each.conditions.items()))): each.value
        for cell in results.cells
        for each in cell.metrics
        if each.noise == "float" and each.metric != "max_abs_logit_difference"
    }


def counted(results):
    return [
        (cell.id, each.metric, each.conditions, each.value)
        for cell in results.cells
        for each in cell.metrics
        if each.noise == "exact"
    ]


def within_bounds(one, other):
    """Counted numbers equal, floats within what is stated."""
    assert counted(one) == counted(other) != []
    first, second = floats(one), floats(other)
    assert first.keys() == second.keys()
    for key, value in first.items():
        bound = OF_A_SOLUTION if "sparsegpt" in key[0] else OF_ONE_PASS
        assert second[key] == pytest.approx(value, rel=bound, abs=1e-9), key


@pytest.fixture
def spec(tmp_path):
    def written(methods: str) -> Path:
        (tmp_path / "same.toml").write_text(SPEC.replace("METHODS", methods), "utf-8")
        return tmp_path / "same.toml"

    threads = torch.get_num_threads()
    yield written
    torch.set_num_threads(threads)


def test_one_and_two_threads_agree(spec, tmp_path):
    """The masks of magnitude and Wanda are the same bits, and so is what is counted."""
    file = spec('["magnitude", "wanda"]')
    one, two = (
        run_study(
            load_spec(file, overrides=(f"hardware.threads={threads}",)),
            tmp_path / str(threads),
            Options(),
            lambda _: None,
        )
        for threads in (1, 2)
    )

    within_bounds(one, two)
    assert [each.jaccard for each in one.overlaps] == [each.jaccard for each in two.overlaps]


def process(folder: Path, variables: dict[str, str], *words: str) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    command = [sys.executable, "-m", "sparsity_report", *words]
    environment = clean | {"PYTHONPATH": str(ROOT)} | variables
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def rendered(tmp_path: Path, name: str, outputs: tuple[str, ...]) -> list[dict[str, bytes]]:
    """The files that two processes make of the same results."""
    found = []
    for place, variables in (("here", HERE), ("elsewhere", ELSEWHERE)):
        folder = tmp_path / place / "run"
        folder.mkdir(parents=True)
        (folder / "results.json").write_bytes((FIXTURES / f"{name}.json").read_bytes())
        process(folder.parent, variables, "render", "run", *(word for each in outputs for word in ("--output", each)))
        found.append(files_of(folder))
    return found


def test_files_are_the_same_bytes_everywhere(tmp_path):
    here, elsewhere = rendered(tmp_path, "every_cell_failed", ("html",))

    assert here.keys() == elsewhere.keys()
    assert [name for name in here if here[name] != elsewhere[name]] == []
    assert {"report.html", "summary.md", "results.csv"} <= here.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["course", "two_texts"])
def test_figures_tables_and_pdf_are_the_same_bytes_everywhere(tmp_path, pdf_or_skip, name):
    here, elsewhere = rendered(tmp_path, name, ("html", "pdf", "latex"))

    assert [name for name in here if here[name] != elsewhere[name]] == []
    assert here.keys() == elsewhere.keys()
    assert len(here) > 30


@pytest.fixture
def pdf_or_skip():
    from sparsity_report.report import pdf

    if (problem := pdf.problem()) is not None:
        pytest.skip(problem)


@pytest.mark.slow
def test_every_method_gives_the_same_numbers_in_another_process(spec, tmp_path):
    """Equal to the last bit with one thread in another environment; within the stated bounds with two."""
    file = spec('["magnitude", "wanda", "ria", "sparsegpt", "dsnot", "taylor", "random"]')
    runs = {}
    for name, variables, threads in (("here", HERE, 1), ("elsewhere", ELSEWHERE, 1), ("two", HERE, 2)):
        words = ("--out", name, "--set", f"hardware.threads={threads}")
        process(tmp_path, variables | {"OMP_NUM_THREADS": str(threads)}, "run", file.name, *words)
        runs[name] = store.read(tmp_path / name)

    assert floats(runs["here"]) == floats(runs["elsewhere"])
    assert counted(runs["here"]) == counted(runs["elsewhere"])
    assert runs["here"].generations == runs["elsewhere"].generations
    assert runs["here"].overlaps == runs["elsewhere"].overlaps
    within_bounds(runs["here"], runs["two"])
