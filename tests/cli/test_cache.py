"""`cache`: what a run keeps is shown, verified and trimmed, and no number depends on it."""

from __future__ import annotations

import json
import os

import pytest
from safetensors.torch import load_file

from sparsity_report.cli import main
from sparsity_report.cli.cache import shown, size_of
from sparsity_report.errors import ENVIRONMENT, OK, USAGE, UsageError
from sparsity_report.results import store

SPEC = """
spec_version = 1
[study]
title = "Kept"
[[model]]
source = "bundled:tiny-opt"
[data]
evaluation = { source = "embedded", length = 32, windows = 2 }
[[variant]]
method = "magnitude"
sparsity = [0.3, 0.5]
format = "masked"
[metrics]
use = ["storage", "perplexity"]
[report]
outputs = []
"""


def run(*words) -> int:
    with pytest.raises(SystemExit) as end:
        main(tuple(map(str, words)))
    return int(end.value.code or 0)


@pytest.fixture
def folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept.toml").write_text(SPEC, "utf-8")
    assert run("run", "kept.toml") == OK
    capsys.readouterr()
    return tmp_path / "reports" / "kept"


def told(capsys, *words):
    assert run("cache", *words, "--json") == OK
    return json.loads(capsys.readouterr().out)


def test_it_counts_the_files_of_every_kind(folder, capsys):
    (only,) = told(capsys)
    kinds = only["kinds"]

    assert {kind: each["files"] for kind, each in kinds.items() if kind != "behaviour"} == {
        "cells": 3,
        "details": 3,
        "states": 2,
    }
    assert kinds["states"]["bytes"] == sum(file.stat().st_size for file in folder.glob("artifacts/*"))
    assert only["bytes"] == sum(each["bytes"] for each in kinds.values())
    assert run("cache", folder) == OK
    assert "pruned states: masks and changed weights" in capsys.readouterr().out


def test_what_is_damaged_is_named_and_dropped(folder, capsys):
    state = min(folder.glob("artifacts/*.state.*"))
    data = bytearray(state.read_bytes())
    data[-1] ^= 1
    state.write_bytes(data)
    detail = min(folder.glob("detail/*"))
    detail.write_bytes(detail.read_bytes()[:-3])
    (folder / "cells" / ".a.json.99999999.partial").write_text("", "utf-8")
    assert load_file(state)  # it can still be read: only its hash tells

    (unseen,), (seen,) = told(capsys, folder), told(capsys, folder, "--verify")
    assert "damaged" not in unseen["kinds"]["states"]
    assert seen["kinds"]["states"]["damaged"] == [f"artifacts/{state.name}"]
    assert seen["kinds"]["details"]["damaged"] == [f"detail/{detail.name}"]

    (after,) = told(capsys, folder, "--trim", "1GB")
    assert sorted(after["dropped"]) == sorted(
        [f"artifacts/{state.name}", f"detail/{detail.name}", "cells/.a.json.99999999.partial"]
    )
    assert after["kinds"]["states"]["files"] == 1


def test_trimming_takes_the_longest_unused_state_and_no_number(folder, capsys):
    before = store.read(folder)
    old, new = sorted(folder.glob("artifacts/*.state.*"))
    os.utime(old, (1, 1))
    (whole,) = told(capsys, folder)

    (after,) = told(capsys, folder, "--trim", whole["bytes"] - 1)
    assert after["dropped"] == [f"artifacts/{old.name}"]
    assert new.exists()
    (nothing,) = told(capsys, folder, "--trim", "0")
    assert set(nothing["kinds"]) == {"cells", "details", "behaviour"}
    assert run("run", "kept.toml") == OK
    assert store.read(folder).cells == before.cells


def test_a_folder_that_a_run_owns_is_not_trimmed(folder, tmp_path, capsys):
    with store.locked(folder):
        assert run("cache", folder) == OK
        assert run("cache", folder, "--trim", "0") == ENVIRONMENT
    assert run("cache", tmp_path / "none") == USAGE
    assert run("cache", folder, "--trim", "much") == USAGE
    assert "'much' is no size" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0), ("500", 500), ("2GB", 2 * 10**9), ("1.5 GiB", 1_610_612_736), ("3k", 3000)]
)
def test_sizes(text, expected):
    assert size_of(text) == expected


@pytest.mark.parametrize("text", ["", "-1", "1 XB", "GB", "1e9", "1iB"])
def test_what_is_no_size(text):
    with pytest.raises(UsageError, match="is no size"):
        size_of(text)


@pytest.mark.parametrize(("count", "expected"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2 * 10**9, "2.0 GB")])
def test_bytes_are_shown_in_a_fitting_unit(count, expected):
    assert shown(count) == expected
