"""What is recorded of the machine, and what must not be."""

from __future__ import annotations

import getpass
import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sparsity_report import __version__
from sparsity_report.results.environment import anonymous, capture, fingerprint, tool

if TYPE_CHECKING:
    import pytest


def test_says_what_a_reader_of_timings_must_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")

    record = capture(device="cpu", threads=2, command="sparsity-report run quickstart")

    assert (record.device, record.threads, record.wait_policy) == ("cpu", 2, "passive")
    assert record.variables["OMP_WAIT_POLICY"] == "passive"
    assert record.python == platform.python_version()
    assert record.cpu
    assert record.cores
    assert "torch" in record.packages


def test_names_neither_host_nor_user() -> None:
    home = str(Path.home())

    record = capture(command=f"sparsity-report run {home}/study.toml")

    assert record.command == "sparsity-report run ~/study.toml"
    text = record.model_dump_json()
    assert home not in text
    assert platform.node() not in text
    assert getpass.getuser() == "root" or getpass.getuser() not in text


def test_only_the_home_itself_is_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))

    assert anonymous(f"there is no text:{tmp_path}/mine.txt in {tmp_path}.") == "there is no text:~/mine.txt in ~."
    assert anonymous(f"{tmp_path}-2/mine.txt") == f"{tmp_path}-2/mine.txt"


def test_the_fingerprint_follows_what_changes_timings(monkeypatch: pytest.MonkeyPatch) -> None:
    record = capture(threads=2)

    assert record.fingerprint == fingerprint(record.model_copy(update={"load_average": 99.0, "started": "now"}))
    for change in ({"threads": 1}, {"device": "cuda"}, {"cpu": "another"}, {"packages": {"torch": "0.1"}}):
        assert record.fingerprint != fingerprint(record.model_copy(update=change))
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert record.fingerprint != capture(threads=2).fingerprint


def test_the_network_is_no_matter_of_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    online = capture().fingerprint
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    assert capture().fingerprint == online


def test_the_tool_names_its_version() -> None:
    record = tool()

    assert record.version == __version__
    assert len(record.commit) in (0, 40)


def test_needs_no_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; from sparsity_report.results import environment as e; e.capture()"

    subprocess.run([sys.executable, "-c", code], check=True)
