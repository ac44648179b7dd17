"""Tasks in the report: what may be claimed depends on the interval of the share retained."""

from __future__ import annotations

import pytest
from tiny_results import cell, pruned
from tiny_results import results as made_of

from sparsity_report.report import task_tables
from sparsity_report.report.build import build
from sparsity_report.report.prose import tasks
from sparsity_report.results.model import Measurement, TaskRecord

PIQA = TaskRecord(task="piqa", version="1.0", items=200, of=1838, harness="lm-eval 0.4.13", sha256="ab")
OWN = TaskRecord(task="own", version="2", items=30, of=30, harness="lm-eval 0.4.13", sha256="cd")


def found(metric, value, ci=None, stderr=None, n=230, **conditions):
    more = {"kind": "measured", "noise": "float", "direction": "higher", "unit": "1"}
    return Measurement(metric=metric, value=value, ci=ci, stderr=stderr, n=n, conditions=conditions, **more)


def scores(acc, retained, ci):
    return (
        found("task_acc", acc, (acc - 0.06, acc + 0.06), 0.0343, 200, task="piqa", fewshot=0),
        found("task_acc_norm", acc + 0.01, (acc, acc + 0.1), 0.034, 200, task="piqa", fewshot=0),
        found("task_acc", 0.5, (0.3, 0.7), 0.0928, 30, task="own", fewshot=0),
        found("task_mean", (acc + 0.5) / 2, (0.4, 0.7), tasks=2, fewshot=0),
        found("task_retained", retained, ci, tasks=2, fewshot=0),
    )


def study(retained=0.93, ci=(0.9, 0.96), shots=0):
    every = (
        cell("dense", *scores(0.64, 1.0, (1.0, 1.0))),
        pruned("half", *scores(0.56, retained, ci), method="wanda"),
    )
    records = tuple(each.model_copy(update={"fewshot": shots}) for each in (PIQA, OWN))
    return made_of(*every).model_copy(update={"tasks": records})


@pytest.mark.parametrize(
    ("retained", "ci", "claim"),
    [
        (0.93, (0.90, 0.96), "a loss"),
        (0.97, (0.93, 1.01), "no clear difference"),
        (1.05, (1.01, 1.09), "a gain"),
        (0.93, None, "nothing is claimed"),
    ],
)
def test_the_claim_follows_the_interval(retained, ci, claim):
    made = study(retained, ci)

    text = tasks.state_sentence(made, made.cells[1])
    assert text.endswith(f"{claim}.")
    assert f"retains {100 * retained:.0f}" in text


def test_the_opening_has_the_dense_mean_with_its_tasks_and_items():
    made = study()

    text = tasks.opening(made, made.models[0]).replace("\u00a0", " ")
    assert text.startswith(
        "The dense model answers 57.0 % [40.0, 70.0] of the items right on average, over 2 tasks and 230 items"
    )


def test_the_table_has_both_measures_with_the_harness_standard_error():
    table = task_tables.tasks(study())
    rows = [[(entry.text, entry.below) for entry in row.entries] for row in table.rows]

    assert [column.title for column in table.columns[2:]] == ["piqa", "own", "Mean", "Retained"]
    assert rows[0][2:4] == [("64.0", "± 3.4"), ("50.0", "± 9.3")]
    assert rows[1][2:] == [("65.0", "± 3.4"), ("–", ""), ("–", ""), ("–", "")]
    assert rows[2][5] == ("93.0", "[90.0, 96.0]")


def test_the_notes_say_what_a_number_depends_on():
    """T49."""
    first = task_tables.tasks(study()).notes[0]

    assert "lm-eval 0.4.13" in first
    assert "no example in the prompt, no chat template" in first
    assert "the first 200 of 1,838 items" in first
    assert "2 (30 items)" in first
    few = task_tables.tasks(study(shots=5))
    assert "5 examples in the prompt" in few.notes[0]
    assert "zero-shot" not in few.caption


def test_a_study_without_tasks_says_nothing_of_them():
    made = study().model_copy(update={"cells": (cell("dense"),), "tasks": ()})

    assert tasks.blocks(made) == ()


def test_the_report_holds_the_table_and_cites_where_the_task_comes_from():
    report = build(study())

    assert report.numbering.has("tab:tasks")
    assert "bisk2020piqa" in report.numbering.citations
