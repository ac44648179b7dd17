"""
Speed against sparsity: a format at several sparsities of one series, and where it passes dense.

A crossover lies between two cells that were timed: the last that is slower than dense and the first that is faster,
both beyond interval and noise floor. Nothing is said outside of what was timed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from . import facts
from .figures.cells import Names, format_name

if TYPE_CHECKING:
    from ..results.model import CellRecord, Condition, ModelRecord, Results
    from .facts import Speed

PHASES = ("prefill", "decode")
FEWEST = 2
"""Sparsities that make a series."""


@dataclass(frozen=True)
class Step:
    """One cell of a series: its sparsity of the target, 0 to 1, and its speed-up."""

    cell: CellRecord
    sparsity: float
    speed: Speed

    @property
    def ratio(self) -> float:
        return self.speed.ratio.value or 0.0

    @property
    def interval(self) -> tuple[float, float]:
        return self.speed.ratio.ci or (self.ratio, self.ratio)


@dataclass(frozen=True)
class Series:
    """The cells of one method in one format, by rising sparsity, in one phase at the study's first timed point."""

    model: ModelRecord
    method: str
    form: str
    phase: str
    point: str
    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        return f"{self.method}, {self.form}"

    @property
    def crossover(self) -> tuple[float, float] | None:
        """Sparsities of the last slower and the first faster cell, where all slower ones come before all faster."""
        slower = [each.sparsity for each in self.steps if each.speed.verdict == "slower"]
        faster = [each.sparsity for each in self.steps if each.speed.verdict == "faster"]
        return (slower[-1], faster[0]) if slower and faster and slower[-1] < faster[0] else None

    @property
    def throughout(self) -> Literal["slower", "faster", "no difference", ""]:
        """The verdict that all cells share; "" where they differ."""
        found = {each.speed.verdict for each in self.steps}
        return found.pop() if len(found) == 1 else ""


def series(results: Results, model: ModelRecord, phase: str) -> list[Series]:
    """Every series of a model with at least two sparsities."""
    points = facts.timing_points(results)
    if not points:
        return []
    naming, point = Names.of(results), facts.of_phase(points[0], phase)
    found: dict[tuple[str, str], list[Step]] = {}
    for cell in facts.cells_of(results, model):
        speed, sparsity = facts.speed(results, cell, phase, **point), facts.value(cell, "sparsity_target")
        if cell.is_reference or speed is None or sparsity is None:
            continue
        values = f" {cell.variant.values}" if cell.variant.values else ""
        name = (naming.series(cell), f"{format_name(cell.variant.format)}{values}")
        found.setdefault(name, []).append(Step(cell, sparsity, speed))
    ordered = {name: sorted(steps, key=lambda each: each.sparsity) for name, steps in found.items()}
    return [
        Series(model, *name, phase, words_of(point), tuple(steps))
        for name, steps in ordered.items()
        if len({each.sparsity for each in steps}) >= FEWEST
    ]


def words_of(point: dict[str, Condition]) -> str:
    """ "1 × 128", and "1 × 128 + 32" where several lengths were decoded."""
    decoded = f" + {point['decode']}" if "decode" in point else ""
    return f"{point.get('batch', 1)} × {point.get('prompt', '')}".removesuffix(" × ") + decoded
