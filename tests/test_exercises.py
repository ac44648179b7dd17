"""The exercises that ship, run: their reports answer what they ask."""

from __future__ import annotations

import pytest

import sparsity_report as sr
from sparsity_report.report import build

ANSWERS = {
    "wanda_one_layer": "Wanda's relative error is below magnitude's, which is below random's, at 50 %",
    "sensitivity_by_layer": "the first block is more sensitive than the inner ones at 50 %",
    "three_pipelines": "the smallest is rtn 8 bit",
}
"""Words of the answer at a glance; that of `two_four_by_batch` is a time, which a busy machine may turn."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ANSWERS)
def test_the_report_of_an_exercise_answers_it_at_a_glance(name, tmp_path):
    study = sr.run(f"exercises/{name}", out=tmp_path / name, offline=True)
    verdicts = {check.verdict for check in study.results.checks}
    glance = " ".join(build.build(study.results).glance)

    assert "miss" not in verdicts
    assert "cannot_check" not in verdicts
    assert study.results.study.question.endswith("?")
    assert ANSWERS[name] in glance.replace("&#39;", "'").replace("\u00a0", " ")
