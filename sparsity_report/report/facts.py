"""
What the numbers of a cell say beside those of its dense reference.

Everything that prose and tables claim about size, behaviour and speed is decided here, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..contracts import Pattern
from ..results import timing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..results.model import ByteCurve, CellRecord, Condition, Measurement, ModelRecord, Results, StageRecord
    from ..results.timing import Verdict


def find(cell: CellRecord, metric: str, **conditions: Condition) -> Measurement | None:
    """The least specific measurement that meets the conditions: a total before its components or groups."""
    found = [each for each in cell.metrics if each.metric == metric and conditions.items() <= each.conditions.items()]
    return min(found, key=lambda each: len(each.conditions), default=None)


def value(cell: CellRecord, metric: str, **conditions: Condition) -> float | None:
    found = find(cell, metric, **conditions)
    return None if found is None else found.value


def model_of(results: Results, cell: CellRecord) -> ModelRecord:
    return next(model for model in results.models if model.id == cell.variant.model)


def cells_of(results: Results, model: ModelRecord) -> tuple[CellRecord, ...]:
    return tuple(cell for cell in results.cells if cell.variant.model == model.id)


def texts(results: Results) -> tuple[str, ...]:
    """Names of the evaluation texts that behaviour was measured on, in order."""
    found = (
        str(each.conditions["corpus"])
        for cell in results.cells
        for each in cell.metrics
        if each.kind == "measured" and "corpus" in each.conditions
    )
    return tuple(dict.fromkeys(found))


def mixed(results: Results, model: ModelRecord, corpus: str) -> tuple[str, ...]:
    """
    The protocols of a model's numbers on a text where there are several: such numbers do not stand in one chart.

    Empty where one protocol, or none, is recorded.
    """
    own = [each for each in results.data if each.role == "evaluation" and each.model == model.id]
    found = tuple(dict.fromkeys(each.protocol for each in own if each.called == corpus))
    return found if len(found) > 1 else ()


def mixed_note(results: Results, metric: str) -> str:
    """A sentence about what is left out because its protocols are mixed; "" where nothing is."""
    lost = [
        f"{model.id} on {corpus} ({'; '.join(found)})"
        for model in results.models
        for corpus in texts(results)
        if any(cell.find(metric, corpus=corpus) for cell in cells_of(results, model))
        and (found := mixed(results, model, corpus))
    ]
    return f" Left out, because protocols are mixed: {', '.join(lost)}." if lost else ""


def executed(cell: CellRecord) -> bool:
    """Whether the variant ran: its numbers may still not be finite."""
    return cell.status in ("ok", "diverged")


def nodes(cells: tuple[CellRecord, ...]) -> tuple[tuple[CellRecord, ...], ...]:
    """Pruned states in order, each with its formats; the dense reference is none of them."""
    by_node: dict[str, list[CellRecord]] = {}
    for cell in cells:
        if cell.variant.stages:
            by_node.setdefault(cell.node, []).append(cell)
    return tuple(tuple(each) for each in by_node.values())


def pruning(stages: Sequence[StageRecord]) -> StageRecord | None:
    """The first pruning stage."""
    return next((stage for stage in stages if stage.op == "prune"), None)


def pattern_of(stages: Sequence[StageRecord]) -> Pattern:
    """The sparsity pattern of the first pruning stage; unstructured without one."""
    stage = pruning(stages)
    return Pattern.parse(str(stage.params.get("pattern", "unstructured"))) if stage else Pattern()


def asked(stages: Sequence[StageRecord]) -> float | None:
    """The sparsity that the stages ask for on the target; N:M implies 1 − N/M. None without a pruning stage."""
    stage, shape = pruning(stages), pattern_of(stages)
    if shape.is_nm:
        return 1 - shape.n / shape.m
    sparsity = None if stage is None else stage.params.get("sparsity")
    return None if sparsity is None else float(sparsity)


def pattern(cell: CellRecord) -> str:
    """The sparsity pattern of the first pruning stage; "unstructured" without one."""
    return str(pattern_of(cell.variant.stages))


def is_nm(cell: CellRecord) -> bool:
    """Whether the pattern implies the sparsity."""
    return pattern_of(cell.variant.stages).is_nm


def requested(cell: CellRecord) -> float | None:
    """The sparsity that the spec asks for on the target."""
    return asked(cell.variant.stages)


def calibration_of(stage: StageRecord) -> dict[str, Any]:
    """What a stage says about its calibration text; empty where its method needs none."""
    found = stage.params.get("calibration")
    return dict(found) if isinstance(found, dict) else {}


def allocation_of(stage: StageRecord) -> str:
    """The name of a stage's allocation rule; "uniform" without one."""
    found = stage.params.get("allocation", "uniform")
    return str(found.get("use", "uniform") if isinstance(found, dict) else found)


def plain_state(stages: Sequence[StageRecord]) -> bool:
    """One pruning stage as its method has it: uniform allocation, nothing permuted, blocks pruned as wholes."""
    if [stage.op for stage in stages] != ["prune"]:
        return False
    params = stages[0].params
    ordered = params.get("within_block", "together") == "in-order"
    return allocation_of(stages[0]) == "uniform" and not params.get("permute") and not ordered


def one_shot(cell: CellRecord) -> bool:
    """A single pruning stage and nothing else."""
    return [stage.op for stage in cell.variant.stages] == ["prune"]


def size_ratio(results: Results, cell: CellRecord, over: str = "model") -> float | None:
    """Stored bytes relative to dense, over the model or the target."""
    dense = results.reference(cell.variant.model)
    own = value(cell, "stored_bytes", over=over)
    base = None if dense is None else value(dense, "stored_bytes", over=over)
    return own / base if own is not None and base else None


def curve_of(model: ModelRecord, cell: CellRecord) -> ByteCurve | None:
    """The byte curve of the cell's format."""
    for curve in model.byte_curves:
        if curve.format == cell.variant.format and curve.values == cell.variant.values:
            return curve
    return None


@dataclass(frozen=True)
class Speed:
    """
    A timed phase at one point of the batch × prompt grid. `ratio` is dense time over the variant's; the verdict is
    that of `results.timing`: "no difference" unless it is further from 1 than its interval and the distance of dense
    from itself (`floor`) allow.
    """

    phase: str
    point: dict[str, Condition]
    ratio: Measurement
    floor: float
    verdict: Verdict


def speeds(results: Results, cell: CellRecord) -> Iterator[Speed]:
    """Every speed-up that was measured, prefill and decode."""
    for each in cell.metrics:
        phase, _, kind = each.metric.rpartition("_")
        if kind != "speedup" or each.value is None:
            continue
        floor = timing.floor_behind(results, each)
        yield Speed(phase, each.conditions, each, floor, timing.verdict(each.value, each.ci, floor))


def speed(results: Results, cell: CellRecord, phase: str, **point: Condition) -> Speed | None:
    """The speed-up of a phase at a point; without a point, the first."""
    matching = (each for each in speeds(results, cell) if each.phase == phase and point.items() <= each.point.items())
    return next(matching, None)


def timing_points(results: Results) -> tuple[dict[str, Condition], ...]:
    """The (batch, prompt) points that were timed, in order; with the decoded length where a study has several."""
    timed = [each.conditions for cell in results.cells for each in cell.metrics if each.metric.endswith("_latency_s")]
    several = len({point["decode"] for point in timed if "decode" in point}) > 1
    keys = ("batch", "prompt", "decode") if several else ("batch", "prompt")
    points = [{key: point[key] for key in keys if key in point} for point in timed if "decode" in point or not several]
    return tuple(distinct(points))


def distinct(points: Iterable[dict[str, Condition]]) -> list[dict[str, Condition]]:
    """The points, each once, in order."""
    found: list[dict[str, Condition]] = []
    for point in points:
        if point not in found:
            found.append(point)
    return found


def of_phase(point: dict[str, Condition], phase: str) -> dict[str, Condition]:
    """The point as a phase's measurements name it: how much is decoded says nothing about prefill."""
    return {key: each for key, each in point.items() if key != "decode" or phase == "decode"}


def is_control(cell: CellRecord) -> bool:
    """Whether a state is pruned at random: what a criterion must beat."""
    return bool(cell.variant.stages) and cell.variant.stages[0].entry == "random"


def lead(cells: tuple[CellRecord, ...]) -> tuple[CellRecord, ...]:
    """
    The pruned state that the summary speaks of: the first of those executed in the most formats. May be empty.

    It is random pruning, the control, only where there is no other.
    """
    states = [tuple(cell for cell in node if executed(cell)) for node in nodes(cells)]
    return max(states, key=lambda each: (bool(each), bool(each) and not is_control(each[0]), len(each)), default=())


def differ(one: Measurement | None, other: Measurement | None) -> bool:
    """Whether two measured values lie apart: their 95 % intervals do not overlap."""
    if one is None or other is None or one.ci is None or other.ci is None:
        return False
    return one.ci[0] > other.ci[1] or other.ci[0] > one.ci[1]
