"""`render`: the report again from stored results, without torch."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import SparsityReportError, UsageError
from ..registry import suggest
from .watch import changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


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
    output: Annotated[
        list[str] | None, typer.Option(help="html, pdf or latex; by default what the spec asks for.")
    ] = None,
    templates: Annotated[
        Path | None, typer.Option(help="A folder of templates that come before those shipped, by name.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Render again whenever results or templates change, until Ctrl-C.")
    ] = False,
) -> None:
    """Rebuild report, figures and tables from results.json."""
    from ..report.appearance import files_of, of_run
    from ..report.render import OUTPUTS
    from ..report.render import render as render_files
    from ..results import store

    for each in output or ():
        if each not in OUTPUTS:
            raise UsageError(f"there is no output {each!r}", remedy=suggest(each, OUTPUTS))
    file = store.results_file(run)

    def once() -> None:
        results = store.read(file)
        folder, own = out or file.parent, of_run(file, templates)
        show_written(render_files(results, folder, tuple(output or results.study.outputs), own))

    def watched() -> Iterator[Path]:
        yield file
        if (own := of_run(file, templates)) is not None:
            yield from files_of(own)

    if not watch:
        once()
        return
    with contextlib.suppress(KeyboardInterrupt):
        for _ in changes(watched):
            try:
                once()
            except SparsityReportError as problem:  # half-written, perhaps: the next change may mend it
                typer.echo(str(problem), err=True)
