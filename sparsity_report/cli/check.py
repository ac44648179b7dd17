"""`check`: the verdicts of a run as an exit code, for scripts and CI."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import CANNOT_CHECK, CHECK_FAILED, OK, worst

if TYPE_CHECKING:
    from ..results.model import CheckRecord


def code_of(check: CheckRecord) -> int:
    """A miss fails where the spec says so; what could not be decided about a gate is no pass either."""
    if check.verdict == "cannot_check":
        return CANNOT_CHECK
    if check.on_miss == "fail":
        return {"miss": CHECK_FAILED, "undecided": CANNOT_CHECK}.get(check.verdict, OK)
    return OK


def line(check: CheckRecord) -> str:
    verdict = check.verdict.replace("_", " ")
    gate = " (gate)" if check.on_miss == "fail" else ""
    gate += " (stated after results)" if check.late else ""
    return f"{verdict:<13} {check.what}{gate}: expected {check.expected}, observed {check.observed}"


def check(
    run: Annotated[Path, typer.Argument(help="A run folder, or a results.json.")],
    baseline: Annotated[Path | None, typer.Option(help="An earlier run that this one must not fall behind.")] = None,
    timings: Annotated[
        bool, typer.Option("--timings", help="Hold the timings against the baseline, too; on one machine only.")
    ] = False,
    junit: Annotated[Path | None, typer.Option(help="Write the verdicts there as JUnit XML.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print plain data.")] = False,
) -> None:
    """Print expected beside observed; exits with 6 on a failed gate, with 7 where a check could not be made."""
    from ..results import registration, store
    from ..results.compare import compare
    from .diff import lines

    results = store.read(run)
    codes = [code_of(each) for each in results.checks]
    comparison = compare(store.read(baseline), results) if baseline is not None else None
    if comparison is not None:
        codes.append(comparison.verdict(better_fails=False, timings=timings))
    code = worst(OK, *codes)
    if junit is not None:
        from ..report.junit import xml

        store.write_bytes(junit, xml(results, comparison, timings=timings))
    edits = registration.alerts(results.registration) if results.registration is not None else ()
    if as_json:
        checks = [each.model_dump(mode="json") for each in results.checks]
        against = asdict(comparison) if comparison is not None else None
        alerts = [each.text for each in edits]
        plain = {"checks": checks, "alerts": alerts, "baseline": against, "exit_code": code}
        typer.echo(json.dumps(plain, indent=2, ensure_ascii=False))
    else:
        for alert in edits:
            typer.echo(f"{alert.level}: {alert.text}")
        typer.echo("\n".join(map(line, results.checks)) or "the spec of this run expects nothing")
        if comparison is not None:
            typer.echo("\n".join(["against the baseline:", *lines(comparison, everything=False)]))
    raise typer.Exit(code)
