"""The table of zero-shot tasks: every pruned state's accuracies, their mean, and the share of dense retained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import facts, names, numbers
from .columns import NONE, aligned, measured, text, without_empty
from .document import Column, Entry, Row, Table
from .markup import cite, code, plain
from .tables import by_model

if TYPE_CHECKING:
    from ..results.model import CellRecord, Results, TaskRecord

MEASURES = ("acc", "acc_norm")
CITED = {
    "arc_easy": "clark2018think",
    "arc_challenge": "clark2018think",
    "hellaswag": "zellers2019hellaswag",
    "winogrande": "sakaguchi2020winogrande",
    "piqa": "bisk2020piqa",
}
"""Where the harness' own tasks come from; a local task of the same name is taken to be that one."""


def name_of(task: TaskRecord) -> str:
    return code(task.task) + (cite(CITED[task.task]) if task.task in CITED else "")


def accuracy(cell: CellRecord, task: str, measure: str) -> Entry:
    """Per cent, and the harness' standard error below it."""
    found = facts.find(cell, f"task_{measure}", task=task)
    if found is None or found.value is None:
        return NONE
    below = "" if found.stderr is None else f"± {numbers.number(found.stderr * 100, 1)}"
    return Entry(numbers.number(found.value * 100, 1), below=below, sort=found.value)


def states(results: Results, model: str) -> list[CellRecord]:
    """Dense and every pruned state, each by one of its cells that has task scores."""
    found: dict[str, CellRecord] = {}
    for cell in results.cells:
        if cell.variant.model == model and facts.find(cell, "task_mean") is not None:
            found.setdefault(cell.node, cell)
    return list(found.values())


def protocol(task: TaskRecord) -> str:
    """What of a task was run, in words."""
    part = f"{numbers.count(task.items)} items" if task.items == task.of else (
        f"the first {numbers.count(task.items)} of {numbers.count(task.of)} items")  # fmt: skip
    return f"{name_of(task)} {plain(task.version)} ({part})"


def notes(results: Results) -> tuple[str, ...]:
    if not results.tasks:
        return ()
    first = results.tasks[0]
    shots = "no example" if first.fewshot == 0 else f"{numbers.count(first.fewshot)} examples"
    return (
        f"Run by {plain(first.harness)} on the executed model, {shots} in the prompt, {plain(first.prompt)}: "
        f"{names.listing([protocol(each) for each in results.tasks])}.",
        "Below an accuracy: its standard error as the harness gives it. Mean and share retained have 95 % intervals: "
        "bootstraps over the items of each task, the same items in dense and variant.",
    )


def tasks(results: Results) -> Table:
    """One row a state and measure; the mean is of `acc`, as in papers on pruning."""
    rows: dict[str, list[Row]] = {}
    for model in results.models:
        for cell in states(results, model.id):
            for measure in MEASURES:
                entries = [accuracy(cell, each.task, measure) for each in results.tasks]
                if all(each == NONE for each in entries):
                    continue
                first = measure == MEASURES[0]
                rows.setdefault(model.id, []).append(
                    Row(
                        (
                            text(names.state(results, cell) if first else "", names.repeats(cell) if first else ""),
                            text(code(measure)),
                            *entries,
                            measured(facts.find(cell, "task_mean"), 100, 1) if first else NONE,
                            measured(facts.find(cell, "task_retained"), 100, 1) if first else NONE,
                        ),
                        muted=cell.status != "ok",
                    )
                )
    columns = (
        Column("State"),
        Column("Measure"),
        *(Column(plain(each.task.replace("_", " ")), "%", "measured", numeric=True) for each in results.tasks),
        Column("Mean", "%", "measured", numeric=True),
        Column("Retained", "%", "measured", numeric=True),
    )
    caption = "Accuracy on zero-shot tasks, their mean, and the share of the dense model’s mean that is retained."
    if any(each.fewshot for each in results.tasks):
        caption = caption.replace("zero-shot tasks", "tasks with examples in the prompt")
    own = (*notes(results), *names.labels_note(results))
    return aligned(
        without_empty(Table("tab:tasks", caption, columns, by_model(results, rows), own, long=True, small=True))
    )
