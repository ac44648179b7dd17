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

    from ..results.model import Results


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


def read_all(files: list[Path]) -> Results:
    """One run's results, or several as one, by the names of their folders. Raises UsageError, CannotCheck."""
    from ..paths import readable
    from ..results import store
    from ..results.together import together

    if len(files) == 1:
        return store.read(files[0])
    names = [readable(file.resolve().parent.name) for file in files]
    folded = [name.casefold() for name in names]  # to some file systems "A" and "a" are one name
    if twice := sorted({name for name in names if folded.count(name.casefold()) > 1}):
        raise UsageError(
            f"several runs are called {', '.join(twice)}: the folders' names tell runs apart",
            remedy="copy one to a folder of another name",
        )
    return together(
        dict(zip(names, map(store.read, files), strict=True)), [readable(file.as_posix()) for file in files]
    )


def render(
    runs: Annotated[list[Path], typer.Argument(help="A run folder or a results.json; several give one report.")],
    out: Annotated[
        Path | None, typer.Option(help="Where the files go; by default beside the results. Several runs need it.")
    ] = None,
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
    """
    Rebuild report, figures and tables from results.json.

    Several runs give one report in which every model, cell and state has the name of its run's folder before its own.
    It is refused where it would mix evaluation protocols or times of different machines.
    """
    from ..report.appearance import files_of, of_run
    from ..report.render import OUTPUTS
    from ..report.render import render as render_files
    from ..results import store

    for each in output or ():
        if each not in OUTPUTS:
            raise UsageError(f"there is no output {each!r}", remedy=suggest(each, OUTPUTS))
    files = [store.results_file(run) for run in runs]
    if len(files) > 1 and out is None:
        raise UsageError("a report on several runs belongs to none of their folders", remedy="give --out FOLDER")

    def look() -> Path | None:
        """Of several runs none's own look is that of their report."""
        return of_run((out or files[0].parent) / "results.json" if len(files) > 1 else files[0], templates)

    def once() -> None:
        results = read_all(files)
        folder = out or files[0].parent
        show_written(render_files(results, folder, tuple(output or results.study.outputs), look()))

    def watched() -> Iterator[Path]:
        yield from files
        if (own := look()) is not None:
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
