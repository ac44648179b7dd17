"""`validate`: every problem of a spec at once, without loading anything."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from ..errors import OK, SparsityReportError, SpecError, worst
from ..resources import spec_file


def checked(argument: str) -> tuple[dict[str, Any], SparsityReportError | None]:
    """What can be said about one spec, and the error if it is not valid."""
    from ..planning import plan_cells
    from ..spec.load import load_spec

    try:
        spec = load_spec(spec_file(argument)).spec
    except SparsityReportError as error:
        problems = [asdict(each) for each in error.problems] if isinstance(error, SpecError) else []
        return {"file": argument, "valid": False, "problems": problems, "message": error.message}, error
    return {"file": argument, "valid": True, "problems": [], "cells": len(plan_cells(spec))}, None


def validate(
    specs: Annotated[list[str], typer.Argument(help="Spec files, or names of shipped ones.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print plain data.")] = False,
) -> None:
    """Check specs: names, parameters, and keys that contradict each other. Loads no model, needs no network."""
    found = [checked(argument) for argument in specs]
    for summary, error in found:
        if error is not None:
            typer.echo(str(error), err=True)
        elif not as_json:
            typer.echo(f"{summary['file']}: valid, {summary['cells']} cells")
    if as_json:
        typer.echo(json.dumps([summary for summary, _ in found], indent=2, ensure_ascii=False))
    raise typer.Exit(worst(OK, *(error.exit_code for _, error in found if error)))
