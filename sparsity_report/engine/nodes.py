"""Every node's masks and behaviour: made once, kept in the run folder, shared by the node's formats."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import Field

from .. import registry
from ..contracts import FormatChoice, pattern_of
from ..models.blocks import device_of, head_path
from ..planning import digest, parent_of
from ..results import sealed
from ..results.model import Measurement, Record
from ..results.sealed import read_entry, write_entry
from . import artifacts
from .behaviour import Behaviour, check_head, closing_pass, forward_hidden
from .events import NodeStarted
from .evidence import evidence_for
from .pruning import Sight, prune
from .quantizing import quantize
from .sharing import passes, prune_side_by_side, shares
from .variant import build

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor

    from ..contracts import Node, Stage
    from ..spec.model import Spec
    from .events import Event
    from .prepare import EvaluationSet, Prepared
    from .pruning import Pruned
    from .state import ModelState

ENGINE_VERSION = 1
"""Raise it when the engine's own arithmetic changes numbers: everything cached is redone."""

MASKED = FormatChoice("masked")
STAGES = {"prune": prune, "quantize": quantize}


class Note(Record):
    """
    How a pruned state came about; kept beside it. `requested` is by target, empty where targets compete; `node` is its
    key, by which a plan finds it.
    """

    node: str = ""

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
    windows: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)
    """By `samples_ref` ("behaviour/<corpus>"): means over each window, by the name of what was averaged."""

    def __add__(self, other: NodeResult) -> NodeResult:
        """The same node's behaviour on several texts; where one is missing, it has none."""
        return NodeResult(
            measurements=(*self.measurements, *other.measurements),
            seconds=self.seconds + other.seconds,
            failure=self.failure or other.failure,
            windows=self.windows | other.windows,
        )


def behaviour_families(spec: Spec) -> tuple[str, ...]:
    return tuple(name for name in spec.metrics.use if registry.get("metrics", name).LEVEL == "behaviour")


def mask_key(prepared: Prepared, node: Node) -> str:
    """
    What a pruned state depends on: the plan, the weights that were really loaded, the calibration tokens, and files.
    """
    seen = [each.windows.token_ids_sha256 for stage in node.stages if (each := prepared.calibration_of(stage))]
    seen += filter(None, map(prepared.fingerprint_of, node.stages))
    return digest([ENGINE_VERSION, node.key, prepared.loaded.revision, *seen])[:16]


def behaviour_key(spec: Spec, prepared: Prepared, node: Node, text: EvaluationSet) -> str:
    """What the behaviour depends on: the masks, the text and its token ids, and the metrics with their versions."""
    versions = [(name, registry.get("metrics", name).INFO.result_version) for name in behaviour_families(spec)]
    return digest([mask_key(prepared, node), text.name, text.windows.token_ids_sha256, versions])[:16]


def state_file(prepared: Prepared, node: Node, folder: Path) -> Path:
    """Where a pruned state is kept."""
    return artifacts.path(folder, mask_key(prepared, node), "state")


def state_of(spec: Spec, prepared: Prepared, node: Node, folder: Path) -> tuple[ModelState, Note]:
    """
    The node's state and how it came about: from the run folder, or made now and kept there.

    So is every state on the way to it: nodes that share their first stages share the work.
    """
    if not node.stages:
        return prepared.dense, Note()
    file, pattern = state_file(prepared, node, folder), pattern_of(node.stages)
    kept = artifacts.load_state(file, prepared.dense, pattern)
    if kept is not None:
        return kept[0], Note.model_validate(kept[1])
    stage = node.stages[-1]
    before, known = state_of(spec, prepared, parent_of(spec, prepared.model, node), folder)
    made = STAGES[stage.op](before, stage, sight_of(spec, prepared, stage, folder))
    note = Note(
        node=node.key,
        requested=made.requested or known.requested,
        fallbacks={
            what: known.fallbacks.get(what, 0) + made.fallbacks.get(what, 0)
            for what in {**known.fallbacks, **made.fallbacks}
        },
        seconds=known.seconds + made.seconds,
        peak_memory_bytes=max(known.peak_memory_bytes or 0, made.peak_memory_bytes or 0) or None,
    )
    artifacts.save_state(file, made.state, note.model_dump(mode="json"))
    kept = artifacts.load_state(file, prepared.dense, pattern)  # reads matrices when asked: frees the memory
    return (made.state if kept is None else kept[0]), note


def share_passes(
    spec: Spec, prepared: Prepared, nodes: Sequence[Node], folder: Path, notify: Callable[[Event], None]
) -> None:
    """Prunes together, and keeps, the missing states that can share a pass over the dense model."""
    alike: dict[str, list[Node]] = {}
    for node in nodes:
        kept = artifacts.path(folder, mask_key(prepared, node), "state")
        if len(node.stages) == 1 and shares(node.stages[0]) and not sealed.is_sound(kept):
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
                        keep_state(artifacts.path(folder, mask_key(prepared, node), "state"), node, made)


def keep_state(file: Path, node: Node, made: Pruned) -> None:
    """A state that one stage has made, and how it came about."""
    note = Note(
        node=node.key,
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


def run_node(spec: Spec, prepared: Prepared, node: Node, text: EvaluationSet, folder: Path) -> Behaviour:
    """Prunes and runs the node over all windows of a text; what an interrupted run left is taken up again."""
    state, _ = state_of(spec, prepared, node, folder)
    model = build(state, MASKED).model if node.stages else state.model
    file = artifacts.path(folder, behaviour_key(spec, prepared, node, text), "hidden")
    kept = artifacts.load_tensors(file)
    if kept is None or "hidden" not in kept:
        behaviour = forward_hidden(model, text.windows.ids)
        if not node.stages:
            check_head(model, text.windows.ids, behaviour)
        kept = {"hidden": behaviour.hidden_NLD}
        artifacts.save_tensors(file, kept)
        # They wait on the disk for the closing pass, and not in the memory that the next state needs.
        kept = artifacts.load_tensors(file) or kept
    return Behaviour(kept["hidden"].to(device_of(model)), model.get_submodule(head_path(model)))


def node_file(folder: Path, key: str) -> Path:
    return folder / "nodes" / f"{key}.json"


def cached(folder: Path, key: str) -> NodeResult | None:
    """A node's behaviour from an earlier run."""
    kept = read_entry(node_file(folder, key))
    try:
        measurements = tuple(Measurement.model_validate(each) for each in kept["measurements"])
        if kept["key"] != key:
            return None
        return NodeResult(measurements, float(kept["seconds"]), windows=kept["windows"])
    except (TypeError, KeyError, ValueError):  # absent, damaged or of another version: made again
        return None


def measure_all(
    spec: Spec,
    prepared: Prepared,
    text: EvaluationSet,
    nodes: Sequence[Node],
    behaviours: dict[str, Behaviour],
    dense: Behaviour,
    seconds: dict[str, float],
    folder: Path,
) -> dict[str, NodeResult]:
    """The closing pass over all nodes at once, by node key; each node's behaviour on the text is kept."""
    families, windows = behaviour_families(spec), text.windows
    started = time.monotonic()
    stack = [behaviours[node.key] for node in nodes]
    tables = closing_pass(windows.ids, dense, stack, families, prepared.loaded.model.config)
    share = (time.monotonic() - started) / max(1, len(nodes))
    results = {}
    for node, table in zip(nodes, tables, strict=True):
        found = results[node.key] = measured(text, table, seconds[node.key] + share)
        key = behaviour_key(spec, prepared, node, text)
        kept = {"key": key, "seconds": found.seconds, "windows": found.windows}
        records = [each.model_dump(mode="json") for each in found.measurements]
        write_entry(node_file(folder, key), kept | {"measurements": records})
    return results


def measured(text: EvaluationSet, table: dict[str, Tensor], seconds: float) -> NodeResult:
    """What the families make of their values at every position, and the window means that stand behind it."""
    conditions: dict[str, str | int | float | bool] = {"corpus": text.name}
    reference = f"behaviour/{text.name}"
    measurements: list[Measurement] = []
    windows: dict[str, list[float | None]] = {}
    for family, values in table.items():
        module = registry.get("metrics", family)
        own = module.measure(values, conditions, text.windows)
        names = getattr(module, "WINDOWED", ())
        measurements += [each.model_copy(update={"samples_ref": reference}) for each in own] if names else own
        if names:
            means = values.mean(dim=1).view(len(values), len(names)).T.tolist()
            windows |= {
                name: [each if math.isfinite(each) else None for each in row]
                for name, row in zip(names, means, strict=True)
            }
    return NodeResult(tuple(measurements), seconds, windows={reference: windows})


def forget_hidden(spec: Spec, prepared: Prepared, text: EvaluationSet, nodes: Sequence[Node], folder: Path) -> None:
    """Hidden states are large and of no use once behaviour is measured."""
    for node in nodes:
        with contextlib.suppress(OSError):  # Windows keeps a file that is still mapped; `artifacts.trim` drops it later
            artifacts.path(folder, behaviour_key(spec, prepared, node, text), "hidden").unlink(missing_ok=True)
