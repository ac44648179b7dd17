"""
One pass over the dense model for all states whose methods read nothing but its inputs.

With `propagate = "dense"` (and so with scope global) what a method sees does not depend on what is pruned: the methods,
sparsities and patterns of a comparison can look at the same forward. Each is handed the sums that it asked for and no
others, so that its state is bit for bit the one that it would have made alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from .. import registry
from .memory import reset_peak
from .pruning import job_of, told
from .walk import blocks_of, statistics_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..contracts import Stage
    from ..tasks import Statistics
    from .pruning import Job, Pruned, Sight
    from .state import ModelState

LIMIT_BYTES = 2**30
"""Masks and changed weights of the states of one pass: more states than that take another pass."""


def shares(stage: Stage) -> bool:
    """Whether all that the stage looks at are inputs of the dense model."""
    needs = registry.get("methods", stage.entry).NEEDS
    dense = stage.params.get("propagate") == "dense" and stage.params.get("within_block") != "in-order"
    return bool(needs) and "gradient" not in needs and dense


def passes(stages: Sequence[Stage], weights: int, itemsize: int) -> Iterator[list[Stage]]:
    """Stages in order, as many in a pass as the limit allows; a method that may change weights keeps them, too."""
    here: list[Stage] = []
    taken = 0
    for stage in stages:
        changes = hasattr(registry.get("methods", stage.entry), "prune")
        size = weights * (1 + (itemsize if changes else 0))
        if here and taken + size > LIMIT_BYTES:
            yield here
            here, taken = [], 0
        here.append(stage)
        taken += size
    if here:
        yield here


@dataclass
class Lane:
    """One stage on its way through the pass."""

    job: Job
    state: ModelState
    seconds: float = 0.0
    seen: dict[str, Statistics] = field(default_factory=dict)
    failed: bool = False
    """A method that fails here is asked again by itself, and then says why."""

    def take(self, block: int, statistics: dict[str, Statistics]) -> None:
        """Prunes the block's matrices, or remembers what was seen where all matrices compete."""
        own = {group: restricted(each, self.job.method.NEEDS) for group, each in statistics.items()}
        if self.job.together and self.job.stage.scope == "global":
            self.seen |= own
        else:
            self.settle(block, own)

    def settle(self, block: int | None, statistics: dict[str, Statistics]) -> None:
        """Prunes the block's matrices, or all."""
        started = time.monotonic()
        matrices = self.state.targets if block is None else blocks_of(self.state)[block]
        try:
            self.state = self.job.settle(self.state, matrices, statistics)
        except Exception:  # whatever it is, the other lanes go on
            self.failed = True
        self.seconds += time.monotonic() - started


def restricted(found: Statistics, needs: Sequence[str]) -> Statistics:
    """Only the sums that were asked for."""
    return replace(
        found,
        sq_sum_I=found.sq_sum_I if "sq_sum" in needs else None,
        sum_I=found.sum_I if "sum" in needs else None,
        gram_II=found.gram_II if "gram" in needs else None,
    )


def lane_of(dense: ModelState, stage: Stage, sight: Sight) -> Lane | None:
    """None where already the allocation fails: the stage is asked again by itself, and then says why."""
    try:
        return Lane(job_of(dense, stage, sight), dense)
    except Exception:
        return None


@torch.no_grad()
def prune_side_by_side(dense: ModelState, stages: Sequence[Stage], sight: Sight) -> list[Pruned | None]:
    """
    The state of every stage, or None where its method failed; all `sight` the same calibration windows.

    A state's seconds are those of the pass and of its own method, without those of the others.
    """
    assert sight.ids_NL is not None
    reset_peak()
    started = time.monotonic()
    every = [lane_of(dense, stage, sight) for stage in stages]
    lanes = [lane for lane in every if lane is not None]
    wanted = {name for lane in lanes for name in lane.job.method.NEEDS}
    for block, statistics in statistics_of(dense, sight.source, sight.ids_NL, wanted):
        for lane in lanes:
            if not lane.failed:
                lane.take(block, statistics)
    for lane in lanes:
        if lane.seen and not lane.failed:
            lane.settle(None, lane.seen)
    common = time.monotonic() - started - sum(lane.seconds for lane in lanes)
    return [
        None if lane is None or lane.failed else told(lane.job, lane.state, common + lane.seconds) for lane in every
    ]
