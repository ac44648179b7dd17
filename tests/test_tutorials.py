"""
A tutorial is run as a reader would: its files are written, its commands typed in order, in one folder.

`<!-- file: NAME -->` before a fence names the file that it is; `<!-- exits with N -->` before commands says how they
end; `<!-- workflow: SYSTEM -->` before YAML says whose it is. Fences of commands are `sh`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from sparsity_report.cli import VERBS
from sparsity_report.spec.load import load_spec

ROOT = Path(__file__).parent.parent
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
FENCE = re.compile(r"(?:^<!-- (?P<mark>.+?) -->\n)?^```(?P<language>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Fence:
    """A fenced block; `file` is the file that it is, `exit_code` what its commands end with."""

    language: str
    body: str
    file: str
    exit_code: int


def fences(tutorial: Path) -> list[Fence]:
    found = []
    for match in FENCE.finditer(tutorial.read_text(encoding="utf-8")):
        words, _, value = (match["mark"] or "").rpartition(" ")
        assert words in ("", "file:", "exits with", "workflow:"), match["mark"]
        code = int(value) if words == "exits with" else 0
        found.append(Fence(match["language"], match["body"], value if words == "file:" else "", code))
    return found


def name(tutorial: Path) -> str:
    return tutorial.stem


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=name)
def test_the_commands_of_a_tutorial_exist(tutorial):
    commands = "\n".join(fence.body for fence in fences(tutorial) if fence.language == "sh")
    used = set(re.findall(r"sparsity-report ([a-z]+)", commands))

    assert used
    assert used <= set(VERBS)


@pytest.mark.parametrize("tutorial", [each for each in TUTORIALS if each.stem != "new-method"], ids=name)
def test_the_specs_of_a_tutorial_are_valid(tutorial, tmp_path):
    files = [fence for fence in fences(tutorial) if fence.file]
    for fence in files:
        (tmp_path / fence.file).write_text(fence.body, encoding="utf-8")
    specs = [fence.file for fence in files if fence.language == "toml"]

    assert [load_spec(tmp_path / spec).spec.spec_version for spec in specs] == [1]


@pytest.mark.slow
@pytest.mark.parametrize("tutorial", TUTORIALS, ids=name)
def test_a_tutorial_works_from_its_first_to_its_last_command(tutorial, tmp_path):
    """With our `sparsity-report` first in the path, and packages installed into a folder that is thrown away."""
    programs, packages, here = tmp_path / "bin", tmp_path / "packages", tmp_path / "here"
    here.mkdir()
    programs.mkdir()
    for program, module in (("sparsity-report", "sparsity_report"), ("python", ""), ("pip", "pip")):
        words = f"{sys.executable} -m {module}" if module else sys.executable
        (programs / program).write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        (programs / program).chmod(0o755)
    environment = os.environ | {
        "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(packages), str(ROOT)]),
        "PIP_TARGET": str(packages),
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it the wrong way round: "no" to isolation (pypa/pip#5735)
        "HF_HUB_OFFLINE": "1",
    }
    for fence in fences(tutorial):
        if fence.file:
            (here / fence.file).parent.mkdir(exist_ok=True)
            (here / fence.file).write_text(fence.body, encoding="utf-8")
        elif fence.language == "sh":
            command = ["sh", "-e", "-c", fence.body]
            done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == fence.exit_code, f"{fence.body}\n{done.stdout}\n{done.stderr}"
