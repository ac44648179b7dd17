"""
How long the command line takes to answer, and what the quickstart costs, as whole processes.

    python benchmarks/commands.py            # start-up of the verbs that load no model
    python benchmarks/commands.py --quickstart

Each verb is run several times in turn; the median counts. Seconds are of this machine and hour.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sparsity_report.results import store

VERBS = (("--help",), ("validate", "quickstart"), ("plan", "quickstart"), ("list",))
ROUNDS = 5


def seconds(*arguments: str) -> float:
    """Wall-clock time of one run of the command line."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "sparsity_report", *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def start_up() -> dict[str, float]:
    """Median seconds of each verb, interleaved."""
    rounds = [{" ".join(verb): seconds(*verb) for verb in VERBS} for _ in range(ROUNDS)]
    return {verb: round(statistics.median(each[verb] for each in rounds), 2) for verb in rounds[0]}


def quickstart() -> dict[str, float]:
    """Seconds of the whole command, of its study, and the study's largest resident memory."""
    with tempfile.TemporaryDirectory() as folder:
        whole = seconds("run", "quickstart", "--out", folder)
        results = store.read(Path(folder))
    memory = (results.peak_memory_bytes or 0) / 2**20
    return {"seconds": round(whole, 1), "study_seconds": round(results.seconds, 1), "peak_memory_mib": round(memory)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quickstart", action="store_true")
    arguments = parser.parse_args()
    print(json.dumps(quickstart() if arguments.quickstart else start_up(), indent=2))


if __name__ == "__main__":
    main()
