"""
Everything that sparsity-report raises on purpose, and its exit codes. Imports nothing.

SparsityReportError
├── UsageError           exit 2   wrong arguments, a file that is not there
├── SpecError            exit 3   the spec is invalid; carries every problem
├── EnvironmentProblem   exit 4   this machine cannot do it; carries a remedy
├── CheckFailed          exit 6   an expectation, a gate or a freshness check says no
└── CannotCheck          exit 7   a check could not be made; it never reads as a pass

Exit 5 (finished, but some cells failed) is a result and not an exception. Anything else that reaches
the user is a bug in sparsity-report (exit 1, with its traceback).
"""

from __future__ import annotations

from dataclasses import dataclass

OK, BUG, USAGE, SPEC, ENVIRONMENT, CELLS_FAILED, CHECK_FAILED, CANNOT_CHECK, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 7, 130
PRECEDENCE = (INTERRUPTED, BUG, USAGE, SPEC, ENVIRONMENT, CELLS_FAILED, CANNOT_CHECK, CHECK_FAILED, OK)


def worst(*codes: int) -> int:
    """The exit code that wins when several apply."""
    return min(codes or (OK,), key=PRECEDENCE.index)


class SparsityReportError(Exception):
    """A message that says what is wrong and where; `remedy` says how to fix it."""

    exit_code = BUG

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n{self.remedy}" if self.remedy else self.message


class UsageError(SparsityReportError):
    """Wrong arguments, or a file that is not there."""

    exit_code = USAGE


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a spec: where it is, what it is, and a hint. `line` counts from 1; 0 is unknown."""

    path: str
    message: str
    line: int = 0
    hint: str = ""


class SpecError(SparsityReportError):
    """A spec that cannot be used; carries every problem that was found, not the first one."""

    exit_code = SPEC

    def __init__(self, *problems: Problem, file: str = "", text: str = "") -> None:
        self.problems = problems
        self.file = file
        self.text = text
        super().__init__(self._format())

    def _format(self) -> str:
        source = self.text.splitlines()
        lines: list[str] = []
        for problem in sorted(self.problems, key=lambda each: each.line):
            place = ":".join(str(part) for part in (self.file, problem.line) if part)
            lines.append(": ".join(part for part in (place, problem.path, problem.message) if part))
            if 0 < problem.line <= len(source):
                lines.append(f"{problem.line:>6} | {source[problem.line - 1].rstrip()}")
            if problem.hint:
                lines.append(f"       | hint: {problem.hint}")
        count = len(self.problems)
        lines.append(f"{count} problem{'' if count == 1 else 's'}{f' in {self.file}' if self.file else ''}")
        return "\n".join(lines)


class EnvironmentProblem(SparsityReportError):
    """This machine cannot do it as it is: no model in reach, a library missing, a full disk, a locked folder."""

    exit_code = ENVIRONMENT


class CheckFailed(SparsityReportError):
    """An expectation was missed, a number changed, or a generated file is stale."""

    exit_code = CHECK_FAILED


class CannotCheck(SparsityReportError):
    """There is nothing to compare with, or the two sides cannot be compared."""

    exit_code = CANNOT_CHECK
