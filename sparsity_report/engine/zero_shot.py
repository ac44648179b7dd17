"""Every node's task scores: made once, kept in the run folder, and measured beside dense's."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import registry
from ..planning import digest
from ..results.model import TaskScores
from ..results.sealed import read_entry, write_entry
from . import harness
from .nodes import ENGINE_VERSION, MASKED, mask_key, state_of
from .variant import build

if TYPE_CHECKING:
    from pathlib import Path

    from ..contracts import Node
    from ..spec.model import Spec
    from .harness import TaskSet
    from .nodes import NodeResult
    from .prepare import Prepared


def score_key(prepared: Prepared, tasks: TaskSet, node: Node) -> str:
    """What a node's scores depend on: its masks, the tasks with their items, and the harness' version."""
    version = registry.get("metrics", "tasks").INFO.result_version
    return digest([ENGINE_VERSION, version, mask_key(prepared, node), tasks.key])[:16]


def scores_of(
    spec: Spec, prepared: Prepared, tasks: TaskSet, node: Node, folder: Path, force: bool
) -> tuple[TaskScores, ...]:
    """The node's scores: from the run folder, or of the executed node now."""
    key = score_key(prepared, tasks, node)
    file = folder / "nodes" / f"{key}.tasks.json"
    kept = {} if force else read_entry(file)
    try:
        return tuple(TaskScores.model_validate(each) for each in kept["scores"])
    except (TypeError, KeyError, ValueError):  # absent, damaged or of another version: made again
        pass
    state, _ = state_of(spec, prepared, node, folder)
    model = build(state, MASKED).model if node.stages else state.model
    found = harness.evaluate(tasks, model, prepared.loaded.tokenizer)
    write_entry(file, {"key": key, "scores": [each.model_dump(mode="json") for each in found]})
    return found


def with_tasks(
    spec: Spec,
    prepared: Prepared,
    tasks: TaskSet,
    node: Node,
    dense: Node,
    known: NodeResult,
    folder: Path,
    force: bool,
) -> NodeResult:
    """The node's result with its accuracies. Dense's scores are read, or made if they are not there yet."""
    started = time.monotonic()
    reference = scores_of(spec, prepared, tasks, dense, folder, force and node is dense)
    own = reference if node is dense else scores_of(spec, prepared, tasks, node, folder, force)
    found = registry.get("metrics", "tasks").measure(own, reference)
    seconds = known.seconds + time.monotonic() - started
    return replace(known, measurements=(*known.measurements, *found), seconds=seconds)
