"""
Runs a study: every cell that is not finished yet, one failure at a time, and keeps what is finished.

For each model: all nodes (prune, one forward each), one closing pass for their behaviour, then the leaves.
"""

from __future__ import annotations

import datetime
import fnmatch
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .. import registry
from ..contracts import Node
from ..errors import EnvironmentProblem, SparsityReportError, UsageError
from ..hardware import project
from ..paths import readable
from ..planning import digest, node_key, nodes_of, plan_cells
from ..results import diagnosis, environment, published, registration, sealed, store
from ..results.expect import evaluate
from ..results.model import Alert, CellRecord, MachineRecord, Results, SpecRecord
from ..results.timing_alerts import alerts as timing_alerts
from . import describe, equivalence, kept, nodes, probe
from .events import CellFinished, Message, NodeStarted, RunFinished, RunStarted
from .evidence import sensitivity
from .excerpt import excerpt
from .generation import generations
from .histogram import histograms
from .leaves import check_room, execute, unfinished
from .memory import peak_bytes, reset_peak
from .nodes import NodeResult
from .prepare import Place, prepare
from .records import node_records, overlaps
from .stability import tipping_points
from .stopwatch import Stopwatch, is_shared, stopwatch
from .zero_shot import with_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..contracts import Cell, Stage
    from ..results.model import (
        DataRecord,
        EnvironmentRecord,
        ExcerptRecord,
        GenerationRecord,
        HistogramRecord,
        ModelRecord,
        NodeRecord,
        OverlapRecord,
        SensitivityRecord,
        TaskRecord,
        TippingRecord,
    )
    from ..spec.load import LoadedSpec
    from ..spec.model import Model
    from .behaviour import Behaviour
    from .events import Event
    from .prepare import EvaluationSet, Prepared


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
    stopwatch: Stopwatch


@dataclass
class Gathered:
    """What the models of a study leave, in the order of the spec."""

    cells: list[CellRecord] = field(default_factory=list)
    models: list[ModelRecord] = field(default_factory=list)
    data: list[DataRecord] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    tasks: tuple[TaskRecord, ...] = ()
    nodes: list[NodeRecord] = field(default_factory=list)
    overlaps: list[OverlapRecord] = field(default_factory=list)
    sensitivity: list[SensitivityRecord] = field(default_factory=list)
    machines: tuple[MachineRecord, ...] = ()
    excerpts: list[ExcerptRecord] = field(default_factory=list)
    histograms: list[HistogramRecord] = field(default_factory=list)
    tipping: list[TippingRecord] = field(default_factory=list)
    generations: list[GenerationRecord] = field(default_factory=list)
    peak_memory_bytes: int = 0
    problem: EnvironmentProblem | None = None


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def select(cells: Sequence[Cell], only: Sequence[str]) -> frozenset[str]:
    """Ids of the cells that `--only` globs, and of the references. Raises UsageError when a glob matches nothing."""
    for pattern in only:
        if not any(fnmatch.fnmatchcase(cell.id, pattern) for cell in cells):
            known = ", ".join(cell.id for cell in cells)
            raise UsageError(f"--only {pattern!r} matches no cell", remedy=f"the cells: {known}")
    return frozenset(
        cell.id
        for cell in cells
        if not only or cell.is_reference or any(fnmatch.fnmatchcase(cell.id, glob) for glob in only)
    )


def reason_of(problem: Exception) -> str:
    """A failure in one line. A full disk is no failure of the cell: it ends the run (raises EnvironmentProblem)."""
    if isinstance(problem, EnvironmentProblem):
        raise problem
    if isinstance(problem, OSError) and problem.errno in store.ENDS_THE_RUN:
        raise EnvironmentProblem(f"cannot write: {problem.strerror}", remedy=store.REMEDIES[problem.errno]) from problem
    text = problem.message if isinstance(problem, SparsityReportError) else f"{type(problem).__name__}: {problem}"
    return environment.anonymous(" ".join(text.split())[:500])


def label(node: Node) -> str:
    """ "magnitude global 30 %", "wanda 2:4", "magnitude layer 50 % + rtn 8", "given" or "dense"."""
    return " + ".join(map(stage_label, node.stages)) or "dense"


def stage_label(stage: Stage) -> str:
    words = [stage.entry]
    if stage.op == "quantize":
        words += map(str, stage.params.values())
    elif stage.pattern.is_nm:
        words.append(str(stage.pattern))
    elif stage.sparsity is not None:
        words += [stage.scope, f"{float(stage.sparsity) * 100:g} %"]
    calibration = stage.params.get("calibration") or {}
    return " ".join([*words, *([f"(calibration seed {calibration['seed']})"] if calibration.get("seed") else [])])


def forward_nodes(
    run: Run, prepared: Prepared, text: EvaluationSet, wanted: Sequence[Node]
) -> tuple[dict[str, Behaviour], dict[str, float], dict[str, str]]:
    """Hidden states, seconds and failures of the nodes, by key."""
    behaviours: dict[str, Behaviour] = {}
    seconds: dict[str, float] = {}
    failures: dict[str, str] = {}
    for node in wanted:
        run.notify(NodeStarted(label(node) + on_text(prepared, text)))
        started = time.monotonic()
        try:
            behaviours[node.key] = nodes.run_node(run.loaded.spec, prepared, node, text, run.folder)
        except Exception as problem:  # the one place where a node's failure becomes data
            failures[node.key] = reason_of(problem)
        seconds[node.key] = time.monotonic() - started
    return behaviours, seconds, failures


def on_text(prepared: Prepared, text: EvaluationSet) -> str:
    """ " on wikitext-2" where there are several texts."""
    return f" on {text.name}" if len(prepared.evaluation) > 1 else ""


def run_nodes(run: Run, prepared: Prepared, wanted: Sequence[Node]) -> dict[str, NodeResult]:
    """Behaviour of every wanted node on every text; only one text's hidden states exist at a time."""
    nodes.share_passes(run.loaded.spec, prepared, wanted, run.folder, run.notify)
    results = {node.key: NodeResult() for node in wanted}
    for text in prepared.evaluation if nodes.behaviour_families(run.loaded.spec) else ():
        whole = [node for node in wanted if not results[node.key].failure]
        for key, found in run_nodes_on(run, prepared, text, whole).items():
            results[key] += found
    return results


def run_nodes_on(run: Run, prepared: Prepared, text: EvaluationSet, wanted: Sequence[Node]) -> dict[str, NodeResult]:
    """Behaviour of every wanted node: from the folder, or measured now in one closing pass. Without dense, none."""
    spec, results = run.loaded.spec, {}
    for node in wanted if not run.options.force else ():
        found = nodes.cached(run.folder, nodes.behaviour_key(spec, prepared, node, text))
        if found is not None:
            results[node.key] = found
    missing = [node for node in wanted if node.key not in results]
    if not missing:
        return results
    dense = Node(node_key(spec, prepared.model, ()), prepared.model.name)
    todo = [dense, *(node for node in missing if node.stages)]
    behaviours, seconds, failures = forward_nodes(run, prepared, text, todo)
    if dense.key in failures:
        failures |= {node.key: f"dense failed: {failures[dense.key]}" for node in missing if node.stages}
    measured = [node for node in missing if node.key not in failures]
    if measured:
        run.notify(NodeStarted("behaviour of all nodes" + on_text(prepared, text)))
        results |= nodes.measure_all(
            spec, prepared, text, measured, behaviours, behaviours[dense.key], seconds, run.folder
        )
    nodes.forget_hidden(spec, prepared, text, todo, run.folder)
    return results | {key: NodeResult(failure=reason) for key, reason in failures.items()}


def run_tasks(
    run: Run, prepared: Prepared, wanted: Sequence[Node], known: dict[str, NodeResult]
) -> dict[str, NodeResult]:
    """The nodes' results with their scores on tasks, if the spec wants any; a failure is the node's."""
    if prepared.tasks is None:
        return known
    spec, results = run.loaded.spec, dict(known)
    dense = next((node for node in wanted if not node.stages), None) or Node(
        node_key(spec, prepared.model, ()), prepared.model.name
    )
    for node in wanted:
        if results[node.key].failure:
            continue
        run.notify(NodeStarted(f"tasks of {label(node)}"))
        try:
            results[node.key] = with_tasks(
                spec, prepared, prepared.tasks, node, dense, known[node.key], run.folder, run.options.force
            )
        except Exception as problem:  # the one place where a failure on tasks becomes data
            results[node.key] = NodeResult(failure=f"tasks: {reason_of(problem)}")
    return results


def run_leaf(
    run: Run, prepared: Prepared, cell: Cell, node: NodeResult, made: NodeRecord | None, anchor: str
) -> CellRecord:
    """One cell; whatever goes wrong with it becomes its reason."""
    if node.failure:
        return unfinished(cell, node.failure)
    started = time.monotonic()
    try:
        check_room(run.loaded.spec, prepared, cell, fresh=run.stopwatch.process is not None)
        state, _ = nodes.state_of(run.loaded.spec, prepared, cell.node, run.folder)
        record, samples = execute(run.loaded.spec, prepared, cell, state, node, made, anchor, run.stopwatch)
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


def run_cells(run: Run, prepared: Prepared, planned: Sequence[Cell], gathered: Gathered) -> list[CellRecord]:
    """The chosen cells of one model, and those that are finished though not chosen, in the order of the plan."""
    found = {cell.id: kept.finished(run, prepared, cell) for cell in planned}
    cells = [cell for cell in planned if cell.id in run.chosen or found[cell.id] is not None]
    again = run.chosen if run.options.force else frozenset()
    records = {name: record for name, record in found.items() if record is not None and name not in again}
    missing = [cell for cell in cells if cell.id not in records]
    run.notify(Message(f"{prepared.model.name}: {len(cells)} cells, {len(records)} of them finished before"))
    results = run_tasks(run, prepared, nodes_of(tuple(missing)), run_nodes(run, prepared, nodes_of(tuple(missing))))
    failed = {key for key, result in results.items() if result.failure}
    pruned = [node for node in nodes_of(tuple(cells)) if node.stages and node.key not in failed]
    scan_blocks(run, prepared, cells, results, gathered)
    generate(run, prepared, pruned, results, gathered)
    made = node_records(run.loaded.spec, prepared, pruned, run.folder)
    gathered.nodes += made.values()
    gathered.overlaps += overlaps(run.loaded.spec, prepared, pruned, run.folder)
    gathered.tipping += tipping_points(run.loaded.spec, prepared, pruned, made, run.folder)
    peaks = [peak_bytes() or 0, *(each.peak_memory_bytes or 0 for each in made.values())]
    gathered.peak_memory_bytes = max(gathered.peak_memory_bytes, *peaks)
    reference = next(cell for cell in cells if cell.is_reference)
    anchor = reference.id
    gathered.histograms += histograms(run.loaded.spec, prepared, pruned, reference.node.key, run.folder)
    for number, cell in enumerate(missing, start=1):
        record = records[cell.id] = run_leaf(
            run, prepared, cell, results[cell.node.key], made.get(cell.node.key), anchor
        )
        kept.keep(run, prepared, cell, record)
        event = CellFinished(record.id, record.status, record.seconds, note(record), number, len(missing))
        run.notify(event)
        gathered.peak_memory_bytes = max(gathered.peak_memory_bytes, record.peak_memory_bytes or 0)
    return [records[cell.id] for cell in cells]


def scan_blocks(
    run: Run, prepared: Prepared, cells: Sequence[Cell], results: dict[str, NodeResult], gathered: Gathered
) -> None:
    """The sensitivity scan, if the spec wants it: its values belong to the dense cell."""
    if "sensitivity" not in run.loaded.spec.metrics.use:
        return
    run.notify(NodeStarted("sensitivity scan"))
    first = next(iter(prepared.calibration.values()), None)
    found = sensitivity(prepared, run.loaded.spec.metrics.sensitivity, run.folder, first)
    gathered.sensitivity.append(found)
    for cell in cells:
        if cell.is_reference and cell.node.key in results:
            known = results[cell.node.key]
            values = registry.get("metrics", "sensitivity").measure(found)
            results[cell.node.key] = replace(known, measurements=(*known.measurements, *values))


def generate(
    run: Run, prepared: Prepared, pruned: Sequence[Node], results: dict[str, NodeResult], gathered: Gathered
) -> None:
    """Greedy continuations of dense and of every pruned state, if the spec wants them."""
    spec = run.loaded.spec
    if "generation" not in spec.metrics.use:
        return
    run.notify(NodeStarted("greedy continuations"))
    dense = Node(node_key(spec, prepared.model, ()), prepared.model.name)
    found = generations(spec, prepared, dense, pruned, run.folder)
    gathered.generations += found
    family = registry.get("metrics", "generation")
    for key, known in results.items():
        same = [each.same for record in found for each in record.continuations if each.node == key]
        if same:
            values = family.measure(same, {"corpus": prepared.evaluation[0].name})
            results[key] = replace(known, measurements=(*known.measurements, *values))


def run_model(run: Run, model: Model, planned: Sequence[Cell], gathered: Gathered) -> None:
    """One model from loading to its last cell; out of reach, its cells are failed."""
    spec, options = run.loaded.spec, run.options
    place = Place(str(run.loaded.folder), options.offline, options.quick)
    try:
        prepared = prepare(spec, model, planned, place)
    except EnvironmentProblem as unreachable:
        gathered.problem = gathered.problem or unreachable
        reason = environment.anonymous(unreachable.message)
        gathered.cells += [unfinished(cell, reason) for cell in planned if cell.id in run.chosen]
        gathered.models.append(describe.absent_model(model))
        return
    cells, dense = run_cells(run, prepared, planned, gathered), prepared.dense
    known = describe.model_record(model, prepared.loaded, dense.anatomy, dense.targets, planned)
    gathered.models.append(known)
    gathered.cells += projected(run, known, cells, planned, gathered)
    gathered.data += describe.data_records(spec, prepared)
    gathered.tasks = gathered.tasks or (prepared.tasks.records if prepared.tasks is not None else ())
    found = excerpt(prepared, run.folder)
    gathered.excerpts += [found] if found is not None else []
    gathered.alerts += describe.alerts(prepared)


def projected(
    run: Run, model: ModelRecord, cells: Sequence[CellRecord], planned: Sequence[Cell], gathered: Gathered
) -> list[CellRecord]:
    """The cells with what is modelled of them, on this machine where it was timed and on those that the spec names."""
    hardware = run.loaded.spec.hardware
    if "roofline" not in run.loaded.spec.metrics.use:
        return list(cells)
    here = this_machine(run, gathered) if any(cell.timed for cell in planned) else None
    gathered.machines = project.targets(hardware, here)
    return [
        cell.model_copy(
            update={"metrics": (*cell.metrics, *project.records(cell, model, gathered.machines, hardware.context))}
        )
        for cell in cells
    ]


def this_machine(run: Run, gathered: Gathered) -> MachineRecord:
    """What this machine reaches: from the folder, if it was measured there under the same conditions, or probed now."""
    file, dtypes = run.folder / "machine.json", sorted({model.dtype for model in run.loaded.spec.model})
    key = digest([run.environment.fingerprint, dtypes])[:16]
    kept = sealed.read_entry(file)
    try:
        if kept["key"] == key and not (run.options.force and not gathered.machines):
            return MachineRecord.model_validate(kept["machine"])
    except (TypeError, KeyError, ValueError):  # absent, damaged or of another version: measured anew
        pass
    run.notify(NodeStarted("probe of this machine"))
    found = probe.measure(run.environment, dtypes)
    sealed.write_entry(file, {"key": key, "machine": found.model_dump(mode="json", exclude_defaults=True)})
    return found


def run_study(loaded: LoadedSpec, folder: Path, options: Options, notify: Callable[[Event], None]) -> Results:
    """
    Runs what is not finished and writes `results.json`.

    One model out of reach among several is failed cells. Raises what makes the whole study impossible: SpecError,
    UsageError, and EnvironmentProblem where no model can start.
    """
    with store.locked(folder):
        store.sweep(folder)
        return _run_locked(loaded, folder, options, notify)


def _run_locked(loaded: LoadedSpec, folder: Path, options: Options, notify: Callable[[Event], None]) -> Results:
    import torch

    spec = loaded.spec
    threads = spec.hardware.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    shared = is_shared(spec, quick=options.quick)
    machine = environment.capture(
        device=spec.hardware.device,
        threads=threads,
        command=options.command,
        wait_policy="" if shared else spec.hardware.wait_policy or "",
        timing_process="shared" if shared else "fresh",
    )
    started, clock = now(), time.monotonic()
    cells = plan_cells(spec)
    chosen = select(cells, options.only)
    study = describe.study_record(loaded)
    store.write_text(folder / "spec.toml", loaded.text)
    registered = registration.register(folder, spec.expect, started)
    notify(RunStarted(spec.study.title, len(chosen)))
    for alert in registration.alerts(registered):
        notify(Message(alert.text, alert.level))
    gathered = Gathered()
    reset_peak()
    with stopwatch(spec, folder, machine, quick=options.quick, again=options.force) as timer:
        run = Run(loaded, folder, options, chosen, notify, machine, timer)
        for model in spec.model:
            run_model(run, model, [cell for cell in cells if cell.node.model == model.name], gathered)
    if gathered.problem is not None and not gathered.data:
        raise gathered.problem
    results = Results(
        tool=environment.tool(),
        study=study,
        spec=SpecRecord(
            file=readable(Path(loaded.file).name),
            text=loaded.text,
            sha256=loaded.sha256,
            overrides=tuple(map(environment.anonymous, loaded.overrides)),
        ),
        quick=options.quick,
        models=tuple(gathered.models),
        data=tuple(gathered.data),
        tasks=gathered.tasks,
        environment=machine.model_copy(update={"started": started, "finished": now()}),
        entries=describe.entries(spec, cells),
        quantities=describe.quantities(spec),
        cells=tuple(gathered.cells),
        nodes=tuple(gathered.nodes),
        overlaps=tuple(gathered.overlaps),
        sensitivity=tuple(gathered.sensitivity),
        machines=gathered.machines,
        excerpts=tuple(gathered.excerpts),
        histograms=tuple(gathered.histograms),
        tipping=tuple(gathered.tipping),
        generations=tuple(gathered.generations),
        checks=tuple(equivalence.checks(gathered.cells, {model.name: model.dtype for model in spec.model})),
        registration=registered,
        alerts=tuple(
            dict.fromkeys(
                [
                    *registration.alerts(registered),
                    *gathered.alerts,
                    *timing_alerts(gathered.cells, machine),
                ]
            )
        ),
        seconds=round(time.monotonic() - clock, 3),
        peak_memory_bytes=gathered.peak_memory_bytes or None,
    )
    expected = registration.marked(evaluate(spec.expect, results), spec.expect, registered.late)
    checks = (*results.checks, *expected, *published.matches(results))
    alerts = (*results.alerts, *diagnosis.alerts(results))
    results = results.model_copy(update={"checks": checks, "alerts": alerts})
    store.write(folder, results)
    store.write_json(folder / "spec.lock.json", describe.lock(results))
    failed = sum(record.status == "failed" for record in results.cells)
    notify(RunFinished(len(results.cells) - failed, failed, results.seconds))
    return results
