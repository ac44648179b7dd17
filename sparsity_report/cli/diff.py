"""`diff`: two runs beside each other."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import CANNOT_CHECK

if TYPE_CHECKING:
    from ..results.compare import Comparison, Difference


def shown(value: float | str | None) -> str:
    return "–" if value is None else value if isinstance(value, str) else f"{value:.9g}"


def line(each: Difference) -> str:
    """Cell, number, both values, verdict."""
    conditions = ", ".join(f"{key}={value}" for key, value in each.conditions.items())
    name = f"{each.metric}({conditions})" if conditions else each.metric
    why = f" ({each.why})" if each.why else ""
    return f"{each.verdict.replace('_', ' '):<14} {each.cell}  {name}: {shown(each.old)} → {shown(each.new)}{why}"


def lines(comparison: Comparison, *, everything: bool) -> list[str]:
    """What changed (or everything), the cells of one side only, and how often each verdict fell."""
    chosen = comparison.differences if everything else comparison.changes
    counts: dict[str, int] = {}
    for each in comparison.differences:
        counts[each.verdict] = counts.get(each.verdict, 0) + 1
    summary = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in sorted(counts.items()))
    return [
        *map(line, chosen),
        *(f"only in OLD     {name}" for name in comparison.only_old),
        *(f"only in NEW     {name}" for name in comparison.only_new),
        summary or "no cell is in both runs",
    ]


def diff(
    old: Annotated[Path, typer.Argument(help="A run folder, or a results.json.")],
    new: Annotated[Path, typer.Argument(help="A run folder, or a results.json.")],
    everything: Annotated[bool, typer.Option("--all", help="Show what is the same, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print plain data.")] = False,
) -> None:
    """Compare two runs: counted numbers exactly, others beyond their noise, timings on one machine only."""
    from ..results import store
    from ..results.compare import compare

    comparison = compare(store.read(old), store.read(new))
    if as_json:
        typer.echo(json.dumps(asdict(comparison) | {"exit_code": comparison.exit_code}, indent=2, ensure_ascii=False))
    else:
        typer.echo("\n".join(lines(comparison, everything=everything)))
    if comparison.exit_code == CANNOT_CHECK:
        typer.echo("nothing could be compared", err=True)
    raise typer.Exit(comparison.exit_code)
