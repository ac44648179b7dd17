"""
The process that times: a cell is timed where nothing else has run before.

One such process is started per run. It imports what is needed, runs nothing, and forks for every cell: each cell has
its own heap and its own threads, and the seconds that importing PyTorch takes are paid once. Where forking is not safe
(another system than Linux, CUDA) it serves one job and ends, and the next job gets a new one.

Jobs come as JSON lines on stdin. A child writes its answer to the file that the job names, and then a line on stdout
says how the child ended (0, or what killed it).
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from scipy import stats  # noqa: F401  # here, so that no child imports it between two rounds

from ..contracts import FormatChoice, ModelRequest, Pattern
from ..models.anatomy import anatomy
from ..models.loading import load
from ..spec.model import Target
from . import artifacts
from .state import ModelState, targeted
from .timed import Job, Timed, time_cell

if TYPE_CHECKING:
    from typing import TextIO

PR_SET_PDEATHSIG = 1
"""Of Linux' <sys/prctl.h>."""


def own_weights(model: torch.nn.Module) -> None:
    """Weights mapped from a file may lie at odd addresses and are read from disk when first used: copies do not."""
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()


def state_of(job: Job, dense: ModelState) -> ModelState:
    """The state as the run has kept it. Raises LookupError when it is gone."""
    if not job.state:
        return dense
    kept = artifacts.load_state(Path(job.state), dense, Pattern.parse(job.pattern))
    if kept is None:
        raise LookupError(f"the kept state {Path(job.state).name} is gone or damaged")
    return kept[0]


def perform(job: Job) -> Timed:
    """Everything from loading to the last round."""
    torch.set_num_threads(job.threads)
    started = time.perf_counter()
    model = load(ModelRequest(**job.request)).model
    own_weights(model)
    model.to(job.device)  # type: ignore[arg-type]  # transformers wraps `to` and loses its signature
    seconds = time.perf_counter() - started
    parts = anatomy(model)
    dense = ModelState(model, parts, targeted(parts, Target.model_validate(job.target)))
    choice = FormatChoice(job.entry, job.params)
    return time_cell(dense, state_of(job, dense), choice, job.trials, torch.device(job.device), seconds)


def answer(job: Job) -> None:
    """The job's measurements, or why there are none, in the job's file."""
    try:
        found: dict[str, Any] = perform(job).as_json()
    except Exception as problem:  # a failed cell is data: the run goes on
        traceback.print_exc()
        found = {"error": getattr(problem, "message", "") or f"{type(problem).__name__}: {problem}"}
    Path(job.answer).write_text(json.dumps(found), encoding="utf-8")


def die_with_parent() -> None:
    """A run that is killed leaves nobody behind who times on beside the next one; elsewhere the job is finished."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def apart(job: Job) -> int:
    """Runs the job in a child. Its exit code; negative: the signal that killed it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            die_with_parent()
            answer(job)
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def serve(jobs: TextIO, replies: TextIO) -> None:
    """Until there are no more jobs."""
    # `import transformers` alone imports nothing, and every child would spend a second on what loading needs.
    from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast  # noqa: F401

    gc.collect()
    gc.freeze()  # what is collected in a child should not touch, and so copy, what all children share
    for line in jobs:
        job = Job.from_json(json.loads(line))
        forks = sys.platform == "linux" and job.device == "cpu"
        if forks:
            print(apart(job), file=replies, flush=True)
        else:
            answer(job)
            print(0, file=replies, flush=True)
            return


def main() -> None:
    """Until stdin ends. What libraries print must not look like a reply: it goes to stderr."""
    die_with_parent()
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, replies)


if __name__ == "__main__":
    main()
