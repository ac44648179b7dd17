"""`export`: a finished cell as a model on disk, in the format that it was executed in or as a plain checkpoint."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from ..planning import plan_cells

if TYPE_CHECKING:
    from ..contracts import Cell
    from ..spec.model import Spec


def chosen(spec: Spec, name: str) -> Cell:
    """The one cell of this id, or that a glob means. Raises UsageError."""
    cells = plan_cells(spec)
    found = [cell for cell in cells if fnmatch.fnmatchcase(cell.id, name)]
    if len(found) != 1:
        what = "is no cell of this study" if not found else f"means {len(found)} cells"
        known = ", ".join(cell.id for cell in found or cells)
        raise UsageError(f"{name!r} {what}", remedy=f"one of: {known}")
    return found[0]


def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    cell: Annotated[str, typer.Argument(help="A cell's id, or a glob that means one.")],
    out: Annotated[Path, typer.Option(help="A new folder.")],
    dense: Annotated[
        bool, typer.Option("--dense", help="As a plain Hugging Face checkpoint, pruned weights as zeros.")
    ] = False,
    spec: Annotated[
        Path | None, typer.Option(help="The study's spec where its paths count from; by default the run folder's copy.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never ask the network; use what is cached.")] = False,
) -> None:
    """
    Write a cell's model: compressed, for load_sparse, or dense with zeros, for every other tool.

    A masked cell is always written dense. What was pruned is taken from the run folder where it is still kept, and
    pruned again where it is not. A finished cell gets a model card, README.md.
    """
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"

    from ..results import store
    from ..spec.load import load_spec

    results = store.read(run)
    folder = store.results_file(run).parent
    # The author's text is in the results and the look beside them: their files need not be where the spec's copy is.
    unread = ("report.notes={}", "report.templates=''", "report.style=''")
    loaded = load_spec(spec or folder / "spec.toml", overrides=(*results.spec.overrides, *unread))
    wanted = chosen(loaded.spec, cell)

    from ..engine.exporting import write

    for file in write(loaded, wanted, folder, out, dense=dense, offline=offline, quick=results.quick):
        typer.echo(file)
    if any((each.id, each.status) == (wanted.id, "ok") for each in results.cells):
        from ..report.model_card import model_card

        card = model_card(results, wanted.id, plain=dense or wanted.format.entry == "masked")
        typer.echo(store.write_bytes(out / "README.md", card.encode()))
