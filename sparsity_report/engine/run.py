"""
Runs a study: every cell that is not finished yet, one failure at a time, and keeps what is finished.

For each model: all nodes (prune, one forward each), one closing pass for their behaviour, then the leaves.
"""

from __future__ import annotations

import datetime
import errno
import fnmatch
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .. import registry
from ..contracts import Node
from ..errors import EnvironmentProblem, SparsityReportError, UsageError
from ..planning import digest, node_key, nodes_of, plan_cells
from ..results import environment, store
from ..results.expect import evaluate
from ..results.model import Alert, CellRecord, CheckRecord, Results, SpecRecord
from . import describe, nodes
from .events import CellFinished, Message, NodeStarted, RunFinished, RunStarted
from .leaves import execute, unfinished
from .nodes import NodeResult
from .prepare import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..contracts import Cell
    from ..results.model import DataRecord, EnvironmentRecord, ModelRecord
    from ..spec.load import LoadedSpec
    from .behaviour import Behaviour
    from .events import Event
    from .prepare import Prepared

LOGIT_TOLERANCE = 1e-3
"""A leaf executes its node's function if no logit differs by more than this fraction of the largest one."""


@dataclass(frozen=True)
class Options:
    """What the command line adds to the spec. `only` globs cell ids; `force` redoes finished cells."""

    only: tuple[str, ...] = ()
    force: bool = False
    offline: bool = False
    quick: bool = False
    command: str = ""


@dataclass(frozen=True)
class Run:
    """One run of one study in one folder."""

    loaded: LoadedSpec
    folder: Path
    options: Options
    chosen: frozenset[str]
    """Ids of the cells to run; others are taken up only if they are finished."""
    notify: Callable[[Event], None]
    environment: EnvironmentRecord


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def select(cells: Sequence[Cell], only: Sequence[str]) -> frozenset[str]:
    """Ids of the cells that `--only` globs, and of the references. Raises UsageError when a glob matches nothing."""
    for pattern in only:
        if not fnmatch.filter([cell.id for cell in cells], pattern):
            known = ", ".join(cell.id for cell in cells)
            raise UsageError(f"--only {pattern!r} matches no cell", remedy=f"the cells: {known}")
    return frozenset(
        cell.id
        for cell in cells
        if not only or cell.is_reference or any(fnmatch.fnmatch(cell.id, glob) for glob in only)
    )


def cell_key(run: Run, prepared: Prepared, cell: Cell) -> str:
    """All that can change the cell's numbers; timings also depend on the machine."""
    spec = run.loaded.spec
    versions = [(name, registry.get("metrics", name).INFO.result_version) for name in spec.metrics.use]
    format_version = registry.get("formats", cell.format.entry).INFO.result_version
    timing = [spec.metrics.latency.model_dump(mode="json"), run.environment.fingerprint] if cell.timed else None
    behaviour = nodes.behaviour_key(spec, prepared, cell.node)
    return digest([behaviour, cell.format, format_version, versions, timing, run.options.quick])[:16]


def finished(run: Run, prepared: Prepared, cell: Cell) -> CellRecord | None:
    """The cell from an earlier run, if nothing that it depends on has changed. Failed cells are tried again."""
    kept = store.read_json(run.folder / "cells" / f"{cell.id}.json")
    try:
        record = CellRecord.model_validate(kept["cell"])
        fits = kept["key"] == cell_key(run, prepared, cell)
    except (TypeError, KeyError, ValueError):  # absent, damaged or of another version: made again
        return None
    return record if fits and record.status != "failed" else None


def keep(run: Run, prepared: Prepared, cell: Cell, record: CellRecord) -> None:
    store.write_json(
        run.folder / "cells" / f"{cell.id}.json",
        {"key": cell_key(run, prepared, cell), "cell": record.model_dump(mode="json", exclude_defaults=True)},
    )


def reason_of(problem: Exception) -> str:
    """A failure in one line. A full disk is no failure of the cell: it ends the run (raises EnvironmentProblem)."""
    if isinstance(problem, EnvironmentProblem):
        raise problem
    if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        raise EnvironmentProblem(f"cannot write: {problem.strerror}", remedy=store.REMEDIES[problem.errno]) from problem
    text = problem.message if isinstance(problem, SparsityReportError) else f"{type(problem).__name__}: {problem}"
    return " ".join(text.split())[:500]


def label(node: Node) -> str:
    """ "magnitude global 30 %", "magnitude 2:4" or "dense"."""
    return (
        " + ".join(
            f"{stage.entry} {stage.scope} {float(stage.sparsity or 0):.0%}".replace("%", " %")
            if stage.pattern.unstructured
            else f"{stage.entry} {stage.pattern}"
            for stage in node.stages
        )
        or "dense"
    )


def run_nodes(run: Run, prepared: Prepared, wanted: Sequence[Node]) -> dict[str, NodeResult]:
    """Behaviour of every wanted node: from the folder, or measured now in one closing pass."""
    spec, results = run.loaded.spec, {}
    missing = []
    for node in wanted:
        kept = None if run.options.force else nodes.cached(run.folder, nodes.behaviour_key(spec, prepared, node))
        if kept is None:
            missing.append(node)
        else:
            results[node.key] = kept
    if not missing or not nodes.behaviour_families(spec):
        return results | {node.key: NodeResult() for node in missing}
    behaviours: dict[str, Behaviour] = {}
    seconds: dict[str, float] = {}
    root = Node(node_key(spec, prepared.model, ()), prepared.model.name)
    for node in (root, *(node for node in missing if node.stages)):
        run.notify(NodeStarted(label(node)))
        started = time.monotonic()
        try:
            behaviours[node.key] = nodes.run_node(spec, prepared, node, run.folder)
        except Exception as problem:  # the one place where a node's failure becomes data
            if node is root:
                raise
            results[node.key] = NodeResult(failure=reason_of(problem))
        seconds[node.key] = time.monotonic() - started
    measured = [node for node in missing if node.key in behaviours]
    if measured:
        run.notify(NodeStarted("behaviour of all nodes"))
        results |= nodes.measure_all(spec, prepared, measured, behaviours, behaviours[root.key], seconds, run.folder)
    nodes.forget_hidden(spec, prepared, [root, *missing], run.folder)
    return results


def run_leaf(run: Run, prepared: Prepared, cell: Cell, node: NodeResult, anchor: str) -> CellRecord:
    """One cell; whatever goes wrong with it becomes its reason."""
    if node.failure:
        return unfinished(cell, node.failure)
    started = time.monotonic()
    try:
        state = nodes.state_of(prepared, cell.node, run.folder)
        record, samples = execute(run.loaded.spec, prepared, cell, state, node, anchor, run.options.quick)
    except Exception as problem:  # the one place where a cell's failure becomes data
        return unfinished(cell, reason_of(problem), round(time.monotonic() - started, 3))
    if samples:
        store.write_detail(run.folder, cell.id, samples)
    return record


def note(record: CellRecord) -> str:
    """The headline numbers of a finished cell, in a few words."""
    if record.status != "ok":
        return record.reason
    parts = []
    for metric, text in (("perplexity", "ppl {:.2f}"), ("agreement_top1", "top-1 {:.3f}")):
        value = record.value(metric)
        if value is not None:
            parts.append(text.format(value))
    size = record.value("stored_bytes", over="model")
    return " ".join([*parts, f"{size / 2**20:.1f} MiB"] if size is not None else parts)


def announce(run: Run, record: CellRecord, index: int, total: int) -> None:
    run.notify(CellFinished(record.id, record.id, record.status, record.seconds, note(record), index, total))


def run_model(run: Run, prepared: Prepared, planned: Sequence[Cell], done: int, total: int) -> list[CellRecord]:
    """
    The chosen cells of one model, and those that are finished though not chosen, in the order of the plan.

    `done` of `total` cells came before.
    """
    found = {cell.id: finished(run, prepared, cell) for cell in planned}
    cells = [cell for cell in planned if cell.id in run.chosen or found[cell.id] is not None]
    again = run.chosen if run.options.force else frozenset()
    kept = {name: record for name, record in found.items() if record is not None and name not in again}
    run.notify(Message(f"{prepared.model.name}: {len(cells)} cells, {len(kept)} of them finished before"))
    results = run_nodes(run, prepared, nodes_of(tuple(cell for cell in cells if cell.id not in kept)))
    anchor = next(cell.id for cell in cells if cell.is_reference)
    records = []
    for number, cell in enumerate(cells, start=done + 1):
        record = kept.get(cell.id)
        if record is None:
            record = run_leaf(run, prepared, cell, results[cell.node.key], anchor)
            keep(run, prepared, cell, record)
            announce(run, record, number, total)
        records.append(record)
    return records


def contract_checks(cells: Sequence[CellRecord]) -> list[CheckRecord]:
    """Every compressed leaf must compute its node's function."""
    checks = []
    for cell in cells:
        found = cell.find("max_abs_logit_difference")
        if found is None or found.value is None:
            continue
        bound = LOGIT_TOLERANCE * float(found.conditions["largest_logit"])
        checks.append(
            CheckRecord(
                what=f"{cell.id} computes the same function as the masked model",
                origin="contract",
                expected=f"largest logit difference ≤ {bound:.2g} ({LOGIT_TOLERANCE:g} of the largest logit)",
                observed=f"{found.value:.2g}",
                verdict="pass" if found.value <= bound else "miss",
                cells=(cell.id,),
                metric=found.metric,
            )
        )
    return checks


@dataclass
class Gathered:
    """What the models of a study leave, in the order of the spec."""

    cells: list[CellRecord] = field(default_factory=list)
    models: list[ModelRecord] = field(default_factory=list)
    data: list[DataRecord] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)


def run_models(run: Run, cells: Sequence[Cell]) -> Gathered:
    """
    Every model of the spec. One out of reach among several is failed cells; where none can start, its problem is
    raised: there is nothing to report.
    """
    spec, options, gathered = run.loaded.spec, run.options, Gathered()
    problem: EnvironmentProblem | None = None
    for model in spec.model:
        own = [cell for cell in cells if cell.node.model == model.name]
        try:
            prepared = prepare(spec, model, folder=str(run.loaded.folder), offline=options.offline, quick=options.quick)
        except EnvironmentProblem as unreachable:
            problem = problem or unreachable
            gathered.cells += [unfinished(cell, unreachable.message) for cell in own if cell.id in run.chosen]
            gathered.models.append(describe.absent_model(model))
            continue
        gathered.cells += run_model(run, prepared, own, len(gathered.cells), len(run.chosen))
        dense = prepared.dense
        gathered.models.append(describe.model_record(model, prepared.loaded, dense.anatomy, dense.targets, own))
        gathered.data.append(describe.data_record(spec, model.name, prepared.text, prepared.windows))
        gathered.alerts += [Alert(text=text) for text in prepared.text.alerts]
    if problem is not None and not gathered.data:
        raise problem
    return gathered


def run_study(loaded: LoadedSpec, folder: Path, options: Options, notify: Callable[[Event], None]) -> Results:
    """
    Runs what is not finished and writes `results.json`.

    Raises what makes the whole study impossible: SpecError, UsageError, EnvironmentProblem.
    """
    with store.locked(folder):
        return _run_locked(loaded, folder, options, notify)


def _run_locked(loaded: LoadedSpec, folder: Path, options: Options, notify: Callable[[Event], None]) -> Results:
    import torch

    spec = loaded.spec
    threads = spec.hardware.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    machine = environment.capture(device=spec.hardware.device, threads=threads, command=options.command)
    started, clock = now(), time.monotonic()
    cells = plan_cells(spec)
    chosen = select(cells, options.only)
    store.write_text(folder / "spec.toml", loaded.text)
    notify(RunStarted(spec.study.title, len(chosen)))
    gathered = run_models(Run(loaded, folder, options, chosen, notify, machine), cells)
    results = Results(
        tool=environment.tool(),
        study=describe.study_record(loaded),
        spec=SpecRecord(
            file=Path(loaded.file).name, text=loaded.text, sha256=loaded.sha256, overrides=loaded.overrides
        ),
        quick=options.quick,
        models=tuple(gathered.models),
        data=tuple(gathered.data),
        environment=machine.model_copy(update={"started": started, "finished": now()}),
        entries=describe.entries(spec, cells),
        quantities=describe.quantities(spec),
        cells=tuple(gathered.cells),
        checks=tuple(contract_checks(gathered.cells)),
        alerts=tuple(dict.fromkeys(gathered.alerts)),
        seconds=round(time.monotonic() - clock, 3),
    )
    results = results.model_copy(update={"checks": (*results.checks, *evaluate(spec.expect, results))})
    store.write(folder, results)
    failed = sum(record.status == "failed" for record in results.cells)
    notify(RunFinished(len(results.cells) - failed, failed, results.seconds))
    return results
