"""What a run tells while it goes. Plain frozen data: the engine sends it, the command line shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunStarted:
    """`cells` are planned in all."""

    name: str
    cells: int


@dataclass(frozen=True)
class NodeStarted:
    """A state of the model is being made: "magnitude global 30 %"."""

    label: str


@dataclass(frozen=True)
class CellFinished:
    """
    One cell is done, the `index`-th of the `total` that its model had to run.

    `note` holds its headline numbers, or the reason of a failure.
    """

    id: str
    status: str
    seconds: float
    note: str = ""
    index: int = 0
    total: int = 0


@dataclass(frozen=True)
class Message:
    """Anything else worth a line: a download, a fallback, a phase without cells."""

    text: str
    level: str = "note"


@dataclass(frozen=True)
class RunFinished:
    """Every planned cell has a result."""

    ok: int
    failed: int
    seconds: float


Event = RunStarted | NodeStarted | CellFinished | Message | RunFinished
