"""
From what the bytes of a variant allow to what it gains: the steps of a waterfall, and where the most is lost.

What tables, figures and sentences say about the shares of a forward is decided here too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from . import facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..results.model import CellRecord, Condition, Measurement, ModelRecord, Results

PHASES = ("prefill", "decode")
PART_NAMES = {
    "target_linear": "targeted linear layers",
    "other_linear": "other linear layers",
    "attention": "attention",
    "lm_head": "LM head",
    "norm_activation": "norms, activations, look-ups",
    "framework": "framework between modules",
}
PART_TITLES = {
    "target_linear": "targeted linear",
    "other_linear": "other linear",
    "attention": "attention",
    "lm_head": "head",
    "norm_activation": "norms",
    "framework": "framework",
}
STEP_NAMES = {
    "bytes_gain": "bytes allow",
    "product_gain": "product alone",
    "layer_gain": "layers in the model",
    "amdahl_gain": "model, by Amdahl",
    "measured": "measured",
}
LOSSES = {
    "product_gain": "in the kernel, beside what its bytes allow",
    "layer_gain": "between the product alone and the layer in the running model",
    "amdahl_gain": "to the rest of the model, which pruning leaves as it is",
    "measured": "between Amdahl’s bound and the whole model as it was timed",
}
NOTICEABLE = 0.05
"""A step that loses less is not worth naming."""
CLOSED = 0.1
"""Parts that add up to the whole within this fraction are good enough to speak of."""


@dataclass(frozen=True)
class Shares:
    """Where the time of a forward goes: the shares of a cell's parts in a phase at a point."""

    cell: CellRecord
    phase: str
    point: dict[str, Condition]
    parts: dict[str, Measurement]
    closure: Measurement | None
    python: Measurement | None

    def value(self, part: str) -> float:
        found = self.parts.get(part)
        return (found.value or 0.0) if found is not None else 0.0

    @property
    def largest(self) -> str:
        return max(self.parts, key=self.value)


@dataclass(frozen=True)
class Waterfall:
    """The steps of a variant in a phase at a point, each as a speed-up over dense; those that are known."""

    cell: CellRecord
    phase: str
    point: dict[str, Condition]
    steps: dict[str, Measurement]

    @property
    def loss(self) -> tuple[str, float] | None:
        """
        The step that loses most, and what is left of the one before; None where none loses noticeably: by more than
        a twentieth, and with an interval that excludes the step before.
        """
        known = [(name, each, each.value) for name, each in self.steps.items() if each.value]
        losses = [
            (name, value / before)
            for (_, _, before), (name, each, value) in pairwise(known)
            if value < (1 - NOTICEABLE) * before and (each.ci is None or each.ci[1] < before)
        ]
        return min(losses, key=lambda each: each[1], default=None)


def points(cell: CellRecord, metric: str) -> list[dict[str, Condition]]:
    """The (phase, batch, prompt, decode) points at which a cell has the metric, in order."""
    return facts.distinct(
        {key: value for key, value in each.conditions.items() if key != "part"}
        for each in cell.metrics
        if each.metric == metric
    )


def shares(cell: CellRecord) -> Iterator[Shares]:
    """Every profile of a cell."""
    for point in points(cell, "time_share"):
        parts = {
            str(each.conditions["part"]): each
            for each in cell.metrics
            if each.metric == "time_share" and point.items() <= each.conditions.items()
        }
        closure, python = (cell.find(metric, **point) for metric in ("profile_closure", "python_share"))
        yield Shares(cell, str(point["phase"]), _without_phase(point), parts, closure, python)


def waterfalls(results: Results, cell: CellRecord) -> Iterator[Waterfall]:
    """Every waterfall of a cell; the last step is the speed-up that was timed, where it was."""
    for point in points(cell, "layer_gain"):
        phase, at = str(point["phase"]), _without_phase(point)
        steps = {name: cell.find(name, **point) for name in STEP_NAMES if name != "measured"}
        timed = facts.speed(results, cell, phase, **at)
        steps["measured"] = None if timed is None else timed.ratio
        yield Waterfall(cell, phase, at, {name: each for name, each in steps.items() if each is not None})


def _without_phase(point: dict[str, Condition]) -> dict[str, Condition]:
    return {key: value for key, value in point.items() if key in ("batch", "prompt")}


def dense_limit(results: Results, model: ModelRecord, phase: str, point: dict[str, Condition]) -> Measurement | None:
    """How many times faster the model could be if its targeted layers took no time."""
    dense = results.reference(model.id)
    return None if dense is None else dense.find("amdahl_limit", phase=phase, **point)


def adds_up(found: Shares) -> bool:
    """Whether the parts add up to the time without clocks, as far as one can tell."""
    value = None if found.closure is None else found.closure.value
    return value is None or math.isclose(value, 1, abs_tol=CLOSED)
