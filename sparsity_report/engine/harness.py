"""
lm-evaluation-harness, in process: its own evaluation of its own tasks, on the module that a pruned state executes.

Task files are the user's (a folder of YAML files, with data beside them) or the harness' own, whose data come from the
hub. Everything that decides a number is the harness'; here only the model is ours.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.metadata
import io
import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import registry
from ..errors import EnvironmentProblem, Problem, SparsityReportError, SpecError
from ..models.blocks import shared_copy
from ..paths import beside, is_dir
from ..planning import digest
from ..results.model import TaskRecord, TaskScores
from . import task_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn

    from ..spec.model import Tasks

QUICK_ITEMS = 4
"""Items of each task in a rehearsal (`--quick`)."""
FILTER = "none"
"""The harness' name for answers that no filter has changed; tasks of likelihoods have no other."""


@dataclass(frozen=True)
class TaskSet:
    """Loaded tasks in the spec's order, what is known about them, and what their numbers depend on."""

    tasks: dict[str, Any]
    records: tuple[TaskRecord, ...]
    limit: int | None
    fewshot: int
    batch: int

    @property
    def key(self) -> str:
        return digest([[each.model_dump(mode="json") for each in self.records], self.limit, self.fewshot, self.batch])


@contextlib.contextmanager
def quiet(folder: Path) -> Iterator[None]:
    """Without the harness' bars and remarks. Relative paths in task files count from `folder`."""
    logger = logging.getLogger("lm_eval")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.chdir(folder):
            yield
    finally:
        logger.setLevel(level)


def folder_of(wanted: Tasks, base: str) -> Path:
    """Where the task files are. Raises EnvironmentProblem when there is no such folder."""
    folder = beside(base, wanted.include) if wanted.include else Path()
    if not is_dir(folder):
        raise EnvironmentProblem(
            f"there is no folder of tasks {wanted.include!r} (looked for {folder})",
            remedy="a path counts from the spec's folder, with --set from the current one",
        )
    return folder.resolve()


def load(wanted: Tasks, *, base: str, quick: bool) -> TaskSet:
    """
    The tasks with their data, before anything is pruned.

    Raises SpecError for a task that does not exist or has no accuracy, EnvironmentProblem when the harness is not
    installed or the data are out of reach.
    """
    registry.need("metrics", "tasks")
    folder = folder_of(wanted, base)
    if wanted.include:
        task_files.check(folder)
    task_files.sandbox()
    with quiet(folder):
        managers = [index(str(folder))] if wanted.include else []
        if not managers or not set(wanted.use) <= set(managers[0].all_subtasks):
            managers.append(own_index())
    problems = [
        Problem(f"metrics.tasks.use[{number}]", f"{name!r} {why}", hint=hint)
        for number, name in enumerate(wanted.use)
        for why, hint in unknown(name, managers, wanted.include)
    ]
    if problems:
        raise SpecError(*problems)
    limit = min(QUICK_ITEMS, wanted.limit or QUICK_ITEMS) if quick else wanted.limit
    with quiet(folder), task_files.without_metrics_of_the_hub():
        tasks = {name: loaded(name, managers) for name in wanted.use}
        records = tuple(described(name, task, limit, wanted.fewshot) for name, task in tasks.items())
    return TaskSet(tasks, records, limit, wanted.fewshot, wanted.batch)


def index(folder: str) -> Any:
    """The task files of a folder."""
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=folder, include_defaults=False)


@cache
def own_index() -> Any:
    """The harness' own task files: there are thousands, so they are read only when they are needed."""
    from lm_eval.tasks import TaskManager

    return TaskManager()


def unknown(name: str, managers: Sequence[Any], include: str) -> Iterator[tuple[str, str]]:
    """What is wrong with the name of a task, and a hint."""
    if any(name in each.all_subtasks for each in managers):
        return
    if any(name in each.all_tasks for each in managers):
        yield "names several tasks of the harness together", "list its tasks one by one"
        return
    known = tuple(each for manager in managers for each in manager.all_subtasks)
    close = registry.suggest(name, known).partition("known:")[0]
    where = f"neither in {include} nor among the harness' own" if include else "not among the harness' own"
    yield f"is no task: {where}", close.strip() or '`lm-eval ls tasks` lists them; include = "tasks/" adds your own'


def loaded(name: str, managers: Sequence[Any]) -> Any:
    """One task with its data, the user's before the harness' own. Raises EnvironmentProblem."""
    from datasets.exceptions import DatasetsError
    from jinja2 import TemplateError
    from yaml import YAMLError

    manager = next(each for each in managers if name in each.all_subtasks)
    load = getattr(manager, "load", None) or manager.load_task_or_group  # before lm-eval 0.4.10
    try:
        found = load([name])
        return found.get("tasks", found)[name]
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        ImportError,
        AttributeError,
        DatasetsError,
        TemplateError,
        YAMLError,
    ) as problem:
        raise EnvironmentProblem(
            f"the task {name!r} cannot be loaded: {type(problem).__name__}: {' '.join(str(problem).split())[:200]}",
            remedy="its data come from the Hugging Face hub unless its file names others: without a network, put a "
            "task file and its data into a folder, and name that in metrics.tasks.include",
        ) from None


def described(name: str, task: Any, limit: int | None, fewshot: int) -> TaskRecord:
    """What must be known about a task to repeat its number. Raises SpecError for a task without accuracy."""
    if "acc" not in task.aggregation():
        reported = ", ".join(task.aggregation())
        raise SpecError(Problem("metrics.tasks.use", f"{name!r} has no accuracy: it reports {reported}"))
    documents = list(task.eval_docs)
    return TaskRecord(
        task=name,
        version=str(task.VERSION),
        items=len(documents) if limit is None else min(limit, len(documents)),
        of=len(documents),
        fewshot=fewshot,
        split=str(task.config.test_split or task.config.validation_split or ""),
        dataset=str(task.config.dataset_path or ""),
        sha256=digest([task.dump_config(), documents[:limit]]),
        harness=f"lm-eval {importlib.metadata.version('lm_eval')}",
    )


def language_model(model: nn.Module, tokenizer: Any, batch: int) -> Any:
    """
    The model as the harness sees it.

    The harness gives the tokenizer a padding token and ties weights anew: the first happens to a copy, the second not
    at all, because it would put the dense embedding where a pruned output projection is.
    """
    from lm_eval.models.huggingface import HFLM

    executed: Any = shared_copy(model)
    executed.tie_weights = lambda *_, **__: None
    return HFLM(pretrained=executed, tokenizer=copy.deepcopy(tokenizer), batch_size=batch)


def evaluate(wanted: TaskSet, model: nn.Module, tokenizer: Any) -> tuple[TaskScores, ...]:
    """Accuracies of the model as `simple_evaluate` gives them. Raises SparsityReportError when one is missing."""
    import torch
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.tasks import TaskManager

    with quiet(Path()), torch.inference_mode():
        found = simple_evaluate(
            model=language_model(model, tokenizer, wanted.batch),
            tasks=list(wanted.tasks.values()),
            task_manager=TaskManager(include_defaults=False),  # the tasks are there already
            num_fewshot=wanted.fewshot,
            limit=wanted.limit,
            log_samples=True,
        )
    return tuple(scores(name, found) for name in wanted.tasks)


def scores(name: str, found: Any) -> TaskScores:
    """The harness' value and standard error of each accuracy, and the items behind them."""
    from ..metrics.tasks import MEASURES

    values, samples = found["results"][name], found["samples"][name]
    reported = [measure for measure in MEASURES if f"{measure},{FILTER}" in values]
    if "acc" not in reported:
        raise SparsityReportError(f"the harness reported no accuracy for {name!r}, but {', '.join(map(str, values))}")
    ordered = sorted(samples, key=lambda each: each["doc_id"])
    return TaskScores(
        task=name,
        fewshot=int(found["n-shot"][name]),
        values={measure: float(values[f"{measure},{FILTER}"]) for measure in reported},
        stderr={measure: number_of(values.get(f"{measure}_stderr,{FILTER}")) for measure in reported},
        items={measure: tuple(float(each[measure]) for each in ordered) for measure in reported},
    )


def number_of(value: Any) -> float | None:
    """The harness writes "N/A" where it computes none."""
    return float(value) if isinstance(value, int | float) else None
