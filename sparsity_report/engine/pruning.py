"""
A prune stage carried out: how much of each matrix, by which scores, on which inputs.

The method decides what its scores are or prunes by itself; how many weights go is decided here, from the allocation,
the pattern and the scope, so that every method removes exactly the same number.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from .. import registry
from ..counting import group_count, matrix_counts
from ..permutation import find
from ..selection import keep_masks
from ..tasks import Outcome, Task
from .gradients import gradients_of
from .memory import peak_bytes, reset_peak
from .walk import blocks_of, prune_by_walk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from torch import Tensor

    from ..allocation import Evidence
    from ..contracts import Params, Stage
    from ..models.anatomy import Matrix
    from ..models.blocks import BlockSource
    from ..tasks import Statistics
    from .state import ModelState


@dataclass(frozen=True)
class Sight:
    """What pruning may look at besides the weights: calibration windows (N, L), and evidence for an allocation."""

    source: BlockSource
    ids_NL: Tensor | None = None
    evidence: Callable[[Stage], Evidence] | None = None
    folder: str = ""
    offline: bool = False


@dataclass(frozen=True)
class Pruned:
    """The state after a stage, and what is worth knowing about how it came about."""

    state: ModelState
    requested: tuple[float, ...]
    """The sparsity asked of each target; empty where several matrices compete with each other."""
    fallbacks: dict[str, int]
    seconds: float
    peak_memory_bytes: int | None


@dataclass(frozen=True)
class Job:
    """One stage's method with its parameters and counts; collects fallbacks and permutations on the way."""

    stage: Stage
    method: ModuleType
    params: Params
    counts: Mapping[str, int]
    sight: Sight
    gradients: Mapping[str, Tensor] = field(default_factory=dict)
    fallbacks: dict[str, int] = field(default_factory=dict)

    @property
    def together(self) -> bool:
        """Whether matrices compete with each other: all of them, or those of a decoder block."""
        return not self.stage.pattern.is_nm and self.stage.scope in ("global", "block")

    def task(self, matrix: Matrix, statistics: Statistics | None) -> Task:
        path, stage = matrix.shape.path, self.stage
        return Task(
            path=path,
            pattern=stage.pattern,
            count=self.counts[path],
            scope=stage.scope,
            sparsity=stage.sparsity,
            compat=stage.params["compat"],
            seed=stage.seed,
            statistics=statistics,
            gradient_OI=self.gradients.get(path),
            folder=self.sight.folder,
            offline=self.sight.offline,
        )

    def settle(self, state: ModelState, matrices: Sequence[Matrix], statistics: dict[str, Statistics]) -> ModelState:
        """The state with these matrices pruned: all together, or those of each input group by themselves."""
        if self.together:
            return self._extended(state, matrices, self._chosen_together(state, matrices, statistics))
        for group in dict.fromkeys(matrix.input_group for matrix in matrices):
            members = [matrix for matrix in matrices if matrix.input_group == group]
            for part in by_module(members) if self.stage.params.get("permute") else [members]:
                state = self._settle_group(state, part, statistics.get(group))
        return state

    def _settle_group(self, state: ModelState, members: Sequence[Matrix], seen: Statistics | None) -> ModelState:
        weights = [state.weight_OI(matrix) for matrix in members]
        tasks = [self.task(matrix, seen) for matrix in members]
        if not self.stage.params.get("permute"):
            return self._extended(state, members, self._outcomes(weights, tasks))
        order = find(torch.cat(self._scores_for_order(weights, tasks)), self.stage.pattern)
        outcomes = self._outcomes([weight[:, order] for weight in weights], [reordered(task, order) for task in tasks])
        back = order.argsort()
        restored = [
            replace(
                each,
                keep_mask=each.keep_mask[:, back],
                weight_OI=None if each.weight_OI is None else each.weight_OI[:, back],
            )
            for each in outcomes
        ]
        state = replace(state, permutations={**state.permutations, members[0].module: order})
        return self._extended(state, members, restored)

    def _scores_for_order(self, weights: Sequence[Tensor], tasks: Sequence[Task]) -> list[Tensor]:
        """What the order of in_features should keep: the method's own scores, or |W|·rms(x) if it has none."""
        if hasattr(self.method, "score"):
            return [self.method.score(weight, task, self.params) for weight, task in zip(weights, tasks, strict=True)]
        return [weight.float().abs() * task.inputs.rms_I for weight, task in zip(weights, tasks, strict=True)]

    def _outcomes(self, weights: Sequence[Tensor], tasks: Sequence[Task]) -> list[Outcome]:
        """Of matrices that compete with no other."""
        if hasattr(self.method, "prune"):
            found: list[Outcome] = self.method.prune(list(weights), list(tasks), self.params)
            return found
        scores = [self.method.score(weight, task, self.params) for weight, task in zip(weights, tasks, strict=True)]
        stage = self.stage
        masks = keep_masks(
            scores,
            pattern=stage.pattern,
            scope=stage.scope,
            counts=[task.count for task in tasks],
            sparsity=stage.sparsity,
            compat=stage.params["compat"],
        )
        return [Outcome(keep_mask) for keep_mask in masks]

    def _chosen_together(
        self, state: ModelState, matrices: Sequence[Matrix], statistics: dict[str, Statistics]
    ) -> list[Outcome]:
        scores = [
            self.method.score(
                state.weight_OI(matrix), self.task(matrix, statistics.get(matrix.input_group)), self.params
            )
            for matrix in matrices
        ]
        shapes = [matrix.shape for matrix in matrices]
        masks = keep_masks(
            scores,
            pattern=self.stage.pattern,
            scope="global",
            counts=[self.counts[shape.path] for shape in shapes],
            total=None if "allocation" in self.stage.params else group_count(shapes, self.stage.sparsity),
            sparsity=self.stage.sparsity,
            compat=self.stage.params["compat"],
        )
        return [Outcome(keep_mask) for keep_mask in masks]

    def _extended(self, state: ModelState, matrices: Sequence[Matrix], outcomes: Sequence[Outcome]) -> ModelState:
        masks, changed = dict(state.keep_masks), dict(state.changed_weights)
        for matrix, outcome in zip(matrices, outcomes, strict=True):
            path = matrix.shape.path
            masks[path] = outcome.keep_mask
            if outcome.weight_OI is not None:
                changed[path] = outcome.weight_OI
            elif path in changed:  # an earlier stage's weights: what this one prunes of them is 0 as well
                changed[path] = changed[path].masked_fill(~outcome.keep_mask, 0.0)
            for what, count in outcome.fallbacks.items():
                self.fallbacks[what] = self.fallbacks.get(what, 0) + count
        return replace(state, keep_masks=masks, changed_weights=changed)


def by_module(matrices: Sequence[Matrix]) -> list[list[Matrix]]:
    """Matrices of one module together: they are executed on one input, in one order of in_features."""
    found: dict[str, list[Matrix]] = {}
    for matrix in matrices:
        found.setdefault(matrix.module, []).append(matrix)
    return list(found.values())


def reordered(task: Task, order_I: Tensor) -> Task:
    """The task of a matrix whose in_features are taken in another order."""
    seen = task.statistics
    if seen is not None:
        seen = replace(
            seen,
            sq_sum_I=None if seen.sq_sum_I is None else seen.sq_sum_I[order_I],
            sum_I=None if seen.sum_I is None else seen.sum_I[order_I],
            gram_II=None if seen.gram_II is None else seen.gram_II[order_I][:, order_I],
        )
    gradient = None if task.gradient_OI is None else task.gradient_OI[:, order_I]
    return replace(task, statistics=seen, gradient_OI=gradient)


def own_params(module: ModuleType, given: Mapping[str, Any]) -> Params:
    """The entry's own parameters among a stage's."""
    params: Params = module.Params.model_validate(
        {name: value for name, value in given.items() if name in module.Params.model_fields}
    )
    return params


def counts_of(state: ModelState, stage: Stage, sight: Sight) -> dict[str, int]:
    """Weights to prune, by matrix path, as the stage's allocation spreads them."""
    shapes = [matrix.shape for matrix in state.targets]
    chosen = stage.params.get("allocation")
    if not chosen or stage.sparsity is None:
        return matrix_counts(shapes, stage.pattern, stage.sparsity)
    rule = registry.need("allocation", chosen["use"])
    params = own_params(rule, chosen)
    evidence = sight.evidence(stage) if sight.evidence is not None else None
    wanted = rule.allocate(shapes, stage.sparsity, evidence, params)
    return matrix_counts(shapes, stage.pattern, stage.sparsity, wanted, (params.minimum, params.maximum))  # type: ignore[attr-defined]  # every allocation has these two


def job_of(state: ModelState, stage: Stage, sight: Sight) -> Job:
    """The stage's method with its parameters and counts."""
    method = registry.need("methods", stage.entry)
    return Job(stage, method, own_params(method, stage.params), counts_of(state, stage, sight), sight)


def told(job: Job, state: ModelState, seconds: float) -> Pruned:
    """The pruned state, and what is known of how it came about."""
    stage = job.stage
    requested = (job.counts[matrix.shape.path] / matrix.shape.numel for matrix in state.targets)
    return Pruned(
        replace(state, pattern=stage.pattern),
        () if job.together or stage.sparsity is None else tuple(requested),
        job.fallbacks,
        seconds,
        peak_bytes(),
    )


@torch.no_grad()
def prune(state: ModelState, stage: Stage, sight: Sight) -> Pruned:
    """Carries out a stage. Raises ValueError on scores that are not finite, SparsityReportError as methods do."""
    reset_peak()
    started = time.monotonic()
    job = job_of(state, stage, sight)
    walked = [name for name in job.method.NEEDS if name != "gradient"]
    if "gradient" in job.method.NEEDS:
        job = replace(job, gradients=gradients_of(state, _windows(sight)))
    found = _by_walk(job, state, walked) if walked else _without_walk(job, state)
    return told(job, found, time.monotonic() - started)


def _windows(sight: Sight) -> Tensor:
    if sight.ids_NL is None:
        raise ValueError("this method needs calibration windows, and none were given")
    return sight.ids_NL


def _without_walk(job: Job, state: ModelState) -> ModelState:
    if job.together and job.stage.scope == "block":
        for matrices in blocks_of(state).values():
            state = job.settle(state, matrices, {})
        return state
    return job.settle(state, state.targets, {})


def _by_walk(job: Job, state: ModelState, wanted: Sequence[str]) -> ModelState:
    params = job.stage.params
    everything: dict[str, Statistics] = {}

    def remember(state: ModelState, matrices: Sequence[Matrix], statistics: dict[str, Statistics]) -> ModelState:
        everything.update(statistics)
        return state

    whole = job.together and job.stage.scope == "global"
    walked = prune_by_walk(
        state,
        job.sight.source,
        _windows(job.sight),
        wanted,
        remember if whole else job.settle,
        propagate="dense" if whole else params["propagate"],
        in_order=params.get("within_block") == "in-order",
    )
    return job.settle(state, state.targets, everything) if whole else walked
