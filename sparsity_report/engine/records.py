"""NodeRecords, overlaps and the scan: what the comparison of pruned states leaves in `results.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..planning import digest
from ..results.model import Fallback, NodeRecord, OverlapRecord
from ..results.sealed import read_entry, write_entry
from .comparison import comparable, overlap, reconstruction_errors
from .leaves import stage_records
from .nodes import mask_key, state_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..contracts import Node
    from ..models.anatomy import Matrix
    from ..spec.model import Spec
    from .comparison import Errors
    from .prepare import Prepared
    from .state import ModelState


def fallback_records(fallbacks: dict[str, int]) -> tuple[Fallback, ...]:
    """What pruning had to do otherwise than asked."""
    reasons = {
        "dead columns": "an in_feature was never active on the calibration text: its weights are set to zero",
        "Cholesky retries with more damping": "the Hessian was not positive definite: ten times the damping",
    }
    return tuple(
        Fallback(what=what, why=reasons.get(what, "while pruning"), count=count) for what, count in fallbacks.items()
    )


def record_file(folder: Path, prepared: Prepared, node: Node, errors: bool) -> Path:
    """By what the numbers depend on, so that it never goes stale."""
    seen = next((each.windows.token_ids_sha256 for each in prepared.calibration.values()), "") if errors else ""
    return folder / "nodes" / f"{digest([mask_key(prepared, node), seen])[:16]}.record.json"


def pruned_share(state: ModelState, matrix: Matrix) -> float:
    """The fraction of a matrix that masks remove; 0 where a state was only quantised."""
    keep_mask = state.keep_masks.get(matrix.shape.path)
    return 0.0 if keep_mask is None else int((~keep_mask).sum()) / keep_mask.numel()


def node_records(spec: Spec, prepared: Prepared, nodes: Sequence[Node], folder: Path) -> dict[str, NodeRecord]:
    """By node key: from the run folder, or measured now, reconstruction errors of all nodes in one walk."""
    wanted = "reconstruction" in spec.metrics.use
    found: dict[str, NodeRecord] = {}
    missing: list[Node] = []
    for node in nodes:
        kept = read_entry(record_file(folder, prepared, node, wanted))
        try:
            found[node.key] = NodeRecord.model_validate(kept).model_copy(update={"model": node.model})
        except ValueError:  # absent or damaged: made again
            missing.append(node)
    states = {node.key: state_of(spec, prepared, node, folder) for node in missing}
    errors: dict[str, Errors] = {}
    if wanted and missing:
        calibration = next(iter(prepared.calibration.values()))
        bare = {key: state for key, (state, _) in states.items()}
        errors = reconstruction_errors(prepared.dense, bare, prepared.blocks, calibration.windows.ids)
    for node in missing:
        state, note = states[node.key]
        removed = [pruned_share(state, matrix) for matrix in state.targets]
        pairs = errors.get(node.key, ())
        total = sum(whole for _, whole in pairs)
        record = found[node.key] = NodeRecord(
            key=node.key,
            model=node.model,
            stages=stage_records(node),
            requested=note.requested,
            sparsity=tuple(removed),
            reconstruction_error=tuple(error / whole if whole else None for error, whole in pairs),
            reconstruction_total=sum(error for error, _ in pairs) / total if total else None,
            seconds=round(note.seconds, 3),
            peak_memory_bytes=note.peak_memory_bytes,
            fallbacks=fallback_records(note.fallbacks),
        )
        write_entry(record_file(folder, prepared, node, wanted), record.model_dump(mode="json"))
    return {node.key: found[node.key] for node in nodes}


def overlaps(spec: Spec, prepared: Prepared, nodes: Sequence[Node], folder: Path) -> list[OverlapRecord]:
    """Of every comparable pair: from the run folder, or counted now."""
    found = []
    for first, second in comparable(nodes):
        name = digest([mask_key(prepared, first), mask_key(prepared, second)])[:16]
        file = folder / "nodes" / f"{name}.overlap.json"
        try:
            record = OverlapRecord.model_validate(read_entry(file))
        except ValueError:  # absent or damaged
            states = (state_of(spec, prepared, first, folder)[0], state_of(spec, prepared, second, folder)[0])
            record = overlap(first, second, states)
            write_entry(file, record.model_dump(mode="json"))
        found.append(record.model_copy(update={"model": first.model, "first": first.key, "second": second.key}))
    return found
