"""
What a study's evaluation costs, against the forwards that it needs.

    python benchmarks/evaluation.py specs/smollm2_135m.toml --json
    python benchmarks/evaluation.py specs/smollm2_135m.toml --behaviour --json

The first measures in one process: one ordinary dense forward with logits over the evaluation tokens (before and after,
so that drift shows), then all nodes and the closing pass as `run` does them (pruning included; loading, leaves and
latency apart). The target is at most 1.3 × (unique nodes × one dense forward), and 4 GB.

The second takes one pruned state: CPU seconds and memory of its behaviour, dense included, with the metrics of
`--metrics` (the default ones if not given), against CPU seconds of the two ordinary forwards with logits that it needs.
The target is at most 1.15 ×, and 1 GB above the models.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sparsity_report import registry
from sparsity_report.engine import nodes
from sparsity_report.engine.behaviour import closing_pass, forward_hidden
from sparsity_report.engine.memory import peak_bytes, reset_peak
from sparsity_report.engine.prepare import Place, prepare
from sparsity_report.engine.run import Options, Run, run_nodes
from sparsity_report.engine.stopwatch import Stopwatch
from sparsity_report.engine.variant import build
from sparsity_report.planning import nodes_of, plan_cells
from sparsity_report.resources import spec_file
from sparsity_report.results import environment
from sparsity_report.spec.load import load_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparsity_report.contracts import Cell
    from sparsity_report.engine.prepare import Prepared
    from sparsity_report.spec.load import LoadedSpec


@torch.inference_mode()
def forward_with_logits(model: torch.nn.Module, ids_NL: torch.Tensor) -> None:
    """One forward with all logits, a window at a time, as any perplexity script does it."""
    for window in ids_NL:
        model(input_ids=window[None], use_cache=False)


def dense_forward_seconds(prepared: Prepared) -> float:
    started = time.perf_counter()
    forward_with_logits(prepared.loaded.model, prepared.windows.ids)
    return time.perf_counter() - started


def cpu_seconds() -> float:
    """Of this process and all its threads so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def prepared_of(spec: str) -> tuple[LoadedSpec, Prepared, tuple[Cell, ...], int]:
    """The spec's first model, ready, its cells, and the number of threads."""
    loaded = load_spec(spec_file(spec))
    threads = loaded.spec.hardware.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    model = loaded.spec.model[0]
    cells = tuple(cell for cell in plan_cells(loaded.spec) if cell.node.model == model.name)
    prepared = prepare(loaded.spec, model, cells, Place(str(loaded.folder), offline=False, quick=False))
    return loaded, prepared, cells, threads


def behaviour(spec: str, metrics: Sequence[str]) -> dict[str, Any]:
    """CPU seconds of one state's behaviour beside dense, their ratio to the two forwards needed, and memory."""
    loaded, prepared, cells, threads = prepared_of(spec)
    node = next(cell.node for cell in cells if cell.node.stages)
    families = tuple(metrics) or nodes.behaviour_families(loaded.spec)
    ids = prepared.windows.ids
    with tempfile.TemporaryDirectory() as folder:
        state, _ = nodes.state_of(loaded.spec, prepared, node, Path(folder))
        models = (prepared.loaded.model, build(state, nodes.MASKED).model)
    forward_with_logits(models[0], ids[:1])
    reset_peak()
    start = peak_bytes() or 0
    used = [cpu_seconds()]
    dense, own = (forward_hidden(each, ids) for each in models)
    used.append(cpu_seconds())
    tables = closing_pass(ids, dense, [dense, own], families, models[0].config)
    for table in tables:
        for family in families:
            registry.get("metrics", family).measure(table[family], {}, prepared.windows)
    used.append(cpu_seconds())
    peak = peak_bytes() or 0
    for each in models:
        forward_with_logits(each, ids)
    used.append(cpu_seconds())
    bodies, closing, needed = (round(after - before, 2) for before, after in pairwise(used))
    return {
        "spec": spec,
        "node": nodes.mask_key(prepared, node),
        "metrics": families,
        "tokens": ids.numel(),
        "threads": threads,
        "forwards_needed_cpu_seconds": needed,
        "bodies_cpu_seconds": bodies,
        "closing_cpu_seconds": closing,
        "ratio": round((bodies + closing) / needed, 3),
        "memory_above_models_bytes": peak - start,
    }


def measure(spec: str) -> dict[str, Any]:
    """Seconds, their ratio to the forwards needed, and peak memory."""
    loaded, prepared, cells, threads = prepared_of(spec)
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
    count = len(nodes_of(cells))
    dense = (before + after) / 2
    return {
        "spec": spec,
        "nodes": count,
        "tokens": prepared.windows.ids.numel(),
        "threads": threads,
        "dense_forward_seconds": [round(before, 2), round(after, 2)],
        "evaluation_seconds": round(evaluation, 2),
        "ratio": round(evaluation / (count * dense), 3),
        "peak_memory_bytes": peak_bytes(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", nargs="?", default="smollm2_135m")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--behaviour", action="store_true", help="one state's behaviour, in CPU seconds")
    parser.add_argument("--metrics", nargs="*", default=(), help="families for --behaviour; by default the spec's")
    arguments = parser.parse_args()
    found = behaviour(arguments.spec, arguments.metrics) if arguments.behaviour else measure(arguments.spec)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    if arguments.behaviour:
        print(
            f"{found['ratio']} × the CPU seconds of the two forwards needed over {found['tokens']} tokens; "
            f"{found['memory_above_models_bytes'] / 2**20:.0f} MiB above the models"
        )
        return
    print(
        f"{found['nodes']} nodes × {found['tokens']} tokens: {found['evaluation_seconds']} s, "
        f"{found['ratio']} × the forwards needed; peak {found['peak_memory_bytes'] / 2**20:.0f} MiB"
    )


if __name__ == "__main__":
    main()
