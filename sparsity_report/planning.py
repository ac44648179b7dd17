"""
From a spec to the tree of stages whose leaves are cells. Pure: no torch, no files, no network.

The node of a cell is the model after its stages; formats of one variant are leaves under one node, and so are equal
stages of different variants. Node keys hash what can change the numbers, so that equal work is done once.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
from dataclasses import asdict, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from . import registry
from .contracts import Cell, FormatChoice, Node, Pattern, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from .spec.model import Format, Model, Spec, Variant


def digest(value: object) -> str:
    """sha256 of the canonical JSON of plain data (decimals as text)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def prune_stage(spec: Spec, variant: Variant, method: str, sparsity: Decimal | None, pattern: str) -> Stage:
    """The resolved stage: defaults are filled in, so that two spellings of one stage are the same stage."""
    module = registry.get("methods", method)
    params: dict[str, Any] = {"pattern": pattern, "compat": variant.compat}
    if not Pattern.parse(pattern).is_nm:
        params |= {"sparsity": f"{sparsity.normalize():f}" if sparsity is not None else None}
        params |= {"scope": variant.scope or module.DEFAULT_SCOPE}
    params |= module.Params.model_validate(variant.params.get(method, {})).model_dump(mode="json")
    seed = variant.seed if variant.seed is not None else spec.study.seed
    return Stage("prune", method, params, seed if module.SEEDED else 0)


def stages_of(spec: Spec, variant: Variant) -> Iterator[tuple[Stage, ...]]:
    """One tuple of stages for each point of the variant's product; a pattern N:M stands without a sparsity."""
    for method, pattern in product(variant.method, variant.pattern):
        for sparsity in (variant.sparsity or (None,)) if not Pattern.parse(pattern).is_nm else (None,):
            yield (prune_stage(spec, variant, method, sparsity, pattern),)


def node_key(spec: Spec, model: Model, stages: tuple[Stage, ...]) -> str:
    """Hash of the resolved spec part and of the result version of every entry on the path."""
    path = [
        (stage.op, stage.entry, registry.get("methods", stage.entry).INFO.result_version, stage.params, stage.seed)
        for stage in stages
    ]
    target = spec.target.model_dump(mode="json", exclude={"reason"})
    return digest([model.model_dump(mode="json", exclude={"id"}), target if stages else None, path])[:16]


def format_of(choice: Format) -> FormatChoice:
    """The format with its defaults filled in."""
    params = registry.get("formats", choice.use).Params.model_validate(choice.params)
    return FormatChoice(choice.use, params.model_dump(mode="json"))


def stage_slug(stage: Stage) -> str:
    """Readable part of a cell id: "magnitude-global-30" or "magnitude-2of4"."""
    pattern = stage.pattern
    if pattern.is_nm:
        return f"{stage.entry}-{pattern.n}of{pattern.m}"
    percent = f"{stage.sparsity * 100:f}" if stage.sparsity is not None else "0"
    return f"{stage.entry}-{stage.scope}-{percent.rstrip('0').rstrip('.') if '.' in percent else percent}"


def cell_id(model: Model, node: Node, choice: FormatChoice, several_models: bool) -> str:
    """A readable slug, and six digits of the hash of the node (model, target, stages) and the format."""
    parts = [model.name.lower()] if several_models else []
    parts += [*map(stage_slug, node.stages), choice.entry]
    defaults = default_params(choice.entry)
    parts += [str(value) for name, value in choice.params.items() if value != defaults.get(name)]
    return "-".join([*parts, digest([model.name, node.key, asdict(choice)])[:6]])


def default_params(entry: str) -> dict[str, Any]:
    """A format's parameters when the spec says nothing."""
    defaults: dict[str, Any] = registry.get("formats", entry).Params().model_dump(mode="json")
    return defaults


def cells_of(spec: Spec, model: Model) -> Iterator[Cell]:
    """The dense reference, then every variant's product in the order of the spec."""
    several = len(spec.model) > 1

    def cell(variant: str, stages: tuple[Stage, ...], choice: FormatChoice) -> Cell:
        node = Node(node_key(spec, model, stages), model.name, stages)
        return Cell(cell_id(model, node, choice, several), variant, node, choice)

    yield cell("dense", (), FormatChoice("dense", default_params("dense")))
    for number, variant in enumerate(spec.variant):
        for stages in stages_of(spec, variant):
            for choice in map(format_of, variant.format):
                yield cell(variant.id or f"variant-{number + 1}", stages, choice)


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


def plan_key(spec: Spec, cell: Cell) -> str:
    """What the spec alone says about a cell's numbers; what only a run knows (revision, token ids) comes on top."""
    versions = [(name, registry.get("metrics", name).INFO.result_version) for name in spec.metrics.use]
    version = registry.get("formats", cell.format.entry).INFO.result_version
    timing = spec.metrics.latency.model_dump(mode="json", exclude={"variants"}) if cell.timed else None
    evaluation = spec.data.evaluation.model_dump(mode="json")
    hardware = spec.hardware.model_dump(mode="json", exclude={"threads"})
    return digest([cell.node.key, asdict(cell.format), version, versions, evaluation, timing, hardware])[:16]


def nodes_of(cells: tuple[Cell, ...]) -> tuple[Node, ...]:
    """The distinct states that the cells need, in order of their first cell."""
    return tuple({cell.node.key: cell.node for cell in cells}.values())
