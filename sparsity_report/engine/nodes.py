"""Every node's masks and behaviour: made once, kept in the run folder, shared by the node's formats."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from .. import registry
from ..contracts import FormatChoice
from ..models.blocks import device_of, head_path
from ..planning import digest
from ..results.model import Measurement, Record
from ..results.store import read_json, write_json
from . import artifacts
from .behaviour import Behaviour, check_head, closing_pass, forward_hidden
from .events import NodeStarted
from .evidence import evidence_for
from .pruning import Sight, prune
from .sharing import passes, prune_side_by_side, shares
from .variant import build

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..contracts import Node, Stage
    from ..spec.model import Spec
    from .events import Event
    from .prepare import Prepared
    from .pruning import Pruned
    from .state import ModelState

ENGINE_VERSION = 1
"""Raise it when the engine's own arithmetic changes numbers: everything cached is redone."""

MASKED = FormatChoice("masked")


class Note(Record):
    """How a pruned state came about; kept beside it. `requested` is by target, empty where targets compete."""

    requested: tuple[float, ...] = ()
    fallbacks: dict[str, int] = Field(default_factory=dict)
    seconds: float = 0.0
    peak_memory_bytes: int | None = None


@dataclass(frozen=True)
class NodeResult:
    """A node's behaviour, or why it has none."""

    measurements: tuple[Measurement, ...] = ()
    seconds: float = 0.0
    failure: str = ""


def behaviour_families(spec: Spec) -> tuple[str, ...]:
    return tuple(name for name in spec.metrics.use if registry.get("metrics", name).LEVEL == "behaviour")


def mask_key(prepared: Prepared, node: Node) -> str:
    """
    What a pruned state depends on: the plan, the weights that were really loaded, the calibration tokens, and files.
    """
    seen = [each.windows.token_ids_sha256 for stage in node.stages if (each := prepared.calibration_of(stage))]
    seen += filter(None, map(prepared.fingerprint_of, node.stages))
    return digest([ENGINE_VERSION, node.key, prepared.loaded.revision, *seen])[:16]


def behaviour_key(spec: Spec, prepared: Prepared, node: Node) -> str:
    """What the behaviour depends on: the masks, the token ids, and the metrics with their versions."""
    versions = [(name, registry.get("metrics", name).INFO.result_version) for name in behaviour_families(spec)]
    return digest([mask_key(prepared, node), prepared.windows.token_ids_sha256, versions])[:16]


def state_file(prepared: Prepared, node: Node, folder: Path) -> Path:
    """Where a pruned state is kept."""
    return artifacts.path(folder, mask_key(prepared, node), "state")


def state_of(spec: Spec, prepared: Prepared, node: Node, folder: Path) -> tuple[ModelState, Note]:
    """The node's state and how it came about: from the run folder, or pruned now and kept there."""
    if not node.stages:
        return prepared.dense, Note()
    file = state_file(prepared, node, folder)
    kept = artifacts.load_state(file, prepared.dense, node.stages[-1].pattern)
    if kept is not None:
        return kept[0], Note.model_validate(kept[1])
    state, fallbacks = prepared.dense, dict[str, int]()
    requested: tuple[float, ...] = ()
    seconds, peak = 0.0, 0
    for stage in node.stages:
        made = prune(state, stage, sight_of(spec, prepared, stage, folder))
        state, requested = made.state, made.requested
        fallbacks = {what: fallbacks.get(what, 0) + made.fallbacks.get(what, 0) for what in fallbacks | made.fallbacks}
        seconds, peak = seconds + made.seconds, max(peak, made.peak_memory_bytes or 0)
    note = Note(requested=requested, fallbacks=fallbacks, seconds=seconds, peak_memory_bytes=peak or None)
    artifacts.save_state(file, state, note.model_dump(mode="json"))
    kept = artifacts.load_state(file, prepared.dense, state.pattern)  # reads matrices when asked: frees the memory
    return (state if kept is None else kept[0]), note


def share_passes(
    spec: Spec, prepared: Prepared, nodes: Sequence[Node], folder: Path, notify: Callable[[Event], None]
) -> None:
    """Prunes together, and keeps, the missing states that can share a pass over the dense model."""
    alike: dict[str, list[Node]] = {}
    for node in nodes:
        kept = artifacts.path(folder, mask_key(prepared, node), "state")
        if len(node.stages) == 1 and shares(node.stages[0]) and not kept.exists():
            alike.setdefault(digest(node.stages[0].params["calibration"]), []).append(node)
    weights = [matrix.shape.numel for matrix in prepared.dense.targets]
    itemsize = next(prepared.dense.model.parameters()).element_size()
    for together in alike.values():
        by_stage = [(node, node.stages[0]) for node in together]
        for part in passes([stage for _, stage in by_stage], sum(weights), itemsize):
            here, by_stage = by_stage[: len(part)], by_stage[len(part) :]
            if len(part) > 1:
                notify(NodeStarted(f"{len(part)} states that look at the same dense inputs"))
                sight = sight_of(spec, prepared, part[0], folder)
                for (node, _), made in zip(here, prune_side_by_side(prepared.dense, part, sight), strict=True):
                    if made is not None:
                        keep_state(artifacts.path(folder, mask_key(prepared, node), "state"), made)


def keep_state(file: Path, made: Pruned) -> None:
    """A state that one stage has made, and how it came about."""
    note = Note(
        requested=made.requested,
        fallbacks=made.fallbacks,
        seconds=made.seconds,
        peak_memory_bytes=made.peak_memory_bytes,
    )
    artifacts.save_state(file, made.state, note.model_dump(mode="json"))


def sight_of(spec: Spec, prepared: Prepared, stage: Stage, folder: Path) -> Sight:
    """What the stage may look at."""
    calibration = prepared.calibration_of(stage)
    return Sight(
        source=prepared.blocks,
        ids_NL=None if calibration is None else calibration.windows.ids,
        evidence=lambda stage: evidence_for(prepared, spec.metrics.sensitivity, stage, folder),
        folder=prepared.folder,
        offline=prepared.offline,
    )


def run_node(spec: Spec, prepared: Prepared, node: Node, folder: Path) -> Behaviour:
    """Prunes and runs the node over all windows; what an interrupted run left is taken up again."""
    state, _ = state_of(spec, prepared, node, folder)
    model = build(state, MASKED).model if node.stages else state.model
    file = artifacts.path(folder, behaviour_key(spec, prepared, node), "hidden")
    kept = artifacts.load_tensors(file)
    if kept is None or "hidden" not in kept:
        behaviour = forward_hidden(model, prepared.windows.ids)
        if not node.stages:
            check_head(model, prepared.windows.ids, behaviour)
        kept = {"hidden": behaviour.hidden_NLD}
        artifacts.save_tensors(file, kept)
        # They wait on the disk for the closing pass, and not in the memory that the next state needs.
        kept = artifacts.load_tensors(file) or kept
    return Behaviour(kept["hidden"].to(device_of(model)), model.get_submodule(head_path(model)))


def node_file(folder: Path, key: str) -> Path:
    return folder / "nodes" / f"{key}.json"


def cached(folder: Path, key: str) -> NodeResult | None:
    """A node's behaviour from an earlier run."""
    kept = read_json(node_file(folder, key))
    try:
        measurements = tuple(Measurement.model_validate(each) for each in kept["measurements"])
        return NodeResult(measurements, float(kept["seconds"])) if kept["key"] == key else None
    except (TypeError, KeyError, ValueError):  # absent, damaged or of another version: made again
        return None


def measure_all(
    spec: Spec,
    prepared: Prepared,
    nodes: Sequence[Node],
    behaviours: dict[str, Behaviour],
    dense: Behaviour,
    seconds: dict[str, float],
    folder: Path,
) -> dict[str, NodeResult]:
    """The closing pass over all nodes at once, by node key; each node's behaviour is kept."""
    families, windows = behaviour_families(spec), prepared.windows
    started = time.monotonic()
    stack = [behaviours[node.key] for node in nodes]
    tables = closing_pass(windows.ids, dense, stack, families, prepared.loaded.model.config)
    share = (time.monotonic() - started) / max(1, len(nodes))
    conditions: dict[str, str | int | float | bool] = {"corpus": spec.data.evaluation.source}
    results = {}
    for node, table in zip(nodes, tables, strict=True):
        measurements = tuple(
            record
            for family in families
            for record in registry.get("metrics", family).measure(table[family], conditions, windows)
        )
        key = behaviour_key(spec, prepared, node)
        results[node.key] = NodeResult(measurements, seconds[node.key] + share)
        kept = {"key": key, "seconds": results[node.key].seconds}
        write_json(
            node_file(folder, key), kept | {"measurements": [each.model_dump(mode="json") for each in measurements]}
        )
    return results


def forget_hidden(spec: Spec, prepared: Prepared, nodes: Sequence[Node], folder: Path) -> None:
    """Hidden states are large and of no use once behaviour is measured."""
    for node in nodes:
        with contextlib.suppress(OSError):  # Windows keeps a file that is still mapped; `artifacts.trim` drops it later
            artifacts.path(folder, behaviour_key(spec, prepared, node), "hidden").unlink(missing_ok=True)
