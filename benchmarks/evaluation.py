"""
What a study's evaluation costs, against the forwards that it needs.

    python benchmarks/evaluation.py specs/smollm2_135m.toml --json

Measured in one process: one ordinary dense forward with logits over the evaluation tokens (before and after, so that
drift shows), then all nodes and the closing pass as `run` does them (pruning included; loading, leaves and latency
apart). The target is at most 1.3 × (unique nodes × one dense forward), and 4 GB.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sparsity_report.engine.memory import peak_bytes, reset_peak
from sparsity_report.engine.prepare import Place, prepare
from sparsity_report.engine.run import Options, Run, run_nodes
from sparsity_report.engine.stopwatch import Stopwatch
from sparsity_report.planning import nodes_of, plan_cells
from sparsity_report.resources import spec_file
from sparsity_report.results import environment
from sparsity_report.spec.load import load_spec

if TYPE_CHECKING:
    from sparsity_report.engine.prepare import Prepared


@torch.inference_mode()
def dense_forward_seconds(prepared: Prepared) -> float:
    """One forward with all logits, a window at a time, as any perplexity script does it."""
    started = time.perf_counter()
    for window in prepared.windows.ids:
        prepared.loaded.model(input_ids=window[None], use_cache=False)
    return time.perf_counter() - started


def measure(spec: str) -> dict[str, Any]:
    """Seconds, their ratio to the forwards needed, and peak memory."""
    loaded = load_spec(spec_file(spec))
    threads = loaded.spec.hardware.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    model = loaded.spec.model[0]
    cells = tuple(cell for cell in plan_cells(loaded.spec) if cell.node.model == model.name)
    prepared = prepare(loaded.spec, model, cells, Place(str(loaded.folder), offline=False, quick=False))
    machine = environment.capture(device=loaded.spec.hardware.device, threads=threads, command="benchmark")
    reset_peak()
    before = dense_forward_seconds(prepared)
    with tempfile.TemporaryDirectory() as folder:
        chosen = frozenset(cell.id for cell in cells)
        stopwatch = Stopwatch(loaded.spec, Path(folder), quick=True, process=None)
        run = Run(loaded, Path(folder), Options(), chosen, lambda _: None, machine, stopwatch)
        started = time.perf_counter()
        run_nodes(run, prepared, nodes_of(cells))
        evaluation = time.perf_counter() - started
    after = dense_forward_seconds(prepared)
    nodes = len(nodes_of(cells))
    dense = (before + after) / 2
    return {
        "spec": spec,
        "nodes": nodes,
        "tokens": prepared.windows.ids.numel(),
        "threads": threads,
        "dense_forward_seconds": [round(before, 2), round(after, 2)],
        "evaluation_seconds": round(evaluation, 2),
        "ratio": round(evaluation / (nodes * dense), 3),
        "peak_memory_bytes": peak_bytes(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", nargs="?", default="smollm2_135m")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measure(arguments.spec)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    print(
        f"{found['nodes']} nodes × {found['tokens']} tokens: {found['evaluation_seconds']} s, "
        f"{found['ratio']} × the forwards needed; peak {found['peak_memory_bytes'] / 2**20:.0f} MiB"
    )


if __name__ == "__main__":
    main()
