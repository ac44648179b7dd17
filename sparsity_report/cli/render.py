"""`render`: the report again from stored results, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from ..registry import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable


def show_written(files: Iterable[Path]) -> None:
    """
    Write everything, then print the paths of what was written, also when the last one cannot be.

    Paths are printed at the end, so that a reader who goes away (`| head`) cannot cut the report short.
    """
    written = []
    try:
        for file in files:
            written.append(file)
    finally:
        for file in written:
            typer.echo(file)


def render(
    run: Annotated[Path, typer.Argument(help="A run folder, or a results.json.")],
    out: Annotated[Path | None, typer.Option(help="Where the files go; by default beside the results.")] = None,
    output: Annotated[list[str] | None, typer.Option(help="html or pdf; by default what the spec asks for.")] = None,
) -> None:
    """Rebuild report, figures and tables from results.json."""
    from ..report.render import OUTPUTS
    from ..report.render import render as render_files
    from ..results import store

    for each in output or ():
        if each not in OUTPUTS:
            raise UsageError(f"there is no output {each!r}", remedy=suggest(each, OUTPUTS))
    results = store.read(run)
    folder = out or store.results_file(run).parent
    show_written(render_files(results, folder, tuple(output or results.study.outputs)))
