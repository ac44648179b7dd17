"""Has cells timed: each in a fresh process, or in this one (`process = "shared"`, and always in a rehearsal)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..contracts import ModelRequest
from ..errors import SparsityReportError
from .nodes import state_file
from .timed import Job, Timed, Trial, time_cell
from .timing import Setting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ..contracts import Cell
    from ..results.model import EnvironmentRecord
    from ..spec.model import Latency, Spec
    from .prepare import Prepared
    from .state import ModelState

QUICK = {"runs": 3, "seconds": 0.0, "limit": 0.0}


def settings(latency: Latency, quick: bool) -> Iterator[Setting]:
    """The grid of batch sizes and prompt lengths; several decoded lengths are read off one run."""
    own: dict[str, Any] = {"runs": latency.runs, "seconds": latency.seconds, "limit": latency.max_seconds}
    lengths = tuple(sorted({length for length in latency.decode if length}))
    for batch in latency.batch:
        for prompt in latency.prompt:
            yield Setting(batch=batch, prompt=prompt, decode=lengths, **(QUICK if quick else own))


def trial(ids_NL: Tensor, setting: Setting) -> Trial:
    """Prompts from the evaluation text, repeated when it is shorter: timing does not depend on which."""
    flat = ids_NL.flatten()
    wanted = setting.batch * setting.prompt
    ids = flat.repeat(-(-wanted // len(flat)))[:wanted].view(setting.batch, setting.prompt)
    return Trial(setting, tuple(map(tuple, ids.tolist())))


class TimingProcess:
    """The process of `timing_process`, started when it is first needed and again when it has ended."""

    def __init__(self, wait_policy: str, *command: str) -> None:
        self.wait_policy, self.command = wait_policy, command or ("-m", "sparsity_report.engine.timing_process")
        self.process: subprocess.Popen[str] | None = None
        self.complaints = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  # `close` does

    def start(self) -> subprocess.Popen[str]:
        """Its threads wait as asked (which only the environment can say), and it finds the same modules."""
        variables = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        variables.pop("OMP_WAIT_POLICY", None)
        if self.wait_policy != "default":
            variables["OMP_WAIT_POLICY"] = self.wait_policy
        return subprocess.Popen(
            [sys.executable, *self.command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.complaints,
            env=variables,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C comes to the run, which ends the whole group
        )

    def perform(self, job: Job) -> Timed:
        """Raises SparsityReportError with what the process said, or what killed it."""
        self.complaints.seek(0)
        self.complaints.truncate()  # before it starts: it may say why and end at once
        if self.process is None or self.process.poll() is not None:
            self.close_pipes()
            self.process = self.start()
        process = self.process
        reply = ""
        if process.stdin is not None and process.stdout is not None:
            with contextlib.suppress(BrokenPipeError):  # it has ended: its exit code and last words say why
                print(json.dumps(job.as_json()), file=process.stdin, flush=True)
                reply = process.stdout.readline()
        code = int(reply) if reply else process.wait()
        if code or not reply:
            raise SparsityReportError(f"the timing process {ending(code)}{self.last_words()}")
        found = json.loads(Path(job.answer).read_text(encoding="utf-8"))
        if "error" in found:
            raise SparsityReportError(f"timing: {found['error']}")
        return Timed.from_json(found)

    def last_words(self) -> str:
        """The last line on its stderr."""
        self.complaints.seek(0)
        lines = [line for line in self.complaints.read().splitlines() if line.strip()]
        return f": {lines[-1]}" if lines else ""

    def close(self) -> None:
        """Ends it and what it has forked."""
        if self.process is not None:
            if hasattr(os, "killpg"):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()
            self.close_pipes()
        self.complaints.close()

    def close_pipes(self) -> None:
        """Of a process that has ended."""
        for pipe in (self.process.stdin, self.process.stdout) if self.process else ():
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"was killed by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"


@dataclass(frozen=True)
class Stopwatch:
    """What the leaves of a run need to have a cell timed."""

    spec: Spec
    folder: Path
    quick: bool
    process: TimingProcess | None
    """None: in this process."""
    fingerprint: str = ""
    """Of the machine and of what else timings depend on."""
    again: bool = False
    """Whether what was timed before is timed anew."""

    def time(self, prepared: Prepared, cell: Cell, state: ModelState) -> Timed:
        """Raises SparsityReportError."""
        trials = [trial(prepared.windows.ids, each) for each in settings(self.spec.metrics.latency, self.quick)]
        hardware = self.spec.hardware
        if self.process is None:
            return time_cell(prepared.dense, state, cell.format, trials, torch.device(hardware.device))
        model = prepared.model
        with tempfile.TemporaryDirectory(prefix="sparsity-report-") as folder:
            job = Job(
                request=asdict(ModelRequest(model.source, model.revision, model.dtype, True, prepared.folder)),
                target=self.spec.target.model_dump(mode="json"),
                state=str(state_file(prepared, cell.node, self.folder).resolve()) if cell.node.stages else "",
                pattern=str(state.pattern),
                entry=cell.format.entry,
                params=cell.format.params,
                trials=tuple(trials),
                threads=torch.get_num_threads(),
                device=hardware.device,
                answer=str(Path(folder) / "answer.json"),
            )
            return self.process.perform(job)


def is_shared(spec: Spec, *, quick: bool) -> bool:
    """Whether cells are timed in the run's own process."""
    return quick or spec.metrics.latency.process == "shared"


@contextlib.contextmanager
def stopwatch(
    spec: Spec, folder: Path, machine: EnvironmentRecord, *, quick: bool, again: bool = False
) -> Iterator[Stopwatch]:
    """For one run: whatever it started is ended with it, also when the run is interrupted."""
    if is_shared(spec, quick=quick):
        yield Stopwatch(spec, folder, quick, None, machine.fingerprint, again)
        return
    process = TimingProcess(machine.wait_policy)
    try:
        yield Stopwatch(spec, folder, quick, process, machine.fingerprint, again)
    finally:
        process.close()
