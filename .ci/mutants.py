"""
Puts known bugs into a copy of the package and sees whether the test that should notice does.

    python .ci/mutants.py            five of tests/mutants/*.patch, others at every commit
    python .ci/mutants.py --all      all of them
    python .ci/mutants.py T30 T6     those whose names begin so

Each patch begins with lines `bug: …` (what it is, and where it was seen) and `test: …` (a pytest selection). A mutant
is caught when that selection passes without the patch and fails (not: errors, not: finds no test) with it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
MUTANTS = ROOT / "tests" / "mutants"
A_RUN = 5
COPIED = ("sparsity_report", "templates", "specs", "tests", "pyproject.toml")
PASSED, FAILED = 0, 1  # pytest's exit codes; all others mean that it could not judge


@dataclass(frozen=True)
class Mutant:
    file: Path
    bug: str
    test: str


def read(file: Path) -> Mutant:
    """Raises SystemExit for a patch that does not say what it is."""
    head = dict(
        line.split(": ", 1) for line in file.read_text(encoding="utf-8").splitlines() if line[:5] in ("bug: ", "test:")
    )
    if "bug" not in head or "test" not in head:
        sys.exit(f"{file.name}: must begin with `bug: …` and `test: …`")
    return Mutant(file, head["bug"], head["test"])


def chosen(mutants: list[Mutant], names: list[str], everything: bool) -> list[Mutant]:
    """All, those named, or five that move on with every commit."""
    if names:
        return [mutant for mutant in mutants if mutant.file.stem.split("_")[0] in names]
    if everything:
        return mutants
    count = subprocess.run(
        ["git", "rev-list", "--count", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    start = int(count or 0) * A_RUN % len(mutants)
    return (mutants[start:] + mutants[:start])[:A_RUN]


def run(copy: Path, tests: list[str]) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=copy, capture_output=True, check=False).returncode


def caught(mutant: Mutant) -> str:
    """Empty when the test notices the bug; otherwise why it does not count."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        applied = subprocess.run(
            ["git", "apply", "--whitespace=nowarn", str(mutant.file)], cwd=copy, capture_output=True, check=False
        )
        if applied.returncode:
            return f"the patch does not apply: {applied.stderr.decode().strip()}"
        code = run(copy, mutant.test.split())
    return {PASSED: "SURVIVED: the test passes with the bug", FAILED: ""}.get(code, f"pytest ended with {code}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--all", action="store_true")
    arguments = parser.parse_args()
    mutants = chosen([read(file) for file in sorted(MUTANTS.glob("*.patch"))], arguments.names, arguments.all)
    if not mutants:
        sys.exit("no such mutant")
    without = run(ROOT, sorted({test for mutant in mutants for test in mutant.test.split()}))
    if without != PASSED:
        sys.exit(f"the tests do not pass without a mutant (pytest ended with {without})")
    survivors = 0
    for mutant in mutants:
        reason = caught(mutant)
        survivors += bool(reason)
        print(f"{mutant.file.stem}: {reason or 'caught'}: {mutant.bug}", flush=True)
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
