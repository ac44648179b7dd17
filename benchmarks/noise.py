"""
How often the verdict on a timing errs on this machine, now.

    python benchmarks/noise.py record trace.npz --processes 12 --rounds 60 --busy 1 --wait-policy passive
    python benchmarks/noise.py rates trace.npz
    python benchmarks/noise.py live --processes 12

`record` times dense against its copy in fresh processes, through the engine's own timing process. `rates` resamples a
trace as tests/noise_rates.py describes. `live` times cells with the default rounds and seconds, each in a process of
its own: dense against its copy, and dense against a copy that really takes 10 % longer; every cell is judged by the
floor of every other.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sparsity_report.contracts import ModelRequest
from sparsity_report.engine import timed, timing_process
from sparsity_report.engine.stopwatch import TimingProcess
from sparsity_report.engine.timed import Job, Trial
from sparsity_report.engine.timing import Setting
from sparsity_report.engine.variant import build
from sparsity_report.results import environment
from sparsity_report.results.stats import bootstrap_median
from sparsity_report.results.timing import floor_of, verdict
from sparsity_report.spec.model import Latency, Target

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import noise_rates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sparsity_report.contracts import FormatChoice
    from sparsity_report.engine.state import ModelState
    from sparsity_report.engine.timed import Timed
    from sparsity_report.engine.variant import Variant

DEFAULT = Latency()
SLOW_DOWN = 1.10


def setting(options: argparse.Namespace, **own: Any) -> Setting:
    """The point that is timed; by default with the rounds and seconds of a spec that does not say."""
    usual = {"runs": DEFAULT.runs, "seconds": DEFAULT.seconds, "limit": DEFAULT.max_seconds}
    return Setting(batch=1, prompt=options.prompt, decode=(options.decode,), **usual | own)


def occupy() -> None:
    """Keeps one core busy as a real program would: products, a walk through memory, and Python."""
    table, vector = np.random.default_rng(0).random((300, 300)), np.zeros(4_000_000)
    while True:
        table @ table
        vector.sum()
        sorted(range(20_000), key=lambda number: -number)


@contextlib.contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Other processes that are busy meanwhile, one thread each."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    others = [multiprocessing.get_context("spawn").Process(target=occupy, daemon=True) for _ in range(count)]
    for each in others:
        each.start()
    time.sleep(1.0 if others else 0.0)
    try:
        yield
    finally:
        for each in others:
            each.kill()


def timed_cells(options: argparse.Namespace, point: Setting, slow_down: float = 1.0) -> Iterator[Timed]:
    """Dense against its copy, each time in another process."""
    ids = torch.randint(5, 1000, (point.prompt,), generator=torch.Generator().manual_seed(0))
    slow = (__file__, "serve", str(slow_down))
    process = TimingProcess(options.wait_policy, *(slow if slow_down != 1 else ()))
    try:
        for _ in range(options.processes):
            with tempfile.TemporaryDirectory() as folder:
                yield process.perform(
                    Job(
                        request=ModelRequest(options.model, offline=True).__dict__,
                        target=Target().model_dump(mode="json"),
                        state="",
                        pattern="unstructured",
                        entry="dense",
                        params={},
                        trials=(Trial(point, (tuple(ids.tolist()),)),),
                        threads=options.threads,
                        device="cpu",
                        answer=f"{folder}/answer.json",
                    )
                )
    finally:
        process.close()


class Slowed(torch.nn.Module):
    """A model whose calls take `factor` times as long: the rest is spent spinning."""

    def __init__(self, model: torch.nn.Module, factor: float) -> None:
        super().__init__()
        self.model = model

        @functools.wraps(model.forward)  # the engine looks at its parameters
        def forward(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            output = model(*args, **kwargs)
            until = started + factor * (time.perf_counter() - started)
            while time.perf_counter() < until:
                pass
            return output

        vars(self)["forward"] = forward


def serve(options: argparse.Namespace) -> None:
    """The engine's timing process, whose variants are really slower."""

    def slower(state: ModelState, choice: FormatChoice) -> Variant:
        variant = build(state, choice)
        timed.separate(variant, state.model)
        return replace(variant, model=Slowed(variant.model, options.factor), tensors={})

    vars(timed)["build"] = slower
    timing_process.main()


def record(options: argparse.Namespace) -> None:
    """A trace of `--rounds` rounds in each of `--processes` processes."""
    point = setting(options, runs=options.rounds, seconds=0.0, limit=0.0)
    with neighbours(options.busy):
        cells = list(timed_cells(options, point))
    machine = environment.capture(threads=options.threads)
    facts = {
        "setting": setting(options).__dict__,
        "model": options.model,
        "threads": options.threads,
        "wait_policy": options.wait_policy,
        "busy_neighbours": options.busy,
        "other_cores": [cell.witnesses[0].other_cores for cell in cells],
        "cpu": machine.cpu,
        "cores": machine.cores,
        "packages": {name: machine.packages.get(name, "") for name in ("torch", "transformers")},
        "recorded": time.strftime("%Y-%m-%d"),
    }
    table = np.stack([cell.pairs[0].table[..., 0] for cell in cells])
    noise_rates.write(options.file, noise_rates.Trace(table, facts))
    print(json.dumps(facts | {"shape": table.shape, "bytes": options.file.stat().st_size}, indent=1))


def rates(options: argparse.Namespace) -> None:
    for file in options.files:
        print(file.name, noise_rates.rates(noise_rates.read(file), SLOW_DOWN))


def live(options: argparse.Namespace) -> None:
    """Both rates from cells that were timed now."""
    point = setting(options)
    with neighbours(options.busy):
        plain = list(timed_cells(options, point))
        slowed = list(timed_cells(options, point, SLOW_DOWN))
    for name in ("prefill", "decode"):
        same, slow = (
            [bootstrap_median(phase.ratio) for cell in cells for phase in cell.pairs[0].phases() if phase.name == name]
            for cells in (plain, slowed)
        )
        floors = [floor_of(*each) for each in same]
        wrong = [
            verdict(*same[other], floor) != "no difference"
            for one, floor in enumerate(floors)
            for other in range(len(same))
            if one != other
        ]
        found = [verdict(*each, floor) == "slower" for floor in floors for each in slow]
        rounds = [len(next(cell.pairs[0].phases()).ratio) for cell in plain + slowed]
        print(
            f"{name}: {sum(wrong)} false alarms in {len(wrong)}, slow-down found in {sum(found)} of {len(found)}; "
            f"floors {min(floors):.1%} to {max(floors):.1%}; slowed ratio {np.median([each for each, _ in slow]):.3f} "
            f"(injected {1 / SLOW_DOWN:.3f}); {min(rounds)} to {max(rounds)} rounds"
        )
    others = [cell.witnesses[0].other_cores for cell in plain + slowed]
    print("cores that others kept busy:", others)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--model", default="bundled:tiny-opt")
    common.add_argument("--prompt", type=int, default=128)
    common.add_argument("--decode", type=int, default=32)
    common.add_argument("--processes", type=int, default=12)
    common.add_argument("--threads", type=int, default=torch.get_num_threads())
    common.add_argument("--busy", type=int, default=0, help="processes that are busy meanwhile")
    common.add_argument("--wait-policy", default="default", choices=("default", "passive", "active"))
    recording = verbs.add_parser("record", parents=[common])
    recording.add_argument("file", type=Path)
    recording.add_argument("--rounds", type=int, default=60)
    recording.set_defaults(act=record)
    reading = verbs.add_parser("rates")
    reading.add_argument("files", type=Path, nargs="+")
    reading.set_defaults(act=rates)
    verbs.add_parser("live", parents=[common]).set_defaults(act=live)
    serving = verbs.add_parser("serve", help="(what `live` starts)")
    serving.add_argument("factor", type=float)
    serving.set_defaults(act=serve)
    options = parser.parse_args()
    options.act(options)


if __name__ == "__main__":
    main()
