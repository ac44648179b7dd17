"""`diff`: two runs beside each other."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import CANNOT_CHECK, UsageError
from ..registry import suggest

if TYPE_CHECKING:
    from ..results.compare import Comparison, Difference


def line(each: Difference) -> str:
    """Cell, number, both values, verdict."""
    from ..report.comparison import named, shown, verdict

    why = f" ({each.why})" if each.why else ""
    return f"{verdict(each):<14} {each.cell}  {named(each)}: {shown(each.old)} → {shown(each.new)}{why}"


def lines(comparison: Comparison, *, everything: bool) -> list[str]:
    """What changed (or everything), the cells of one side only, and how often each verdict fell."""
    from ..report.comparison import chosen, counts

    return [
        *(f"note           {text}" for text in comparison.circumstances),
        *map(line, chosen(comparison, everything=everything)),
        *(f"only in OLD     {name}" for name in comparison.only_old),
        *(f"only in NEW     {name}" for name in comparison.only_new),
        counts(comparison),
    ]


def written(comparison: Comparison, code: int, wanted: str, *, everything: bool) -> str:
    """The comparison in one of the formats. Raises UsageError."""
    from ..report import comparison as pages

    match wanted:
        case "text":
            return "\n".join(lines(comparison, everything=everything))
        case "json":
            return json.dumps(asdict(comparison) | {"exit_code": code}, indent=2, ensure_ascii=False)
        case "markdown":
            return pages.markdown(comparison, code, everything=everything).rstrip()
        case "html":
            return pages.html(comparison, code, everything=everything).rstrip()
    raise UsageError(f"there is no format {wanted!r}", remedy=suggest(wanted, pages.FORMATS))


def diff(
    old: Annotated[Path, typer.Argument(help="A run folder, or a results.json.")],
    new: Annotated[Path, typer.Argument(help="A run folder, or a results.json.")],
    everything: Annotated[bool, typer.Option("--all", help="Show what is the same, too.")] = False,
    wanted: Annotated[str, typer.Option("--format", help="text, markdown, json or html.")] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="Print plain data: --format json.")] = False,
    timings: Annotated[
        bool, typer.Option("--timings", help="Let timings decide, too: 6 where slower, 7 between machines.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="Write it there instead of printing it.")] = None,
) -> None:
    """Compare two runs: counted numbers exactly, others beyond their noise, timings on one machine only."""
    from ..results import store
    from ..results.compare import compare

    comparison = compare(store.read(old), store.read(new))
    code = comparison.verdict(timings=timings)
    text = written(comparison, code, "json" if as_json else wanted, everything=everything)
    if output is None:
        typer.echo(text)
    else:
        store.write_text(output, text + "\n")
        typer.echo(output)
    if code == CANNOT_CHECK:
        left = len(comparison.unjudged_with(timings=timings))
        typer.echo(f"{left or 'all'} numbers could not be compared, which is no pass", err=True)
    raise typer.Exit(code)
