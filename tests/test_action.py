"""The composite action: its files are well-formed, its script does what it says, and no input is ever code."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from packaging.requirements import Requirement

from sparsity_report.cli import VERBS

ROOT = Path(__file__).parents[1]
ACTION = ROOT / ".github" / "actions" / "study"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

SPEC = """
spec_version = 1
[study]
title = "In CI <b>`|"
[[model]]
source = "bundled:tiny-opt"
[data]
evaluation = { source = "embedded", length = 32, windows = 2 }
[[variant]]
method = "magnitude"
sparsity = 0.7
format = "csr"
[metrics]
use = ["storage", "perplexity"]
[report]
outputs = []
[[expect]]
what = "CSR is smaller"
where = { format = "csr" }
metric = "stored_bytes"
over = "target"
relative_to = "dense"
at_most = 0.7
on_miss = "fail"
"""


def described():
    return yaml.safe_load((ACTION / "action.yml").read_text("utf-8"))


def test_every_input_that_is_used_is_described_and_the_other_way_round():
    text = (ACTION / "action.yml").read_text("utf-8")
    known = described()

    assert set(known["inputs"]) == set(re.findall(r"inputs\.([\w-]+)", text))
    assert all(each["description"] for each in known["inputs"].values())
    steps = {step.get("id") for step in known["runs"]["steps"]}
    assert set(re.findall(r"steps\.([\w-]+)\.", text)) <= steps


@pytest.mark.parametrize("file", [ACTION / "action.yml", *WORKFLOWS], ids=lambda file: file.name)
def test_no_expression_stands_in_a_script(file):
    """An input, a branch's name or a title that is pasted into a script is code; as a variable it is text."""

    def scripts(found):
        if isinstance(found, dict):
            yield from ([found["run"]] if isinstance(found.get("run"), str) else [])
            for each in found.values():
                yield from scripts(each)
        elif isinstance(found, list):
            for each in found:
                yield from scripts(each)

    every = list(scripts(yaml.safe_load(file.read_text("utf-8"))))
    assert every
    assert [each for each in every if "${{" in each] == []


def documented(system: str):
    """The workflow of the tutorial."""
    text = (ROOT / "docs" / "tutorials" / "ci.md").read_text("utf-8")
    return yaml.safe_load(re.search(rf"<!-- workflow: {system} -->\n```yaml\n(.*?)^```", text, re.M | re.S)[1])


def test_the_documented_workflow_calls_the_action_as_it_is():
    (job,) = documented("github")["jobs"].values()
    step = job["steps"][-1]

    assert step["uses"].partition("@")[0] == f"sparsity-report/sparsity-report/{ACTION.relative_to(ROOT).as_posix()}"
    assert set(step["with"]) <= set(described()["inputs"])
    assert {name for name, each in described()["inputs"].items() if each.get("required")} <= set(step["with"])
    assert documented("github")["permissions"] == {"contents": "read", "pull-requests": "write"}


def test_the_documented_gitlab_job_uses_commands_and_options_that_there_are():
    job = documented("gitlab")["study"]
    lines = [line for key in ("script", "after_script") for line in job[key]]

    for line in lines:
        program, verb, *words = line.split()
        assert program == "sparsity-report"
        assert verb in VERBS
        help_text = subprocess.run(
            [sys.executable, "-m", "sparsity_report", verb, "--help"], capture_output=True, text=True, check=True
        ).stdout
        assert [word for word in words if word.startswith("--") and word not in help_text] == []
    assert job["artifacts"]["reports"]["junit"] in lines[1]


@pytest.fixture
def act(tmp_path):
    """Runs the action's script as GitHub would; (exit code, outputs, step summary)."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, words in (("sparsity-report", f"{sys.executable} -m sparsity_report"), ("python", sys.executable)):
        (programs / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n', "utf-8")
        (programs / name).chmod(0o755)
    (tmp_path / "study.toml").write_text(SPEC, "utf-8")

    def run(**variables):
        output, summary = tmp_path / "output", tmp_path / "summary"
        for file in (output, summary):
            file.write_text("", "utf-8")
        environment = os.environ | {
            "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]),
            "PYTHONPATH": str(ROOT),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
            "SPEC": "study.toml",
            "NAME": "study",
            "BASELINE": "",
            "CACHE_LIMIT": "1GB",
        }
        command = ["bash", str(ACTION / "study.sh")]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment | variables, capture_output=True, text=True, check=False
        )
        outputs = dict(line.split("=", 1) for line in output.read_text("utf-8").splitlines())
        return done.returncode, outputs, summary.read_text("utf-8"), done.stderr

    return run


@pytest.mark.skipif(os.name == "nt", reason="the script is for bash")
def test_the_script_runs_judges_and_shows(act, tmp_path):
    """First well; then against a baseline with a missed gate; then with a spec that is none."""
    code, outputs, summary, _ = act()
    folder = tmp_path / outputs["folder"]
    assert (code, outputs["exit-code"]) == (0, "0")
    assert summary.startswith("<!-- sparsity-report: study -->\n# In CI \\<b\\>\\`\\|\n")
    assert summary.endswith("\nExit code 0.\n")
    assert ElementTree.parse(folder / "checks.xml").getroot()[0].get("tests") == "2"

    (tmp_path / "baseline.json").write_bytes((folder / "results.json").read_bytes())
    (tmp_path / "study.toml").write_text(SPEC.replace("sparsity = 0.7", "sparsity = 0.5"), "utf-8")
    code, outputs, summary, said = act(BASELINE="baseline.json")
    assert (code, outputs["exit-code"]) == (0, "6")
    assert "## Against the baseline\n\n**Numbers changed.**" in summary
    assert "1 of them finished before" in said  # dense, from the folder that a cache would bring

    (tmp_path / "study.toml").write_text("spec_version = 2", "utf-8")
    code, outputs, summary, _ = act(BASELINE="baseline.json")
    assert (code, outputs["exit-code"]) == (0, "3")
    assert "there are no results" in summary
    assert not (folder / "results.json").exists()


@pytest.mark.skipif(os.name == "nt", reason="the script is for bash")
def test_names_that_are_commands_are_names(act, tmp_path):
    code, outputs, _, _ = act(SPEC="$(touch pwned).toml; touch pwned", NAME="a$(touch pwned)`touch pwned`")

    assert (code, outputs["exit-code"]) == (0, "2")
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.skipif(os.name == "nt", reason="the script is for bash")
def test_what_is_too_long_for_a_comment_is_cut_and_said(act, tmp_path):
    """Between two characters, and with the exit code; a comment holds 65,536, which is less than a step's summary."""
    program = tmp_path / "bin" / "sparsity-report"
    program.write_text(
        "#!/bin/sh\n[ $1 = run ] || exit 0\n"
        "cd .sparsity-report/study && echo {} >results.json && printf 'é数👩%.0s' $(seq 20000) >summary.md\n",
        "utf-8",
    )
    _, outputs, summary, _ = act()
    comment = (tmp_path / outputs["folder"] / "comment.md").read_bytes().decode()

    assert summary == comment
    assert 59_000 < len(comment.encode()) < 65_536
    assert comment.endswith("…\n\nWhat is cut off here is in the artifact.\n\nExit code 0.\n")


GH = """
import json, os, subprocess, sys
words = sys.argv[1:]
assert words[0] == "api"
if "--jq" in words:
    comments = open("comments.json").read()
    print(subprocess.run(["jq", words[-1]], input=comments, capture_output=True, text=True, check=True).stdout, end="")
else:
    said = open(next(word for word in words if word.startswith("body=@"))[6:], encoding="utf-8").read()
    print(json.dumps([words[1], "PATCH" in words, said]), file=open("said", "w"))
"""


@pytest.mark.skipif(os.name == "nt" or not shutil.which("jq"), reason="the script is for bash; jq stands in for gh's")
@pytest.mark.parametrize("name", ["study", 'a") | "x" or ("$(touch pwned)'])
def test_the_comment_of_an_earlier_run_is_updated_and_no_other(tmp_path, name):
    """A name is a text to the shell and to jq."""
    program = tmp_path / "gh"
    (tmp_path / "gh.py").write_text(GH, "utf-8")
    program.write_text(f'#!/bin/sh\nexec {sys.executable} gh.py "$@"\n', "utf-8")
    program.chmod(0o755)
    (tmp_path / "comment.md").write_text("ours", "utf-8")
    variables = {"NAME": name, "REPOSITORY": "a/b", "PULL_REQUEST": "7", "FOLDER": str(tmp_path)}
    variables |= {"PATH": os.pathsep.join([str(tmp_path), os.environ["PATH"]])}

    def said(*comments: str):
        bodies = [{"id": number, "body": body} for number, body in enumerate(comments)]
        (tmp_path / "comments.json").write_text(json.dumps(bodies), "utf-8")
        subprocess.run(["bash", str(ACTION / "comment.sh")], cwd=tmp_path, env=os.environ | variables, check=True)
        return json.loads((tmp_path / "said").read_text("utf-8"))

    assert said("hello") == ["repos/a/b/issues/7/comments", False, "ours"]
    marked = f"<!-- sparsity-report: {name} -->\nold"
    assert said("hello", f"> {marked}", marked, marked) == ["repos/a/b/issues/comments/2", True, "ours"]
    assert not (tmp_path / "pwned").exists()


def test_the_lock_has_every_dependency_with_a_hash_and_within_its_bounds():
    """Remedy: the command in its second line."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    text = (ROOT / ".ci" / "requirements.lock").read_text("utf-8")
    entries = re.split(r"\n(?=[a-zA-Z0-9])", "\n".join(text.splitlines()[2:]))
    pinned = {}
    for entry in entries:
        name, version = re.match(r"([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", entry).groups()
        pinned.setdefault(name.lower().replace("_", "-"), []).append(version)
        assert "--hash=sha256:" in entry, name
    groups = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(each for name in groups if name != "all" for each in groups[name])]
    for requirement in map(Requirement, wanted):
        if requirement.name != "sparsity-report":
            assert all(requirement.specifier.contains(each) for each in pinned[requirement.name.lower()]), requirement
