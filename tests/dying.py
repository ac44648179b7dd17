"""
Runs a study in children that die: at the n-th fsync or rename, of a full disk there, or killed after some seconds.

    python tests/dying.py SPEC

A job is a JSON line on stdin: {"folder": …} and, as wanted, "boundary" (counted from 0), "fault" ("kill" or "full"),
"seconds" (until SIGKILL), "report" (whether to run the whole command). The answer is a line of JSON: the child's exit
"code" (negative: the signal), the seconds that it "took", how many "boundaries" it saw, and what was "unsynced" when it
was renamed.

The parent runs the study once, undisturbed and on one thread, into the folder `whole` beside the spec: whatever is
imported when it is needed is there, and its children, which are forked, start at once.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsity_report.cli import main
from sparsity_report.engine.run import Options, run_study
from sparsity_report.errors import EnvironmentProblem
from sparsity_report.spec.load import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable


class Boundaries:
    """Counts every fsync and rename of this process, and lets the fault happen before the one that is asked for."""

    def __init__(self, boundary: int | None, fault: str) -> None:
        self.count, self.boundary, self.fault = 0, boundary, fault
        self.synced: set[int] = set()
        self.unsynced: list[str] = []

    def watch(self) -> None:
        os.fsync = self.before(os.fsync, lambda handle: self.synced.add(os.fstat(handle).st_ino))
        os.replace = self.before(os.replace, self.renamed)
        os.rename = self.before(os.rename, self.renamed)

    def before(self, call: Callable[..., Any], note: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any) -> Any:
            self.count += 1
            if self.count - 1 == self.boundary:
                if self.fault == "full":
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os._exit(77)
            note(*arguments)
            return call(*arguments)

        return watched

    def renamed(self, source: Any, *_: Any) -> None:
        """A file that takes its name before its content is on the disk can be empty after a loss of power."""
        if Path(source).stat().st_ino not in self.synced:
            self.unsynced.append(str(source))


def child(spec: str, job: dict[str, Any], answer: Path) -> int:
    """The exit code that the command would have; bugs leave their traceback."""
    seen = Boundaries(job.get("boundary"), job.get("fault", "kill"))
    seen.watch()
    code = 0
    try:
        if job.get("report"):
            main(("run", spec, "--out", job["folder"]))
        else:
            run_study(load_spec(Path(spec)), Path(job["folder"]), Options(), lambda _: None)
    except SystemExit as end:
        code = int(end.code or 0)
    except EnvironmentProblem as problem:
        code = problem.exit_code
    answer.write_text(json.dumps({"boundaries": seen.count, "unsynced": seen.unsynced}), encoding="utf-8")
    return code


def perform(spec: str, job: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer.json")
        process = os.fork()
        if not process:
            code = 1
            try:
                code = child(spec, job, answer)
            finally:
                sys.stderr.flush()
                os._exit(code)
        started = time.monotonic()
        limit = started + job.get("seconds", 1e9)
        while not (ended := os.waitpid(process, os.WNOHANG))[0]:
            if time.monotonic() > limit:
                os.kill(process, signal.SIGKILL)
            time.sleep(0.01)
        found = json.loads(answer.read_text("utf-8")) if answer.exists() else {}
        took = time.monotonic() - started
    return found | {"code": os.waitstatus_to_exitcode(ended[1]), "took": took}


if __name__ == "__main__":
    own_stdout, sys.stdout = sys.stdout, sys.stderr  # what a command prints is no answer
    with contextlib.suppress(SystemExit):
        main(("run", sys.argv[1], "--out", str(Path(sys.argv[1]).parent / "whole")))
    for line in sys.stdin:
        print(json.dumps(perform(sys.argv[1], json.loads(line))), file=own_stdout, flush=True)
