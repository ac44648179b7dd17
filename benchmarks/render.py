"""
What a report costs: CPU seconds of our share, of the whole, and of WeasyPrint alone on the same HTML.

    python benchmarks/render.py                                      # the largest example
    python benchmarks/render.py reports/examples/quickstart --rounds 3
    python benchmarks/render.py --profile                            # where our share goes

Every step runs in a process of its own, imports included; the median of the rounds counts. CPU seconds, because they
depend less on what else the machine does. The targets for the largest example: our share (reading results, words,
figures, HTML) at most 4, the whole at most 1.5 times WeasyPrint alone, at most 500 MB.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LARGEST = Path("reports/examples/smollm2_methods")
STEPS = ("ours", "alone", "whole")


def ours(run: Path) -> None:
    """Results to the HTML page."""
    from sparsity_report.report import html
    from sparsity_report.report.build import build
    from sparsity_report.results import store

    html.page(build(store.read(run)), "html")


def alone(printed: Path) -> None:
    """WeasyPrint on the HTML that the PDF is made of, with the same options, as its documentation calls it."""
    import weasyprint

    weasyprint.HTML(filename=printed).write_pdf(pdf_variant="pdf/a-3a", pdf_tags=True)


def whole(run: Path) -> None:
    """Everything that `render` writes."""
    from sparsity_report.report.render import render
    from sparsity_report.results import store

    with tempfile.TemporaryDirectory() as folder:
        list(render(store.read(run), Path(folder)))


def child(step: str, path: Path) -> None:
    """Runs a step and prints what this process took."""
    {"ours": ours, "alone": alone, "whole": whole}[step](path)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu_seconds": time.process_time(), "peak_memory_mib": memory}))


def cost(step: str, path: Path) -> dict[str, float]:
    """CPU seconds and peak memory of a step in a fresh process."""
    command = [sys.executable, "-W", "ignore", __file__, str(path), "--step", step]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(run: Path, rounds: int) -> dict[str, float]:
    """Medians over the rounds, steps interleaved."""
    from sparsity_report.report import html
    from sparsity_report.results import store

    with tempfile.TemporaryDirectory() as folder:
        printed = Path(folder, "printed.html")
        printed.write_text(html.render_html(store.read(run), target="pdf"), encoding="utf-8")
        found = [{step: cost(step, printed if step == "alone" else run) for step in STEPS} for _ in range(rounds)]
    cpu = {step: statistics.median(each[step]["cpu_seconds"] for each in found) for step in STEPS}
    return {
        **{f"{step}_cpu_seconds": round(seconds, 2) for step, seconds in cpu.items()},
        "whole_over_alone": round(cpu["whole"] / cpu["alone"], 2),
        "peak_memory_mib": round(max(each["whole"]["peak_memory_mib"] for each in found)),
    }


def profile(run: Path) -> None:
    """The forty functions that our share spends most in."""
    watch = cProfile.Profile()
    watch.runcall(ours, run)
    pstats.Stats(watch).sort_stats("cumulative").print_stats(40)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", default=LARGEST)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        child(arguments.step, arguments.run)
    elif arguments.profile:
        profile(arguments.run)
    else:
        print(json.dumps(measure(arguments.run, arguments.rounds), indent=2))


if __name__ == "__main__":
    main()
