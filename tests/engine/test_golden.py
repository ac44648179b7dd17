"""
A golden run guards every refactor: the numbers of a small study do not change by accident.

After a change of numbers that is meant: raise the entry's `result_version`, run
`pytest tests/engine/test_golden.py --update-golden`, and say so in the changelog.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sparsity_report.results import store
from sparsity_report.results.model import EnvironmentRecord

GOLDEN = Path(__file__).parent.parent / "golden" / "small_study.json"

ACROSS_MACHINES = {"rel": 2e-3, "abs": 0.01}
"""Counted numbers are equal everywhere; another BLAS moves a perplexity in its sixth digit, and an agreement by a
position or two of 252."""


def numbers(results, noise):
    return {
        (cell.node, cell.id, each.metric, tuple(sorted(each.conditions.items()))): each.value
        for cell in results.cells
        for each in cell.metrics
        if each.noise == noise and each.metric != "max_abs_logit_difference"
    }


def test_a_small_study_gives_the_golden_numbers(study, tmp_path, request):
    results, _ = study(tmp_path / "run")
    if request.config.getoption("--update-golden"):
        anywhere = results.model_copy(update={"environment": EnvironmentRecord(), "seconds": 0.0})
        store.write_json(GOLDEN, store.dump(anywhere))
    golden = store.read(GOLDEN)

    assert numbers(golden, "exact") == numbers(results, "exact")
    assert numbers(results, "float") == pytest.approx(numbers(golden, "float"), **ACROSS_MACHINES)
