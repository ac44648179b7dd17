"""Whatever a spec is, the command line answers in words and with a code: never a traceback, never for ever."""

from __future__ import annotations

import time
from collections import Counter

import hostile
import pytest
import torch

from sparsity_report.cli import main
from sparsity_report.errors import CELLS_FAILED, ENVIRONMENT, OK, SPEC, USAGE, SparsityReportError
from sparsity_report.spec.load import load_spec

SMALL = """
spec_version = 1
[study]
title = "Small"
authors = [{ name = "A", email = "a@b" }]
seed = 0
[[model]]
source = "bundled:tiny-opt"
dtype = "float32"
[target]
groups = ["attention_linear"]
[data]
evaluation = { source = "embedded", length = 16, windows = 1 }
calibration = { source = "embedded", length = 16, windows = 1, seeds = [0] }
[[variant]]
id = "own"
method = ["magnitude", "wanda"]
scope = "layer"
sparsity = 0.5
format = ["masked", "csr"]
[[variant]]
step = [{ prune = "magnitude", pattern = "2:4" }, { quantize = "rtn", bits = 8 }]
format = "nm"
[metrics]
use = ["storage", "sparsity", "perplexity", "generation"]
generation = { prompts = 1, prompt = 4, tokens = 2 }
[hardware]
threads = 1
[report]
outputs = []
layout = "single-column"
[[expect]]
what = "It is small"
where = { format = "csr" }
metric = "stored_bytes"
over = "target"
relative_to = "dense"
at_most = 1.0
"""
SECONDS = 20
"""More than any of them takes, also on a busy machine."""


@pytest.fixture
def answer(tmp_path, monkeypatch, capsys):
    """`answer(data, verb, …)`: the exit code; fails with the spec where there is a traceback or no word."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    threads = torch.get_num_threads()

    def ask(number: int, data: bytes, *words: str) -> int:
        (tmp_path / "spec.toml").write_bytes(data)
        started = time.monotonic()
        with pytest.raises(SystemExit) as end:
            main((words[0], "spec.toml", *words[1:]))
        said, code = capsys.readouterr().err, end.value.code or OK
        kept = data[:3000].decode(errors="replace")
        assert "Traceback" not in said, (number, said[-1500:], kept)
        assert code in (OK, USAGE, SPEC, ENVIRONMENT, CELLS_FAILED), (number, code, kept)
        assert code == OK or said.strip(), (number, code, kept)
        assert time.monotonic() - started < SECONDS * (1 + 5 * (words[0] == "run")), (number, kept)
        return int(code)

    yield ask
    torch.set_num_threads(threads)


def validated(answer, count: int, seed: int) -> Counter:
    return Counter(answer(number, data, "validate") for number, data in enumerate(hostile.specs(count, seed), start=1))


def test_two_hundred_broken_specs_are_validated(answer):
    found = validated(answer, 200, seed=1)

    assert set(found) <= {OK, SPEC}
    assert found[OK] > 5  # else the mutations would be of no use: some must be harmless
    assert found[SPEC] > 100


@pytest.mark.slow
def test_two_thousand_broken_specs_are_validated(answer):
    found = validated(answer, 2000, seed=0)

    assert set(found) <= {OK, SPEC}
    assert found[OK] > 50


def test_broken_specs_are_planned(answer):
    """What is valid is planned, too: counting must not be the first to notice."""
    codes = Counter(answer(number, data, "plan") for number, data in enumerate(hostile.specs(100, 2, SMALL), start=1))

    assert set(codes) <= {OK, SPEC, ENVIRONMENT}


def executed(answer, tmp_path, count: int, seed: int) -> Counter:
    """
    Mutants of a small study that are valid are run, offline; what does not fit model, text or machine is met there.

    The vocabulary has names that are out of reach and sizes that do not fit.
    """

    def is_valid(text: str) -> bool:
        (tmp_path / "spec.toml").write_text(text, "utf-8")
        try:
            load_spec(tmp_path / "spec.toml")
        except SparsityReportError:
            return False
        return True

    return Counter(
        answer(number, data, "run", "--offline", "--out", f"out-{number}")
        for number, data in enumerate(hostile.valid_ones(count, seed, SMALL, is_valid), start=1)
    )


def test_four_odd_specs_are_run(answer, tmp_path):
    assert executed(answer, tmp_path, 4, seed=3)


@pytest.mark.slow
def test_fifty_odd_specs_are_run(answer, tmp_path):
    found = executed(answer, tmp_path, 50, seed=0)

    assert found[OK] >= 10
    assert found[ENVIRONMENT] + found[SPEC] + found[CELLS_FAILED] >= 5
