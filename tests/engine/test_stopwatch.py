"""Cells are timed in processes of their own: what they are told arrives, and what befalls them becomes a reason."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sparsity_report.contracts import ModelRequest
from sparsity_report.engine import energy, witness
from sparsity_report.engine.stopwatch import TimingProcess, ending
from sparsity_report.engine.timed import Job, Trial
from sparsity_report.engine.timing import Setting
from sparsity_report.errors import SparsityReportError
from sparsity_report.spec.model import Target

QUICK = Setting(batch=2, prompt=8, decode=(1, 3), runs=3, seconds=0.0)


@pytest.fixture
def job(tmp_path):
    """Dense beside its copy, as little as can be timed."""
    return Job(
        request=vars(ModelRequest("bundled:tiny-opt", offline=True)),
        target=Target().model_dump(mode="json"),
        state="",
        pattern="unstructured",
        entry="dense",
        params={},
        trials=(Trial(QUICK, (tuple(range(5, 13)),) * 2),),
        threads=1,
        device="cpu",
        answer=str(tmp_path / "answer.json"),
    )


@pytest.fixture(scope="module")
def process():
    """One for all tests, which is starting: each of its cells is forked."""
    found = TimingProcess("passive")
    found.process = found.start()
    yield found
    found.close()


def test_a_cell_is_timed_in_a_process_of_its_own(process, job):
    """Twice: both are answered, dense's copy takes the memory of its layers (4.3 MB), and no other process's."""
    first, second = process.perform(job), process.perform(job)

    for timed in (first, second):
        assert timed.pairs[0].table.shape == (6, 2, 3, 2)
        assert (timed.pairs[0].table[..., 0] > 0).all()
        assert timed.load_seconds > 0
    if sys.platform == "linux":
        layers = 1_075_200 * 4
        assert 0.8 * layers < second.resident_bytes < 2 * layers
        assert layers < second.peak_bytes
        assert second.witnesses[0].other_cores >= 0


def test_its_threads_wait_as_asked(process):
    """The policy is in the environment of the process from its start: OpenMP reads it once."""
    if sys.platform == "linux":
        variables = Path(f"/proc/{process.process.pid}/environ").read_bytes().split(b"\0")
        assert b"OMP_WAIT_POLICY=passive" in variables


def test_what_goes_wrong_in_it_is_the_cells_reason_and_the_next_cell_is_timed(process, job):
    with pytest.raises(SparsityReportError, match=r"kept state gone\.safetensors is gone or damaged"):
        process.perform(replace(job, state="gone.safetensors"))

    assert len(process.perform(job).pairs) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="forks are Linux's")
def test_a_killed_child_says_what_killed_it(process, job, tmp_path):
    """As the kernel does when memory runs out."""
    endless = replace(job, trials=(replace(job.trials[0], setting=replace(QUICK, seconds=60.0)),))

    def kill() -> None:
        children = Path(f"/proc/{process.process.pid}/task/{process.process.pid}/children")
        for _ in range(1200):  # it may still be starting
            found = children.read_text(encoding="ascii").split()
            if found:
                time.sleep(0.2)
                os.kill(int(found[0]), signal.SIGKILL)
                return
            time.sleep(0.05)

    threading.Thread(target=kill).start()
    with pytest.raises(SparsityReportError, match="killed by SIGKILL"):
        process.perform(endless)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks are Linux's")
def test_a_killed_run_leaves_nobody_behind_who_times_on(job, tmp_path):
    """Neither the timing process nor the child that it has forked."""
    endless = replace(job, trials=(replace(job.trials[0], setting=replace(QUICK, seconds=60.0)),))
    (tmp_path / "job.json").write_text(json.dumps(endless.as_json()), "utf-8")
    code = (
        "import json, sys; from sparsity_report.engine.stopwatch import TimingProcess, Job\n"
        "TimingProcess('passive').perform(Job.from_json(json.load(open(sys.argv[1]))))"
    )
    run = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "job.json")])
    family = [run.pid]
    for _ in range(2):
        children = Path(f"/proc/{family[-1]}/task/{family[-1]}/children")
        family.append(int(waited_for(lambda children=children: children.read_text("ascii").split())[0]))
    run.kill()
    run.wait()

    assert waited_for(lambda: not any(is_running(each) for each in family))


def waited_for(find, seconds=60.0):
    """What it finds once there is something."""
    limit = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < limit
        time.sleep(0.05)
    return found


def is_running(process: int) -> bool:
    """A process that has ended may wait for its parent as a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_process_that_cannot_start_says_why(job):
    broken = TimingProcess("default", "-c", "raise SystemExit('no torch here')")
    try:
        with pytest.raises(SparsityReportError, match="exit code 1: no torch here"):
            broken.perform(job)
    finally:
        broken.close()


def test_endings_in_words():
    assert ending(-9) == "was killed by SIGKILL (out of memory?)"
    assert ending(3) == "ended with exit code 3"


def test_a_job_survives_the_way(job):
    assert Job.from_json(json.loads(json.dumps(job.as_json()))) == job


def test_joules_are_read_from_the_packages_and_wrap_around(tmp_path):
    """Two packages, one of which wraps; the zone inside the first is part of it and not counted again."""
    for name, value, limit in (("intel-rapl:0", 100, 999), ("intel-rapl:1", 990, 999), ("intel-rapl:0:0", 50, 999)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(str(value))
        (tmp_path / name / "max_energy_range_uj").write_text(str(limit))
    import torch

    clock, reason = energy.clock(torch.device("cpu"), tmp_path)
    before = clock()
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("400")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("20")
    used = clock() - before

    assert reason == ""
    assert used[1] == pytest.approx((300 + 30) / 1e6)
    assert used[0] > 0


def test_without_a_counter_there_is_a_reason(tmp_path):
    import torch

    clock, reason = energy.clock(torch.device("cpu"), tmp_path / "absent")
    assert reason.endswith("absent does not exist")
    assert clock()[1] != clock()[1]  # NaN


def test_busy_time_is_that_of_the_cores_in_use():
    """Of core 1: user 100, nice 10, system 50, irq 5, softirq 5, steal 30 ticks; idle and waiting are none."""
    stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 900 0 0 0 0 0 0 0 0 0\ncpu1 100 10 50 9000 700 5 5 30 0 0\nintr 5\n"
    ticks = os.sysconf("SC_CLK_TCK")

    assert witness.busy_seconds(stat, frozenset({1})) == 200 / ticks
    assert witness.busy_seconds(stat, frozenset({0, 1})) == 1100 / ticks


@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts")
def test_own_work_is_no_other_work():
    """Others can have had no more than what this process left of the cores (to some ticks)."""
    before = witness.own_seconds()
    with witness.watch() as seen:
        until = time.perf_counter() + 0.3
        while time.perf_counter() < until:
            pass
    own = witness.own_seconds() - before

    assert seen[0].seconds >= 0.3
    assert seen[0].other_cores * seen[0].seconds <= len(os.sched_getaffinity(0)) * seen[0].seconds - own + 0.06
