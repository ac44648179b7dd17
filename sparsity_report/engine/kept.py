"""Finished cells in the run folder: one JSON file each, good as long as nothing that the cell depends on changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..planning import digest, plan_facts, plan_key
from ..results import sealed, store
from ..results.model import CellRecord
from .leaves import variant_record
from .nodes import behaviour_key

if TYPE_CHECKING:
    from pathlib import Path

    from ..contracts import Cell
    from .prepare import Prepared
    from .run import Run


def file_of(folder: Path, cell: Cell) -> Path:
    return folder / "cells" / f"{cell.id}.json"


def key_of(run: Run, prepared: Prepared, cell: Cell) -> str:
    """All that can change the cell's numbers; timings also depend on the machine."""
    spec = run.loaded.spec
    machine = run.environment.fingerprint if cell.timed else ""
    behaviour = [behaviour_key(spec, prepared, cell.node, text) for text in prepared.evaluation]
    facts = [plan_key(spec, cell), behaviour, machine, run.options.quick]
    return digest([*facts, *([prepared.tasks.key] if prepared.tasks is not None else [])])[:16]


def finished(run: Run, prepared: Prepared, cell: Cell) -> CellRecord | None:
    """
    The cell from an earlier run, if nothing that it depends on has changed and its bulk data are as they were. Failed
    cells are tried again.

    What it is called now stands in the record: a variant may have been renamed since.
    """
    kept = sealed.read_entry(file_of(run.folder, cell))
    try:
        record = CellRecord.model_validate(kept["cell"])
        whole = kept["detail"] == store.sha256_of(store.detail_file(run.folder, cell.id))
        fits = whole and kept["key"] == key_of(run, prepared, cell)
    except (TypeError, KeyError, ValueError):  # absent, damaged or of another version: made again
        return None
    return record.model_copy(update={"variant": variant_record(cell)}) if fits and record.status != "failed" else None


def keep(run: Run, prepared: Prepared, cell: Cell, record: CellRecord) -> None:
    """
    `plan` is the part of the key that a spec alone gives: by it `plan` knows what is finished. `detail` is the hash of
    the cell's bulk data, which are written before ("" where there are none).
    """
    detail = store.sha256_of(store.detail_file(run.folder, cell.id))
    kept = {"key": key_of(run, prepared, cell), "plan": plan_facts(run.loaded.spec, cell), "detail": detail}
    entry = kept | {"cell": record.model_dump(mode="json", exclude_defaults=True)}
    sealed.write_entry(file_of(run.folder, cell), entry)
