"""`init`: a commented spec to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from ..registry import suggest
from ..resources import folder

TEMPLATES = ("minimal", "course", "sweep")


def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("study.toml"),
    template: Annotated[str, typer.Option(help="minimal, course or sweep.")] = "minimal",
) -> None:
    """Write a commented spec. Never overwrites."""
    from ..results.store import write_text

    if template not in TEMPLATES:
        raise UsageError(f"there is no template {template!r}", remedy=suggest(template, TEMPLATES))
    if path.exists():
        raise UsageError(f"{path} is there already", remedy="give another name: sparsity-report init NAME.toml")
    source = folder("templates") / "specs" / f"{template}.toml"
    write_text(path, source.read_text(encoding="utf-8"))
    typer.echo(path)
    typer.echo(f"next: sparsity-report plan {path}, then: sparsity-report run {path}", err=True)
