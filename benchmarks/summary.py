"""
Several runs of `kernels.py --json` as one table in Markdown: medians over the runs, and their lowest and highest.

    python benchmarks/summary.py benchmarks/results/kernels/*.json
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

SHOWN = ("speedup", "speedup_best_dense")


def span(values: list[float]) -> str:
    """ "2.41 (2.35–2.46)" """
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def table(runs: list[dict[str, Any]]) -> list[str]:
    """One line for each format, sparsity and number of tokens; a column for each waiting policy and rival."""
    policies = sorted({run["machine"]["omp_wait_policy"] for run in runs})
    found: dict[tuple[Any, ...], dict[tuple[str, str], list[float]]] = {}
    for run in runs:
        for row in run["rows"]:
            place = found.setdefault((row["format"], row["dtype"], row["sparsity"], row["tokens"]), {})
            for name in SHOWN:
                place.setdefault((run["machine"]["omp_wait_policy"], name), []).append(row[name])
    heads = [f"{rival}, {policy}" for policy in policies for rival in ("× F.linear", "× best dense")]
    lines = ["| format | values | sparsity | tokens | " + " | ".join(heads) + " |", "|---" * (4 + len(heads)) + "|"]
    for (entry, dtype, sparsity, tokens), place in found.items():
        share = sparsity if isinstance(sparsity, str) else f"{sparsity:.0%}".replace("%", " %")
        cells = [span(place[policy, name]) if (policy, name) in place else "–" for policy in policies for name in SHOWN]
        lines.append(f"| {entry} | {dtype} | {share} | {tokens} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    if not sys.argv[1:]:
        sys.exit(__doc__)
    runs = [json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]]
    for machine in {json.dumps(run["machine"] | {"omp_wait_policy": ""}, sort_keys=True): run for run in runs}.values():
        print(", ".join(f"{key} {value}" for key, value in machine["machine"].items() if key != "omp_wait_policy"))
    print()
    print("\n".join(table(runs)))


if __name__ == "__main__":
    main()
