"""Sentences about tasks: how much of the dense model's accuracy each pruned state retains, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, names, numbers, task_tables
from ..markup import see
from .words import bullets, paragraph

if TYPE_CHECKING:
    from ...results.model import CellRecord, Measurement, ModelRecord, Results
    from ..document import Block

FEW = 3


def opening(results: Results, model: ModelRecord) -> str:
    """The dense model's mean."""
    dense = results.reference(model.id)
    mean = None if dense is None else facts.find(dense, "task_mean")
    if mean is None:
        return ""
    count = int(mean.conditions["tasks"])
    over = "1 task" if count == 1 else f"{numbers.count(count)} tasks"
    on_average = "" if count == 1 else " on average"
    return names.sentence(
        names.on(results, model),
        f"the dense model answers {numbers.with_interval(mean, 100, '%', 1)} of the items right{on_average}, over ",
        f"{over} and {numbers.count(mean.n or 0)} items{see('tab:tasks')}.",
    )


def verdict(retained: Measurement) -> str:
    """What the interval of the share retained allows to say."""
    if retained.ci is None:
        return "without an interval nothing is claimed"
    if retained.ci[1] < 1:
        return "a loss"
    return "a gain" if retained.ci[0] > 1 else "no clear difference"


def state_sentence(results: Results, cell: CellRecord) -> str:
    """The share that a pruned state retains."""
    retained = facts.find(cell, "task_retained")
    if retained is None:
        return ""
    share = numbers.with_interval(retained, 100, "%", 1)
    return names.sentence(
        names.state(results, cell), f" retains {share} of dense’s mean accuracy: {verdict(retained)}."
    )


def blocks(results: Results) -> tuple[Block, ...]:
    """Nothing where no task was run."""
    table = task_tables.tasks(results)
    if not table.rows:
        return ()
    sentences = [
        state_sentence(results, cell)
        for model in results.models
        for cell in task_tables.states(results, model.id)
        if not cell.is_reference
    ]
    openings = [opening(results, model) for model in results.models]
    if len(sentences) <= FEW:
        return (*paragraph(*openings, *sentences, heading="Tasks."), table)
    return (*paragraph(*openings, heading="Tasks."), *bullets(sentences), table)
