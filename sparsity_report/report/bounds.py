"""
What a machine could do at best beside what was measured: the modelled numbers of a cell, point by point.

What tables, figures and sentences say about bounds is decided here, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..hardware import roofline
from ..hardware.machines import THIS
from ..hardware.project import works
from . import facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..hardware.roofline import Work
    from ..results.model import CellRecord, Condition, MachineRecord, Measurement, Results

Limit = Literal["memory", "compute", "memory, peak not known", "compute, bandwidth not known"]


@dataclass(frozen=True)
class Bounded:
    """A phase of a cell at a point on a machine: its least work, the modelled bound, and the measured time if any."""

    cell: CellRecord
    machine: MachineRecord
    phase: str
    point: dict[str, Condition]
    work: Work
    bound: Measurement
    limit: Limit
    measured: Measurement | None

    @property
    def ratio(self) -> float | None:
        """Measured time over the bound; below 1 the bound is broken."""
        if self.measured is None or not self.measured.value or not self.bound.value:
            return None
        return self.measured.value / self.bound.value

    @property
    def broken(self) -> bool:
        """Whether the measured time lies below the bound, its interval included."""
        if self.ratio is None or self.measured is None or not self.bound.value:
            return False
        return (self.measured.ci[1] if self.measured.ci else self.measured.value or 0.0) < self.bound.value


def limit_of(machine: MachineRecord, work: Work, dtype: str) -> Limit:
    """What holds the work back on a machine."""
    found = roofline.bound(work, machine, dtype)
    if found is None or found.compute_s is None:
        return "memory, peak not known"
    return found.limit if found.memory_s is not None else "compute, bandwidth not known"


def bounds(results: Results, cell: CellRecord) -> Iterator[Bounded]:
    """Every bound of a cell, machine by machine; the measured time is that of the machine of the study."""
    dtype = facts.model_of(results, cell).dtype
    for machine in results.machines:
        for phase, at, work in works(cell):
            found = cell.find(f"{phase}_bound_s", machine=machine.name, **at.conditions)
            if found is not None:
                point = {key: value for key, value in at.conditions.items() if key in ("batch", "prompt")}
                timed = facts.find(cell, f"{phase}_latency_s", **point) if machine.name == THIS else None
                limit = limit_of(machine, work, dtype)
                yield Bounded(cell, machine, phase, point, work, found, limit, timed)


def validated(results: Results, cell: CellRecord) -> list[Bounded]:
    """Bounds that stand beside a measured time."""
    return [each for each in bounds(results, cell) if each.measured is not None]


def here(results: Results) -> MachineRecord | None:
    """The machine of the study, if it was measured."""
    return next((each for each in results.machines if each.name == THIS), None)


def elsewhere(results: Results) -> tuple[MachineRecord, ...]:
    return tuple(each for each in results.machines if each.name != THIS)


def fitting(cell: CellRecord, machine: MachineRecord) -> Measurement | None:
    """How many sequences of the stated context fit."""
    return cell.find("sequences_fit", machine=machine.name)
