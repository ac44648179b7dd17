"""Zero-shot tasks through lm-evaluation-harness (Gao et al., 2024): accuracy, its mean, and the share of dense kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..contracts import Info, Quantity
from ..results.stats import bootstrap_strata
from ._record import record

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ..results.model import Condition, Measurement, TaskScores

LEVEL = "tasks"
MEASURES = ("acc", "acc_norm")
"""What of the harness' metrics is kept: the two that the literature reports. Papers on pruning average `acc`."""

_LIMITS = "depends on the harness' version, the task's, the number of examples in the prompt, and the prompt itself"
INFO = Info(
    name="tasks",
    summary="accuracy on zero-shot tasks, through lm-evaluation-harness",
    equation=r"\mathrm{retained} \;=\; \sum_{i}\, \mathrm{acc}_i^{\,(v)} \,/\, \sum_{i}\, \mathrm{acc}_i^{\,(d)}",
    spoken="retained is the mean accuracy over tasks of the variant v over that of the dense model d",
    cite="gao2024framework",
    requires=("lm_eval",),
    quantities=(
        Quantity(
            "task_acc",
            "1",
            "measured",
            "float",
            "higher",
            "share of items whose right answer has the highest likelihood; 95 % interval by Wilson",
            _LIMITS,
        ),
        Quantity(
            "task_acc_norm",
            "1",
            "measured",
            "float",
            "higher",
            "the same with log-likelihoods divided by the answer's length in characters; not comparable with task_acc",
            _LIMITS,
        ),
        Quantity(
            "task_mean",
            "1",
            "measured",
            "float",
            "higher",
            "mean of task_acc over the tasks, each with equal weight; 95 % bootstrap interval over the items of each",
            "comparable only over the same tasks",
        ),
        Quantity(
            "task_retained",
            "1",
            "measured",
            "float",
            "higher",
            "task_mean over that of dense; 95 % bootstrap interval over the items of each task, in pairs",
            "guessing keeps a share, too: a model that knows nothing retains what chance gives",
        ),
    ),
)


def measure(own: Sequence[TaskScores], dense: Sequence[TaskScores]) -> list[Measurement]:
    """Accuracies as the harness gave them; mean and share retained from the items."""
    return [
        *(each for scores in own for each in accuracies(scores)),
        *together([_items(each) for each in own], [_items(each) for each in dense], own[0].fewshot),
    ]


def _items(scores: TaskScores) -> NDArray[np.float64]:
    import numpy as np

    return np.asarray(scores.items["acc"], dtype=np.float64)


def accuracies(scores: TaskScores) -> list[Measurement]:
    """`acc` and, where the task has it, `acc_norm`: value and standard error are the harness' own."""
    from scipy.stats import binomtest

    conditions: dict[str, Condition] = {"task": scores.task, "fewshot": scores.fewshot}
    found = []
    for name in MEASURES:
        if name in scores.values:
            items = scores.items[name]
            interval = binomtest(round(sum(items)), len(items)).proportion_ci(method="wilson")
            more: dict[str, Any] = {"ci": (float(interval.low), float(interval.high)), "stderr": scores.stderr[name]}
            found.append(record(INFO, f"task_{name}", scores.values[name], conditions, n=len(items), **more))
    return found


def together(
    own: Sequence[NDArray[np.float64]], dense: Sequence[NDArray[np.float64]], fewshot: int
) -> list[Measurement]:
    """Mean over tasks, and its ratio to dense's. Arrays hold 0 or 1 for each item, the same items in both."""
    import numpy as np

    def mean(indices: Sequence[NDArray[np.int64]], values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.mean(
            [each[index].mean(axis=-1) for each, index in zip(values, indices, strict=True)], axis=0
        )
        return found

    sizes, whole = [len(each) for each in own], [np.arange(len(each)) for each in own]
    conditions: dict[str, Condition] = {"tasks": len(own), "fewshot": fewshot}
    value, reference, count = float(mean(whole, own)), float(mean(whole, dense)), sum(sizes)
    ci = bootstrap_strata(sizes, lambda *indices: mean(indices, own))
    records = [record(INFO, "task_mean", value, conditions, ci=ci, n=count)]
    if reference > 0:
        kept = bootstrap_strata(sizes, lambda *indices: mean(indices, own) / mean(indices, dense))
        records.append(record(INFO, "task_retained", value / reference, conditions, ci=kept, n=count))
    return records
