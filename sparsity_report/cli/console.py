"""Progress on stderr: a bar on a terminal, a line for each cell everywhere else."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Self

from ..engine.events import CellFinished, Message, NodeStarted, RunFinished, RunStarted

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress

    from ..engine.events import Event


def is_terminal() -> bool:
    """Whether someone watches: stderr is a terminal, and not that of a CI machine."""
    return sys.stderr.isatty() and "CI" not in os.environ and os.environ.get("TERM") != "dumb"


def line_of(event: Event) -> str:
    """One line for an event; empty for those that say nothing on their own."""
    match event:
        case RunStarted(name, cells):
            return f"{name} · {cells} cells"
        case CellFinished():
            place = f"[{event.index}/{event.total}] " if event.total else ""
            return f"{place}{event.id:<36} {event.status:<12} {event.seconds:7.1f} s  {event.note}".rstrip()
        case NodeStarted(label):
            return f"… {label}"
        case Message(text, level):
            return text if level == "note" else f"{level}: {text}"
        case RunFinished(ok, failed, seconds):
            return f"{ok} done, {failed} failed in {seconds:.0f} s"


class Console:
    """Shows what a run tells: call it with each event. Colours follow NO_COLOR."""

    def __init__(self) -> None:
        self.bar: Progress | None = None

    def __enter__(self) -> Self:
        if is_terminal():
            self.bar = self._bar()
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def _bar(self) -> Progress:
        from rich.console import Console as Terminal
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        return Progress(*columns, console=Terminal(stderr=True, highlight=False), transient=True)

    def __call__(self, event: Event) -> None:
        line = line_of(event)
        if self.bar is None:
            print(line, file=sys.stderr, flush=True)
            return
        self._advance(self.bar, event)
        if not isinstance(event, NodeStarted):
            self.bar.console.print(line, markup=False)

    def _advance(self, bar: Progress, event: Event) -> None:
        match event:
            case RunStarted(name, cells):
                bar.add_task(name, total=cells)
            case NodeStarted(label) if bar.tasks:
                bar.update(bar.tasks[0].id, description=label)
            case CellFinished() if bar.tasks:
                bar.update(bar.tasks[0].id, advance=1, description=event.id)
