"""The run folder: files are complete or absent, what the disk does has a remedy, results read back equal."""

from __future__ import annotations

import errno
import gzip
import json

import pytest
from tiny_results import cell, perplexity, results

from sparsity_report.errors import CannotCheck, EnvironmentProblem, UsageError
from sparsity_report.results import store


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = store.write_bytes(tmp_path / "report.html", b"old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(EnvironmentProblem, match="disk is full"):
        store.write_bytes(path, b"new")

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_trouble_of_the_disk_is_not_explained_away(tmp_path):
    with pytest.raises(OSError, match="odd"), store.disk_problems(tmp_path):
        raise OSError(errno.EIO, "odd")


def test_results_read_back_equal(tmp_path):
    found = results(cell("dense", perplexity(10.5, (9.0, 12.0))), cell("csr", perplexity(None)))
    store.write(tmp_path, found)

    assert store.read(tmp_path) == found
    assert store.read(tmp_path / "results.json") == found


def test_numbers_that_json_has_not_are_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        store.write_json(tmp_path / "a.json", {"value": float("nan")})


def test_damaged_json_is_as_good_as_none(tmp_path):
    (tmp_path / "a.json").write_text('{"cut', encoding="utf-8")

    assert store.read_json(tmp_path / "a.json") is None
    assert store.read_json(tmp_path / "missing.json") is None


def test_results_of_another_version_cannot_be_checked(tmp_path):
    (tmp_path / "results.json").write_text('{"schema_version": 99}', encoding="utf-8")

    with pytest.raises(CannotCheck, match="schema_version"):
        store.read(tmp_path)
    with pytest.raises(UsageError, match="no results"):
        store.read(tmp_path / "elsewhere")


def test_equal_details_are_equal_bytes(tmp_path):
    for name in ("a", "b"):
        store.write_detail(tmp_path, name, {"prefill": [0.1, 0.2]})
    first, second = (tmp_path / "detail" / f"{name}.json.gz" for name in ("a", "b"))

    assert first.read_bytes() == second.read_bytes()
    assert json.loads(gzip.decompress(first.read_bytes())) == {"prefill": [0.1, 0.2]}


def test_a_lock_is_free_again_after_the_run(tmp_path):
    with store.locked(tmp_path), pytest.raises(EnvironmentProblem, match="another run"), store.locked(tmp_path):
        pass
    with store.locked(tmp_path):
        pass
