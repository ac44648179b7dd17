"""`schema`: the JSON Schema of specs, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import CheckFailed, UsageError


def schema(
    output: Annotated[Path | None, typer.Option(help="Write it to this file.")] = None,
    check: Annotated[Path | None, typer.Option(help="Exit with 6 if this file is not current.")] = None,
) -> None:
    """Print the JSON Schema of specs; editors complete and check specs that begin with `#:schema`."""
    from ..spec.schema import schema_text

    text = schema_text()
    if check is not None:
        if not check.is_file():
            raise UsageError(f"there is no file {check}", remedy=f"sparsity-report schema --output {check}")
        if check.read_text(encoding="utf-8") != text:
            raise CheckFailed(f"{check} is stale", remedy=f"sparsity-report schema --output {check}")
        typer.echo(f"{check} is current")
    elif output is not None:
        from ..results.store import write_text

        write_text(output, text)
        typer.echo(output)
    else:
        typer.echo(text, nl=False)
