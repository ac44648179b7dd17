"""Looks at what `run quickstart` left: complete, within its budgets, and with the numbers that counting gives."""

import sys
from pathlib import Path

from sparsity_report.results import store

folder = Path(sys.argv[1])
results = store.read(folder)
cells = {cell.id.rpartition("-")[0]: cell for cell in results.cells}
dense, csr, nm = (cells[name] for name in ("dense", "magnitude-global-30-csr", "magnitude-2of4-nm"))
gigabytes = (results.peak_memory_bytes or 0) / 2**30

checks = {
    "every cell is ok": all(cell.status == "ok" for cell in results.cells),
    "report.html is there and at most 1 MB": 50_000 < (folder / "report.html").stat().st_size <= 1_000_000,
    "report.pdf is a PDF": (folder / "report.pdf").read_bytes()[:5] == b"%PDF-",
    "figures, tables and summary are there": all(
        (folder / name).exists() for name in ("results.csv", "summary.md", "figures/break_even.svg")
    ),
    "dense bytes are the parameters' and nothing else": dense.value("stored_bytes", over="model") == 4 * 1_915_680,
    "CSR at 30 % is larger than dense": csr.value("stored_bytes", over="target") == 1_075_200 * 8 + 7_230 * 4,
    "2:4 takes 17/32 of dense": nm.value("stored_bytes", over="target") == 1_536_000 * 4 * 17 / 32,
    "formats compute the same function": all(
        check.verdict == "pass" for check in results.checks if check.origin == "contract"
    ),
    "under 1.5 GB": 0 < gigabytes < 1.5,
}
for what, holds in checks.items():
    print(f"{'ok  ' if holds else 'FAIL'} {what}")
print(f"{len(results.cells)} cells in {results.seconds:.0f} s, at most {gigabytes:.2f} GiB resident")
sys.exit(0 if all(checks.values()) else 1)
