"""`plan`: the cells, what is finished, and bytes, memory and time by arithmetic; no torch, no network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import estimate
from ..api import run_folder
from ..contracts import ModelRequest
from ..models import arithmetic, loading
from ..planning import changes, plan_cells, plan_facts
from ..resources import spec_file
from ..results import store
from ..results.sealed import metadata, read_entry
from ..spec.load import load_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..contracts import Cell
    from ..spec.load import LoadedSpec
    from ..spec.model import Model, Spec

MIB = 2**20
NEVER = "not run yet"


def state_of(folder: Path, spec: Spec, cell: Cell) -> tuple[str, str]:
    """
    Whether the run folder holds the cell as the spec now wants it, and why it does not.

    What only a run knows (the model's revision, the text, the machine of a timing) may still make it run again.
    """
    file = folder / "cells" / f"{cell.id}.json"
    kept = read_entry(file)
    try:
        before, status, reason = kept["plan"], kept["cell"]["status"], kept["cell"].get("reason", "")
        changed = changes(before, plan_facts(spec, cell))
    except (TypeError, KeyError, AttributeError):
        return "to run", "its entry is damaged" if file.exists() else NEVER
    if changed:
        return "to run", ", ".join(changed)
    if kept.get("detail") != store.sha256_of(store.detail_file(folder, cell.id)):
        return "to run", "its bulk data are damaged"
    return ("to retry", f"it failed: {reason}") if status == "failed" else ("finished", "")


def kept_states(folder: Path) -> frozenset[str]:
    """Keys of the nodes whose pruned states the run folder keeps."""
    return frozenset(filter(None, map(node_of, (folder / "artifacts").glob("*.state.safetensors"))))


def node_of(file: Path) -> str:
    """The node whose state a file holds, as its note says; "" where it cannot be read."""
    try:
        return str(json.loads(metadata(file)["note"])["node"])
    except (KeyError, TypeError, ValueError):
        return ""


def plan_model(loaded: LoadedSpec, model: Model, cells: Sequence[Cell], quick: bool) -> dict[str, Any]:
    """What arithmetic says about one model; "unresolved" where its config is not known here."""
    config = loading.config(ModelRequest(model.source, model.revision, model.dtype, True, str(loaded.folder)))
    shape = None if config is None else arithmetic.shape_of(config)
    head = {"id": model.name, "source": model.source}
    if shape is None:
        return head | {"accounting": "unresolved", "memory_bytes": "unresolved", "seconds": "unresolved"}
    tokens = estimate.tokens(shape, loaded.spec, str(loaded.folder), quick=quick)
    return head | {
        "accounting": estimate.account(shape, loaded.spec, model, cells),
        "evaluation_tokens": tokens,
        "memory_bytes": estimate.memory_bytes(shape, loaded.spec, model, cells, tokens),
        "seconds": round(estimate.seconds(shape, loaded.spec, cells, tokens)),
    }


def describe(loaded: LoadedSpec, folder: Path, quick: bool) -> dict[str, Any]:
    """The whole plan as plain data."""
    cells, kept = plan_cells(loaded.spec), kept_states(folder)
    return {
        "spec": str(loaded.file),
        "folder": str(folder),
        "cells": [
            {
                "id": cell.id,
                "model": cell.node.model,
                "node": cell.node.key,
                "timed": cell.timed,
                "state": state,
                "why": why,
                "pruned": cell.node.key in kept,
            }
            for cell in cells
            for state, why in [state_of(folder, loaded.spec, cell)]
        ],
        "models": [
            plan_model(loaded, model, [cell for cell in cells if cell.node.model == model.name], quick)
            for model in loaded.spec.model
        ],
    }


def text(plan: dict[str, Any]) -> str:
    """The plan for a reader: a line a cell, and the sums."""
    sizes = {
        name: cell
        for model in plan["models"]
        if model["accounting"] != "unresolved"
        for name, cell in model["accounting"]["cells"].items()
    }
    width = max(len(cell["id"]) for cell in plan["cells"])
    lines = [f"{len(plan['cells'])} cells → {plan['folder']}"]
    for cell in plan["cells"]:
        size = sizes.get(cell["id"])
        amount = (
            f"{size['model_bytes'] / MIB:10.2f} MiB  {size['ratio_to_dense']:5.2f} × dense" if size else "unresolved"
        )
        lines.append(f"  {cell['id']:<{width}}  {cell['state']:<8}  {amount}{'  timed' if cell['timed'] else ''}")
        if cell["why"] and cell["why"] != NEVER:
            lines.append(f"      {cell['why']}{'; its pruned state is kept' if cell['pruned'] else ''}")
    for model in plan["models"]:
        lines += model_text(model)
    return "\n".join(lines)


def model_text(model: dict[str, Any]) -> list[str]:
    if model["accounting"] == "unresolved":
        return [f"{model['source']}: unresolved (its config is neither shipped nor in the local cache)"]
    account = model["accounting"]
    even = account["break_even"]
    return [
        f"{model['source']}: {account['prunable']:,} prunable of {account['parameters']:,} parameters "
        f"({account['prunable_fraction']:.1%}), dense {account['dense_bytes'] / MIB:.2f} MiB",
        *(
            f"  CSR with {name.removeprefix('csr-int')}-bit indices is smaller than dense above {value:.2%} sparsity"
            for name, value in even.items()
            if value is not None
        ),
        f"  about {model['seconds']} s and {model['memory_bytes'] / MIB:,.0f} MiB of memory (rough)",
    ]


def plan(
    spec: Annotated[str, typer.Argument(help="A spec file, or the name of a shipped one.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the run.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE on top of the spec.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Plan the rehearsal.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print plain data.")] = False,
) -> None:
    """Show the cells, what is finished, and what they will take."""
    loaded = load_spec(spec_file(spec), overrides=tuple(overrides or ()))
    result = describe(loaded, run_folder(out, loaded.slug, quick), quick)
    typer.echo(json.dumps(result, indent=2, ensure_ascii=False) if as_json else text(result))
