"""What the README says is so: its specs, verbs, exit codes and example exist and are valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sparsity_report import errors
from sparsity_report.cli import VERBS
from sparsity_report.resources import folder
from sparsity_report.spec.load import load_spec

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_example_spec_is_valid(tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", README, flags=re.DOTALL)
    (tmp_path / "study.toml").write_text(example, encoding="utf-8")

    assert len(load_spec(tmp_path / "study.toml").spec.variant) == 3


def test_every_command_is_one_that_exists():
    used = set(re.findall(r"sparsity-report ([a-z]+)", "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))))

    assert used <= set(VERBS)


def test_every_shipped_spec_is_in_the_table():
    table = README.partition("| spec that ships |")[2].partition("\n\n")[0]

    assert {file.stem for file in folder("specs").glob("*.toml")} == set(re.findall(r"^\| `(\w+)` \|", table, re.M))


def test_the_exit_codes_are_those_of_the_code():
    table = set(map(int, re.findall(r"^\| (\d+) \|", README, re.M)))

    assert set(errors.PRECEDENCE) == table


@pytest.mark.parametrize("name", ["run", "test"])
def test_the_two_commands_can_be_found_by_ci(name):
    assert README.count(f"<!-- command: {name} -->") == 1
