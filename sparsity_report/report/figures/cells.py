"""What figures say about cells: their names, which of many to show, and the words that every caption shares."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import facts, style
from ..economy import remembered
from ..numbers import NBSP, count, percent
from ..replicates import PooledMeasurement, without_seeds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...contracts import Pattern
    from ...results.model import CellRecord, FormatRecord, Measurement, ModelRecord, Results, StageRecord

SHOWN = 8
FORMAT_NAMES = {"csr": "CSR", "csc": "CSC", "bsr": "BSR", "nm": "N:M packed"}
GROUP_NAMES = {
    "embedding": "embedding",
    "attention_linear": "attention",
    "mlp_linear": "MLP",
    "lm_head": "LM head",
    "norm": "norms",
}
USUAL = {"index": "int32", "block": "8x8"}
"""Parameters of formats that go without saying."""


def group_name(group: str) -> str:
    return GROUP_NAMES.get(group, group.replace("_", " "))


def format_name(record: FormatRecord) -> str:
    """ "CSR", "CSR int64", "N:M packed": the format, and its parameters where they are not the usual ones."""
    unusual = (str(value) for key, value in record.params.items() if value != USUAL.get(key))
    return " ".join([FORMAT_NAMES.get(record.entry, record.entry), *unusual])


def labelled(model: ModelRecord) -> str:
    """The model with the label that must stand wherever its numbers stand."""
    return f"{model.id} ({model.label})" if model.label else model.id


STAGE_KEYS = (
    *("sparsity", "pattern", "scope", "allocation", "propagate", "permute", "within_block", "compat", "calibration"),
)
"""Keys of a pruning stage that are not its method's own parameters."""
UNIT_NAMES = {"row": "rows", "column": "columns"}


def pattern_name(pattern: Pattern) -> str:
    """ "2:4", "rows", "columns", "4×4 tiles"; nothing for single weights."""
    if pattern.unit == "block":
        return f"{pattern.height}×{pattern.width} tiles"
    return UNIT_NAMES.get(pattern.unit, str(pattern)) if not pattern.unstructured else ""


def own_params(stage: StageRecord) -> dict[str, object]:
    """The method's own parameters."""
    return {key: value for key, value in stage.params.items() if key not in STAGE_KEYS}


def _aspects(stage: StageRecord) -> dict[str, str]:
    """What tells states of one method apart beside the sparsity, in words; an empty word is the usual case."""
    params, text = stage.params, facts.calibration_of(stage)
    allocation = facts.allocation_of(stage)
    found = {
        "scope": str(params["scope"]) if "scope" in params else None,
        "allocation": "" if allocation == "uniform" else allocation,
        "permute": "permuted" if params.get("permute") else "",
        "within_block": "in order" if params.get("within_block") == "in-order" else "",
        "propagate": "dense inputs" if params.get("propagate") == "dense" else "",
        "compat": "as published" if params.get("compat") == "reference" else "",
        "source": str(text["source"]).rsplit("/", 1)[-1] if "source" in text else None,
        "windows": f"{text['windows']} windows" if "windows" in text else None,
        "length": f"length {text['length']}" if "length" in text else None,
        "bos": f"BOS {text['bos']}" if "bos" in text else None,
        "curate": ("curated" if text.get("curate") else "as it is") if text else None,
    }
    words = {key: value for key, value in found.items() if value is not None}
    return words | {key: f"{key.replace('_', ' ')} {value}" for key, value in own_params(stage).items()}


ALWAYS = ("allocation", "permute")
"""Aspects that are named wherever they are not the usual ones; others only where a method has several."""


@remembered
def _told_apart(results: Results) -> frozenset[tuple[str, str, str]]:
    """(entry, pattern, aspect) that take several values in the study."""
    seen: dict[tuple[str, str, str], set[str]] = {}
    paths = [*(cell.variant.stages for cell in results.cells), *(node.stages for node in results.nodes)]
    for stage in (stage for stages in paths for stage in stages if stage.op == "prune"):
        for aspect, word in _aspects(stage).items():
            key = (stage.entry, str(stage.params.get("pattern", "unstructured")), aspect)
            seen.setdefault(key, set()).add(word)
    return frozenset(key for key, words in seen.items() if len(words) > 1)


@dataclass(frozen=True)
class Names:
    """
    Short names of a study's cells. What tells them apart, such as the scope, is named only where it differs.

    node: "magnitude 30 %", "sparsegpt 50 % → lora → gptq 4 bit", "dense"; replicates are numbered from 1.
    cell: the node in its format, "magnitude 30 %, CSR".
    series: what stays the same along a sweep of sparsity, "magnitude", "magnitude 2:4".
    """

    named: frozenset[tuple[str, str, str]]
    """(entry, pattern, aspect) that take several values in the study."""

    @classmethod
    def of(cls, results: Results) -> Names:
        return cls(_told_apart(results))

    def _stage(self, stage: StageRecord, swept: bool, patterned: bool) -> str:
        """A stage in words; `swept` leaves out the sparsity, which is what varies along a series."""
        if stage.op == "quantize":
            bits = [f"{stage.params['bits']} bit"] if "bits" in stage.params else []
            return " ".join([stage.entry, *bits, *(each for each in stage.params.values() if isinstance(each, str))])
        if stage.op != "prune":
            return stage.entry
        pattern = str(stage.params.get("pattern", "unstructured"))
        words = [
            word
            for aspect, word in _aspects(stage).items()
            if aspect in ALWAYS or (stage.entry, pattern, aspect) in self.named
        ]
        sparsity = None if swept else stage.params.get("sparsity")
        amount = "" if sparsity is None else percent(float(sparsity))
        shape = pattern_name(facts.pattern_of([stage])) if patterned else ""
        return " ".join(part for part in (stage.entry, shape, *words, amount) if part)

    def state(self, stages: Iterable[StageRecord]) -> str:
        return " → ".join(self._stage(stage, swept=False, patterned=True) for stage in stages) or "dense"

    def node(self, cell: CellRecord) -> str:
        replicate = f" #{cell.variant.replicate + 1}" if cell.variant.replicate else ""
        return self.state(cell.variant.stages) + replicate

    def cell(self, cell: CellRecord) -> str:
        return "dense" if cell.is_reference else f"{self.node(cell)}, {format_name(cell.variant.format)}"

    def sweep(self, stages: Iterable[StageRecord]) -> str:
        """What stays the same along a sweep of sparsity, "magnitude", "magnitude 2:4"."""
        return " → ".join(self._stage(stage, swept=True, patterned=True) for stage in stages) or "dense"

    def kind(self, stages: Iterable[StageRecord]) -> str:
        """What states of one sparsity and pattern differ in: "magnitude"."""
        return " → ".join(self._stage(stage, swept=True, patterned=False) for stage in stages) or "dense"

    def series(self, cell: CellRecord) -> str:
        return self.sweep(cell.variant.stages)


def of_model(results: Results, model: ModelRecord, metric: str, **conditions: str) -> list[CellRecord]:
    """The model's cells that have a value of the metric, in the order of the study."""
    return [
        cell
        for cell in results.cells
        if cell.variant.model == model.id and facts.value(cell, metric, **conditions) is not None
    ]


def first_of_nodes(cells: Iterable[CellRecord]) -> list[CellRecord]:
    """One cell for each pruned model: its formats share mask and behaviour."""
    unique: dict[str, CellRecord] = {}
    for cell in cells:
        unique.setdefault(cell.node, cell)
    return list(unique.values())


def sweep_key(cell: CellRecord) -> str:
    """What stays the same along a sweep, whatever is named."""
    stages = map(without_seeds, cell.variant.stages)
    swept = [{**stage, "params": {k: v for k, v in stage["params"].items() if k != "sparsity"}} for stage in stages]
    return json.dumps(swept, sort_keys=True, default=str)


def choose(cells: list[CellRecord], limit: int = SHOWN) -> list[CellRecord]:
    """
    At most `limit` cells that show the study's breadth: whole nodes, whose formats stand together.

    Dense first, then nodes with several formats, and a new method or pattern before another sparsity of the same one.
    Where a series has nodes with several formats, its other points are left to the figure of the sweep.
    """
    nodes: dict[str, list[CellRecord]] = {}
    for cell in cells:
        nodes.setdefault(cell.node, []).append(cell)
    order = list(nodes)
    paired = {sweep_key(members[0]) for members in nodes.values() if len(members) > 1}
    uses: Counter[str] = Counter()
    rank: dict[str, tuple[bool, bool, int, int]] = {}
    for node, (first, *others) in nodes.items():
        if others or sweep_key(first) not in paired or len(cells) <= limit:
            rank[node] = (not first.is_reference, not others, uses[sweep_key(first)], order.index(node))
            uses[sweep_key(first)] += 1
    chosen: list[str] = []
    for node in sorted(rank, key=rank.__getitem__):
        if sum(len(nodes[each]) for each in chosen) + len(nodes[node]) <= limit:
            chosen.append(node)
    return [cell for node in order if node in chosen for cell in nodes[node]]


def method_marks(results: Results) -> dict[str, style.Mark]:
    """The look of every method of the study, the same in all of its figures."""
    stages = (stage for cell in results.cells for stage in cell.variant.stages)
    return style.marks((stage.entry for stage in stages), style.METHODS, style.METHOD_SPARE)


def shown_of(shown: int, total: int) -> str:
    """A sentence for the caption where a figure leaves cells out."""
    return "" if shown >= total else f" {shown} of {total} variants are shown; the table of all cells has the rest."


def sample(found: Iterable[Measurement]) -> str:
    """ "; n = 8,160 predicted tokens, bars are 95 % intervals": what stands behind measured values, for captions."""
    every = list(found)
    counts = sorted({each.n for each in every if each.n})
    numbers = " and ".join(map(count, counts))
    several = ", of all seeds where a state has several" if any(isinstance(e, PooledMeasurement) for e in every) else ""
    return f"; n = {numbers} predicted tokens, bars are 95{NBSP}% intervals{several}" if counts else ""


def models_phrase(models: Iterable[ModelRecord]) -> str:
    """ "Model: tiny-opt." for captions, labels included."""
    known = [labelled(model) for model in models]
    return f"{'Model' if len(known) == 1 else 'Models'}: {'; '.join(known)}."
