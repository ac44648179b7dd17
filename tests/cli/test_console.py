"""Progress: a line for each cell where nobody watches, a bar where somebody does; always on stderr."""

from __future__ import annotations

import io
import sys

import pytest

from sparsity_report.cli.console import Console, is_terminal
from sparsity_report.engine.events import CellFinished, Message, NodeStarted, RunFinished, RunStarted

EVENTS = (
    RunStarted("A study", 2),
    Message("reading text"),
    NodeStarted("magnitude global 30 %"),
    CellFinished("masked-1", "ok", 1.25, "ppl 20.00", 1, 2),
    CellFinished("csr-1", "failed", 0.5, "out of memory", 2, 2),
    RunFinished(1, 1, 1.75),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_for_each_cell_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with Console() as console:
        for event in EVENTS:
            console(event)

    streams = capsys.readouterr()
    assert streams.out == ""
    lines = streams.err.splitlines()
    assert lines[0] == "A study · 2 cells"
    assert lines[3].split() == ["[1/2]", "masked-1", "ok", "1.2", "s", "ppl", "20.00"]
    assert lines[4].endswith("out of memory")
    assert lines[-1] == "1 done, 1 failed in 2 s"


@pytest.mark.parametrize(("variable", "value"), [("CI", "true"), ("TERM", "dumb")])
def test_ci_gets_lines_even_on_a_terminal(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert is_terminal()

    monkeypatch.setenv(variable, value)

    assert not is_terminal()


def test_a_terminal_gets_a_bar_and_keeps_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")

    with Console() as console:
        for event in EVENTS:
            console(event)
        assert console.bar is not None
        (task,) = console.bar.tasks

    assert (task.completed, task.total) == (2, 2)
    assert "out of memory" in terminal.getvalue()
    assert "\x1b[3" not in terminal.getvalue()  # NO_COLOR: no colours
