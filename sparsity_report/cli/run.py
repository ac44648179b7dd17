"""`run`: executes what is not finished, then renders."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..api import run_folder
from ..errors import CELLS_FAILED, OK, EnvironmentProblem, worst
from ..resources import spec_file
from .console import Console
from .render import show_written


def run(
    spec: Annotated[str, typer.Argument(help="A spec file, or a shipped one’s name: quickstart, exercises/NAME.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the run; by default reports/<slug>.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE on top of the spec; paths count from here.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Run only the cells whose id matches this glob.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Run finished cells again.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Never ask the network; use what is cached.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Tiny data, watermarked, kept apart: a rehearsal.")] = False,
) -> None:
    """Prune, execute every format, measure, and write the report. The same command resumes."""
    # Before torch starts its threads: idle workers that spin slow every other process down.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"

    from ..spec.load import load_spec

    loaded = load_spec(spec_file(spec), overrides=tuple(overrides or ()))
    folder = run_folder(out, loaded.slug, quick)

    from ..report import appearance

    look = appearance.gather(loaded.folder, loaded.spec.report.templates, loaded.spec.report.style)

    from ..engine.run import Options, run_study

    options = Options(
        only=tuple(only or ()),
        force=force,
        offline=offline,
        quick=quick,
        command=shlex.join(["sparsity-report", *sys.argv[1:]]),
    )
    with Console() as console:
        results = run_study(loaded, folder, options, console)
    code = CELLS_FAILED if any(cell.status == "failed" for cell in results.cells) else OK

    from ..report.render import render as render_files

    try:
        appearance.keep(folder, look)
        own = appearance.of_run(folder / "results.json")
        show_written(render_files(results, folder, results.study.outputs, own))
    except EnvironmentProblem as problem:
        typer.echo(str(problem), err=True)
        code = worst(code, problem.exit_code)
    raise typer.Exit(code)
