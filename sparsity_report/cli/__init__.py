"""
The command line. stdout carries the product (paths, tables, JSON), stderr everything else.

A verb is the file of its name with the function of its name; it is imported when it is called for.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core
import typer.main

from .. import __version__
from ..errors import BUG, ENVIRONMENT, INTERRUPTED, SparsityReportError, UsageError
from ..registry import suggest

VERBS = ("init", "validate", "schema", "plan", "run", "render", "check", "diff", "export", "cache", "list", "doctor")

EXIT_CODES = """\b
Exit codes:
  0    done; checks pass
  1    a bug in sparsity-report
  2    wrong usage, a file that is not there
  3    the spec is invalid
  4    this machine cannot do it; the message carries the remedy
  5    finished with failed cells; the report is written
  6    a check failed: expectation, regression, stale schema
  7    a check could not be made
  130  interrupted; the same command resumes
"""

ISSUES = "https://github.com/sparsity-report/sparsity-report/issues"


OF_THE_SYSTEM = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG),
)
"""What the system refuses whoever asks: no bug of ours, wherever it comes up."""


class Verbs(typer.core.TyperGroup):
    """Finds a verb's function in the file of its name. `--help` is the only one that reads them all."""

    def list_commands(self, ctx: Any) -> Any:
        return [*VERBS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in VERBS:
            raise UsageError(f"there is no command {cmd_name!r}", remedy=suggest(cmd_name, VERBS))
        module = importlib.import_module(f"{__name__}.{cmd_name}")
        verb = typer.Typer(add_completion=False, rich_markup_mode=None)
        verb.command(cmd_name)(getattr(module, cmd_name))
        return typer.main.get_command(verb)


app = typer.Typer(
    cls=Verbs,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sparsity-report {__version__}")
        raise typer.Exit


@app.callback()
def sparsity_report(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """From one TOML spec to an honest paper: prune a language model, execute every sparse format, measure, report."""


def main(arguments: tuple[str, ...] | None = None) -> None:
    """Runs a command line (by default this process's) and exits with its code, whatever happens."""
    mend_streams()
    try:
        app(args=arguments, prog_name="sparsity-report")
    except SparsityReportError as problem:
        typer.echo(f"error: {problem}", err=True)
        sys.exit(problem.exit_code)
    except KeyboardInterrupt:
        sys.exit(interrupted())
    except SystemExit as end:
        sys.exit(interrupted() if end.code == INTERRUPTED else end.code)
    except OSError as problem:
        sys.exit(refused(problem) if problem.errno in OF_THE_SYSTEM else bug())
    except Exception:  # whatever is not of our tree is our fault, and says so
        sys.exit(bug())


def mend_streams() -> None:
    """
    A console or pipe that cannot show "×" or "→" (Windows: cp1252) gets "?" instead of a crash.

    What is closed (`2>&-`, a service) leads nowhere: else the next file that is opened would stand in its place.
    """
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("r+", encoding="utf-8"))  # noqa: SIM115  # to the end
        elif name != "stdin" and isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def bug() -> int:
    traceback.print_exc()
    typer.echo(f"this is a bug in sparsity-report {__version__}; please report it: {ISSUES}", err=True)
    return BUG


def refused(problem: OSError) -> int:
    typer.echo(f"error: {problem.filename or 'what is printed cannot be written'}: {problem.strerror}", err=True)
    return ENVIRONMENT


def interrupted() -> int:
    typer.echo("interrupted; what is finished is kept, and the same command resumes", err=True)
    return INTERRUPTED
