"""A cell of a run as a model on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import __version__
from ..models.checkpoint import new_folder, write_plain
from ..results.environment import anonymous
from ..results.store import write_json
from .leaves import stage_records
from .nodes import MASKED, state_of
from .prepare import Place, prepare
from .saving import save_sparse
from .variant import build

if TYPE_CHECKING:
    from pathlib import Path

    from ..contracts import Cell
    from ..spec.load import LoadedSpec
    from .prepare import Prepared


def provenance(prepared: Prepared, cell: Cell) -> dict[str, Any]:
    """Where the weights come from and what was done to them."""
    loaded = prepared.loaded
    return {
        "tool": f"sparsity-report {__version__}",
        "cell": cell.id,
        "model": {
            "source": anonymous(loaded.source),
            "revision": loaded.revision,
            "label": loaded.label,
            "licence": loaded.licence,
        },
        "stages": [each.model_dump(mode="json") for each in stage_records(cell.node)],
        "format": {"entry": cell.format.entry, "params": cell.format.params},
    }


def write(
    loaded: LoadedSpec, cell: Cell, run: Path, out: Path, *, dense: bool, offline: bool, quick: bool
) -> list[Path]:
    """
    Writes the cell's model to the new folder `out`, and returns its files.

    Raises UsageError where `out` holds something, SpecError and EnvironmentProblem as a run does.
    """
    spec = loaded.spec
    model = next(each for each in spec.model if each.name == cell.node.model)
    prepared = prepare(spec, model, [cell], Place(str(loaded.folder), offline, quick))
    prepared.loaded.model.to("cpu")  # type: ignore[arg-type]  # transformers wraps `to` and loses its signature
    state, _ = state_of(spec, prepared, cell.node, run)
    variant = build(state, MASKED if dense else cell.format)
    facts, tokenizer = provenance(prepared, cell), prepared.loaded.tokenizer
    if variant.in_place:
        with new_folder(out) as partial:
            write_plain(variant.model, tokenizer, partial)
            write_json(partial / "provenance.json", facts | {"format": {"entry": "masked", "params": {}}})
    else:
        save_sparse(variant.model, out, tokenizer, facts)
    return sorted(file for file in out.rglob("*") if file.is_file())
