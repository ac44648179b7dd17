"""
From a spec to the tree of stages whose leaves are cells. Pure: no torch, no files, no network.

The node of a cell is the model after its stages; formats of one variant are leaves under one node, and so are equal
stages of different variants. Node keys hash what can change the numbers, so that equal work is done once.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
from dataclasses import asdict, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from . import registry
from .contracts import Cell, FormatChoice, Node, Pattern, Stage
from .paths import slug
from .spec.model import QuantizeStep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from .spec.model import Calibration, Format, Model, PruneStep, Spec, Variant


KINDS = {"prune": "methods", "quantize": "quantizers"}
"""The registry in which a stage's entry is found, by the stage's op."""


def digest(value: object) -> str:
    """sha256 of the canonical JSON of plain data (decimals as text)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def calibrations(spec: Spec, step: PruneStep) -> Iterator[dict[str, Any]]:
    """Every calibration set that the step's methods are to see."""
    if spec.data.calibration is not None:
        own = step.calibration.model_dump(exclude_none=True) if step.calibration else {}
        yield from calibration_product(spec.data.calibration.model_copy(update=own))


def first_calibration(data: Calibration) -> dict[str, Any]:
    """The study's first calibration set."""
    return next(calibration_product(data))


def calibration_product(data: Calibration) -> Iterator[dict[str, Any]]:
    """Sources × windows × seeds."""
    for source, windows, seed in product(data.source, data.windows, data.seeds):
        yield {
            "source": source,
            "split": data.split,
            "windows": windows,
            "length": data.length,
            "bos": data.bos,
            "seed": seed,
            "curate": data.curate.model_dump(mode="json") if data.curate else None,
        }


def needs_calibration(method: str, allocation: str) -> bool:
    return bool(registry.get("methods", method).NEEDS or registry.get("allocation", allocation).NEEDS)


def walks(method: str) -> bool:
    """Whether the method reads statistics that the walk over blocks collects; gradients come from the whole model."""
    return any(name != "gradient" for name in registry.get("methods", method).NEEDS)


def prune_stage(
    spec: Spec,
    variant: Variant,
    step: PruneStep,
    method: str,
    sparsity: Decimal | None,
    pattern: str,
    calibration: dict[str, Any] | None,
) -> Stage:
    """
    The resolved stage: defaults are filled in, so that two spellings of one stage are the same stage.

    What has no effect on this method is left out, so that it does not make two stages of one.
    """
    module = registry.get("methods", method)
    params: dict[str, Any] = {"pattern": pattern, "compat": step.compat}
    if not Pattern.parse(pattern).is_nm and not brings_counts(method):
        params |= {"sparsity": f"{sparsity.normalize():f}" if sparsity is not None else None}
        params |= {"scope": step.scope or module.DEFAULT_SCOPE}
        if step.allocation != "uniform":
            rule = registry.get("allocation", step.allocation)
            own = rule.Params.model_validate(variant.params.get(step.allocation, {}))
            params |= {"allocation": {"use": step.allocation, **own.model_dump(mode="json")}}
    elif step.permute:
        params |= {"permute": True}
    if calibration is not None:
        params |= {"calibration": calibration}
        if walks(method):
            params |= {"propagate": step.propagate}
            params |= {"within_block": step.within_block} if step.within_block != "together" else {}
    params |= module.Params.model_validate(variant.params.get(method, {})).model_dump(mode="json")
    seed = step.seed if step.seed is not None else spec.study.seed
    return Stage("prune", method, params, seed if module.SEEDED else 0)


def brings_counts(method: str) -> bool:
    """Whether the method's masks come from elsewhere, with their own sparsity."""
    return bool(getattr(registry.get("methods", method), "BRINGS_COUNTS", False))


def stages_of(spec: Spec, variant: Variant) -> Iterator[tuple[Stage, ...]]:
    """One tuple of stages for each point of the variant's product."""
    return product(*(list(points_of(spec, variant, step)) for step in variant.steps))


def points_of(spec: Spec, variant: Variant, step: PruneStep | QuantizeStep) -> Iterator[Stage]:
    """Every stage that a step can be; a pattern N:M stands without a sparsity."""
    if isinstance(step, QuantizeStep):
        yield from quantize_stages(variant, step)
        return
    for method, pattern in product(step.prune, step.pattern):
        counted = Pattern.parse(pattern).is_nm or brings_counts(method)
        seen = list(calibrations(spec, step)) if needs_calibration(method, step.allocation) else [None]
        for sparsity in (None,) if counted else (step.sparsity or (None,)):
            for calibration in seen or [None]:
                yield prune_stage(spec, variant, step, method, sparsity, pattern, calibration)


def quantize_stages(variant: Variant, step: QuantizeStep) -> Iterator[Stage]:
    """The product of the quantizers and of their parameters; those of `[variant.params.NAME]` come first."""
    given = step.given
    for name, values in product(step.quantize, product(*given.values())):
        own = variant.params.get(name, {}) | dict(zip(given, values, strict=True))
        params = registry.get("quantizers", name).Params.model_validate(own)
        yield Stage("quantize", name, params.model_dump(mode="json"))


def node_key(spec: Spec, model: Model, stages: tuple[Stage, ...]) -> str:
    """Hash of the resolved spec part and of the result version of every entry on the path."""
    path: list[tuple[str, str, int, dict[str, Any], int]] = [
        (each.op, each.entry, registry.get(KINDS[each.op], each.entry).INFO.result_version, each.params, each.seed)
        for each in stages
    ]
    for chosen in filter(None, (stage.params.get("allocation") for stage in stages)):
        rule = registry.get("allocation", chosen["use"])
        read = spec.metrics.sensitivity.model_dump(mode="json") if "sensitivity" in rule.NEEDS else {}
        path.append(("allocation", chosen["use"], rule.INFO.result_version, read, 0))
    target = spec.target.model_dump(mode="json", exclude={"reason"})
    return digest([model.model_dump(mode="json", exclude={"id"}), target if stages else None, path])[:16]


def parent_of(spec: Spec, model: Model, node: Node) -> Node:
    """The state before the node's last stage."""
    before = node.stages[:-1]
    return Node(node_key(spec, model, before), model.name, before)


def format_of(choice: Format) -> FormatChoice:
    """The format with its defaults filled in."""
    params = registry.get("formats", choice.use).Params.model_validate(choice.params)
    return FormatChoice(choice.use, params.model_dump(mode="json"))


def stage_slug(spec: Spec, stage: Stage) -> str:
    """Readable part of a cell id: "magnitude-global-30", "wanda-row-50-owl-seed1", "magnitude-2of4", "rtn-8"."""
    if stage.op == "quantize":
        return "-".join([stage.entry, *map(str, stage.params.values())])
    pattern, parts = stage.pattern, [stage.entry]
    if pattern.is_nm:
        parts.append(f"{pattern.n}of{pattern.m}")
    elif stage.sparsity is not None:
        parts += [] if pattern.unstructured else [str(pattern).replace(":", "")]
        percent = f"{stage.sparsity * 100:f}"
        parts += [stage.scope, percent.rstrip("0").rstrip(".") if "." in percent else percent]
    parts += [stage.params["allocation"]["use"]] if "allocation" in stage.params else []
    parts += ["permuted"] if stage.params.get("permute") else []
    parts += ["dense-inputs"] if stage.params.get("propagate") == "dense" else []
    return "-".join([*parts, *calibration_slug(spec, stage.params.get("calibration"))])


def calibration_slug(spec: Spec, chosen: dict[str, Any] | None) -> list[str]:
    """What of a calibration set is not the study's first."""
    first = spec.data.calibration
    if chosen is None or first is None:
        return []
    source = re.sub(r"[^a-z0-9]+", "-", chosen["source"].lower()).strip("-")
    return [
        *([source] if chosen["source"] != first.source[0] else []),
        *([f"{chosen['windows']}windows"] if chosen["windows"] != first.windows[0] else []),
        *([f"seed{chosen['seed']}"] if chosen["seed"] != first.seeds[0] else []),
    ]


def cell_id(spec: Spec, model: Model, node: Node, choice: FormatChoice) -> str:
    """A readable slug, and six digits of the hash of the node (model, target, stages) and the format."""
    parts = [model.name.lower()] if len(spec.model) > 1 else []
    parts += [*(stage_slug(spec, stage) for stage in node.stages), choice.entry]
    defaults = default_params(choice.entry)
    parts += [str(value) for name, value in choice.params.items() if value != defaults.get(name)]
    return f"{slug('-'.join(parts))}-{digest([model.name, node.key, asdict(choice)])[:6]}"


def default_params(entry: str) -> dict[str, Any]:
    """A format's parameters when the spec says nothing."""
    defaults: dict[str, Any] = registry.get("formats", entry).Params().model_dump(mode="json")
    return defaults


def cells_of(spec: Spec, model: Model) -> Iterator[Cell]:
    """The dense reference, then every variant's product in the order of the spec."""

    def cell(variant: str, stages: tuple[Stage, ...], choice: FormatChoice) -> Cell:
        node = Node(node_key(spec, model, stages), model.name, stages)
        return Cell(cell_id(spec, model, node, choice), variant, node, choice, replicate_of(spec, stages))

    yield cell("dense", (), FormatChoice("dense", default_params("dense")))
    for number, variant in enumerate(spec.variant):
        for stages in stages_of(spec, variant):
            for choice in map(format_of, variant.format):
                yield cell(variant.id or f"variant-{number + 1}", stages, choice)


def replicate_of(spec: Spec, stages: tuple[Stage, ...]) -> int:
    """A state's place among those that differ by the calibration seed only; the study's first seed is replicate 0."""
    first = spec.data.calibration.seeds if spec.data.calibration else ()
    steps = [step for variant in spec.variant for step in variant.steps if not isinstance(step, QuantizeStep)]
    seeds = dict.fromkeys([*first, *(each["seed"] for step in steps for each in calibrations(spec, step))])
    own = [stage.params["calibration"]["seed"] for stage in stages if "calibration" in stage.params]
    return list(seeds).index(own[-1]) if own else 0


def is_timed(spec: Spec, cell: Cell) -> bool:
    """Whether the spec wants this cell timed; the dense reference is the anchor of every timing."""
    wanted = spec.metrics.latency.variants
    return "latency" in spec.metrics.use and any(
        fnmatch.fnmatchcase(name, pattern) for pattern in wanted for name in (cell.variant, cell.id)
    )


def plan_cells(spec: Spec) -> tuple[Cell, ...]:
    """
    Every cell of the study, the dense reference of each model first; equal cells of two variants once.

    Where any cell of a model is timed, its reference is too: it anchors the ratios and gives the noise floor.
    """
    unique: dict[str, Cell] = {}
    for model in spec.model:
        own: dict[str, Cell] = {}
        for cell in cells_of(spec, model):
            first = own.setdefault(cell.id, cell)
            own[cell.id] = replace(first, timed=first.timed or is_timed(spec, cell))
        anchored = any(cell.timed for cell in own.values())
        unique |= {name: replace(cell, timed=anchored) if cell.is_reference else cell for name, cell in own.items()}
    return tuple(unique.values())


def plan_facts(spec: Spec, cell: Cell) -> dict[str, Any]:
    """What the spec alone says about a cell's numbers, by what it is about, as plain data."""
    calibration = spec.data.calibration
    facts: dict[str, Any] = {
        "state": cell.node.key,
        "format": [asdict(cell.format), registry.get("formats", cell.format.entry).INFO.result_version],
        "metrics": {name: registry.get("metrics", name).INFO.result_version for name in spec.metrics.use},
        "evaluation": [text.model_dump(mode="json") for text in spec.data.evaluation],
        "device": spec.hardware.device,
    }
    if cell.timed:
        facts["timing"] = spec.metrics.latency.model_dump(mode="json", exclude={"variants"})
    if calibration is not None and {"reconstruction", "sensitivity"} & set(spec.metrics.use):
        facts["calibration"] = first_calibration(calibration)
    if "tasks" in spec.metrics.use:
        facts["tasks"] = spec.metrics.tasks.model_dump(mode="json")
    if "generation" in spec.metrics.use:
        facts["generation"] = spec.metrics.generation.model_dump(mode="json")
    if cell.is_reference and "sensitivity" in spec.metrics.use:
        facts["sensitivity"] = spec.metrics.sensitivity.model_dump(mode="json")
    plain: dict[str, Any] = json.loads(json.dumps(facts, default=str))
    return plain


def plan_key(spec: Spec, cell: Cell) -> str:
    """Hash of the plan's facts; what only a run knows (revision, token ids) comes on top."""
    return digest(plan_facts(spec, cell))[:16]


def changes(before: dict[str, Any], now: dict[str, Any]) -> tuple[str, ...]:
    """What differs between two plans of one cell, in words."""
    old, new = before.get("metrics", {}), now.get("metrics", {})
    found = [
        *(f"new metric {name}" for name in new if name not in old),
        *(f"metric {name} is no longer wanted" for name in old if name not in new),
        *(f"metric {name} has another version" for name in new if name in old and old[name] != new[name]),
    ]
    found += [
        f"{name} {'changed' if name in before and name in now else 'is new' if name in now else 'is no longer wanted'}"
        for name in {**before, **now}
        if name != "metrics" and before.get(name) != now.get(name)
    ]
    return tuple(found)


def nodes_of(cells: tuple[Cell, ...]) -> tuple[Node, ...]:
    """The distinct states that the cells need, in order of their first cell."""
    return tuple({cell.node.key: cell.node for cell in cells}.values())
