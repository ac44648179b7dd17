"""
Whatever ends a run, and whenever: the next one completes, and its numbers are those of an undisturbed run.

The faults are put before every fsync and every rename: in between nothing changes that another run can see. A loss of
power is a kill, as long as nothing takes its name before its content is on the disk, which is tested apart.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sparsity_report.errors import ENVIRONMENT
from sparsity_report.results import store

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")

SPEC = """
spec_version = 1
[study]
title = "Killed"
[[model]]
source = "bundled:tiny-opt"
[data]
evaluation = { source = "embedded", length = 16, windows = 2 }
calibration = { source = "embedded", length = 16, windows = 2 }
[[variant]]
method = "wanda"
sparsity = 0.5
format = ["masked", "csr"]
[metrics]
use = ["storage", "sparsity", "perplexity", "generation"]
generation = { prompts = 1, prompt = 8, tokens = 2 }
[report]
outputs = ["html"]
"""
LONGER = (
    SPEC.replace('method = "wanda"', 'method = ["wanda", "sparsegpt"]')
    .replace("sparsity = 0.5", "sparsity = [0.3, 0.6]")
    .replace('"generation"]', '"reconstruction", "flips", "ranks"]')
    .replace("length = 16, windows = 2", "length = 128, windows = 6")
)


class Dying:
    """The process of `dying.py`, which runs a study in children."""

    def __init__(self, spec: str, folder: Path) -> None:
        self.folder = folder
        (folder / "killed.toml").write_text(spec, "utf-8")
        command = [sys.executable, str(ROOT / "tests" / "dying.py"), str(folder / "killed.toml")]
        variables = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, text=True, env=variables, **pipes)

    def run(self, name: str, **job):
        print(json.dumps(job | {"folder": str(self.folder / name)}), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def results(self, name: str):
        """What two runs must have in common: everything but times and memory."""
        found = store.read(self.folder / name)
        cells = {
            cell.id: [cell.status, [each for each in cell.metrics if each.noise != "timing"]] for cell in found.cells
        }
        made = [node.model_copy(update={"seconds": 0.0, "peak_memory_bytes": None}) for node in found.nodes]
        return cells, made, found.overlaps, found.histograms, found.generations, found.tipping, found.checks

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def dying(request, tmp_path_factory):
    found = Dying(request.param, tmp_path_factory.mktemp("dying"))
    yield found
    found.close()


short = pytest.mark.parametrize("dying", [SPEC], indirect=True)
longer = pytest.mark.parametrize("dying", [LONGER], indirect=True)


@short
def test_nothing_takes_its_name_before_it_is_on_the_disk(dying):
    seen = dying.run("synced", report=True)

    assert (seen["code"], seen["unsynced"]) == (0, [])
    assert seen["boundaries"] > 100


def faults(dying: Dying, fault: str, places) -> int:
    """A run that meets the fault at each place, then the same command again. How many places."""
    undisturbed = dying.run("undisturbed")
    assert undisturbed["code"] == 0
    whole, tried = dying.results("whole"), 0
    assert whole == dying.results("undisturbed")
    shutil.rmtree(dying.folder / "undisturbed")
    for place in places(undisturbed["boundaries"]):
        name, tried = f"{fault}-at-{place}", tried + 1
        broken = dying.run(name, boundary=place, fault=fault)
        assert broken["code"] == (77 if fault == "kill" else ENVIRONMENT), (place, broken)
        assert dying.run(name)["code"] == 0, place
        assert whole == dying.results(name), place
        assert not list((dying.folder / name).rglob("*.partial")), place
        shutil.rmtree(dying.folder / name)
    return tried


@short
@pytest.mark.parametrize("fault", ["kill", "full"])
def test_a_fault_at_some_boundaries(dying, fault):
    """Every twelfth; all of them are in the slow test."""
    assert faults(dying, fault, lambda count: range(5 if fault == "kill" else 10, count, 12)) > 4


@pytest.mark.slow
@short
@pytest.mark.parametrize("fault", ["kill", "full"])
def test_a_fault_at_every_fsync_and_rename(dying, fault):
    assert faults(dying, fault, range) > 50


def kills(dying: Dying, wanted: int) -> float:
    """
    So many kills that hit a run, at random instants; what each folder ends with is compared.

    The seconds of a whole run.
    """
    instants, hits = random.Random(0), 0
    seconds = dying.run("timed", report=True)["took"]
    whole = dying.results("whole")
    for number in range(2 * wanted):
        name = f"killed-{number}"
        ended = dying.run(name, report=True, seconds=instants.uniform(0, seconds))
        hits += ended["code"] == -9
        seconds = seconds if ended["code"] else min(seconds, ended["took"])  # the first may have met a busy machine
        assert dying.run(name, report=True)["code"] == 0
        assert whole == dying.results(name), name
        assert (dying.folder / name / "report.html").stat().st_size > 50_000
        shutil.rmtree(dying.folder / name)
        if hits >= wanted:
            return seconds
    raise AssertionError(f"{hits} kills hit a run")


@short
def test_some_kills_at_random(dying):
    assert kills(dying, 2) > 0


@pytest.mark.slow
@longer
def test_thirty_kills_of_a_study_of_some_seconds(dying):
    assert kills(dying, 30) > 3
