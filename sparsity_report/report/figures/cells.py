"""What figures say about cells: their names, which of many to show, and the words that every caption shares."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import facts
from ..numbers import NBSP, count, percent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...results.model import CellRecord, FormatRecord, Measurement, ModelRecord, Results, StageRecord

SHOWN = 8
FORMAT_NAMES = {"csr": "CSR", "nm": "N:M packed"}
GROUP_NAMES = {
    "embedding": "embedding",
    "attention_linear": "attention",
    "mlp_linear": "MLP",
    "lm_head": "LM head",
    "norm": "norms",
}
USUAL = {"index": "int32"}
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


def _stage_name(stage: StageRecord, scoped: bool, swept: bool) -> str:
    """A stage in words; `swept` leaves out the sparsity, which is what varies along a series."""
    if stage.op == "quantize" and "bits" in stage.params:
        return f"{stage.entry} {stage.params['bits']} bit"
    if stage.op != "prune":
        return stage.entry
    pattern = str(stage.params.get("pattern", "unstructured"))
    if pattern != "unstructured":
        return f"{stage.entry} {pattern}"
    scope = f" {stage.params['scope']}" if scoped and "scope" in stage.params else ""
    sparsity = None if swept else stage.params.get("sparsity")
    return f"{stage.entry}{scope}" + ("" if sparsity is None else f" {percent(float(sparsity))}")


def _pipeline(cell: CellRecord, scoped: bool, swept: bool = False) -> str:
    return " → ".join(_stage_name(stage, scoped, swept) for stage in cell.variant.stages) or "dense"


@dataclass(frozen=True)
class Names:
    """
    Short names of a study's cells. The scope is named only where the study has several.

    node: "magnitude 30 %", "sparsegpt 50 % → lora → gptq 4 bit", "dense"; replicates are numbered from 1.
    cell: the node in its format, "magnitude 30 %, CSR".
    series: what stays the same along a sweep of sparsity, "magnitude", "magnitude 2:4".
    """

    scoped: bool

    @classmethod
    def of(cls, results: Results) -> Names:
        stages = (stage for cell in results.cells for stage in cell.variant.stages)
        return cls(len({stage.params["scope"] for stage in stages if "scope" in stage.params}) > 1)

    def node(self, cell: CellRecord) -> str:
        replicate = f" #{cell.variant.replicate + 1}" if cell.variant.replicate else ""
        return _pipeline(cell, self.scoped) + replicate

    def cell(self, cell: CellRecord) -> str:
        return "dense" if cell.is_reference else f"{self.node(cell)}, {format_name(cell.variant.format)}"

    def series(self, cell: CellRecord) -> str:
        return _pipeline(cell, self.scoped, swept=True)


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


def _series(cell: CellRecord) -> str:
    return _pipeline(cell, scoped=True, swept=True)


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
    paired = {_series(members[0]) for members in nodes.values() if len(members) > 1}
    uses: Counter[str] = Counter()
    rank: dict[str, tuple[bool, bool, int, int]] = {}
    for node, (first, *others) in nodes.items():
        if others or _series(first) not in paired or len(cells) <= limit:
            rank[node] = (not first.is_reference, not others, uses[_series(first)], order.index(node))
            uses[_series(first)] += 1
    chosen: list[str] = []
    for node in sorted(rank, key=rank.__getitem__):
        if sum(len(nodes[each]) for each in chosen) + len(nodes[node]) <= limit:
            chosen.append(node)
    return [cell for node in order if node in chosen for cell in nodes[node]]


def shown_of(shown: int, total: int) -> str:
    """A sentence for the caption where a figure leaves cells out."""
    return "" if shown >= total else f" {shown} of {total} variants are shown; the table of all cells has the rest."


def sample(found: Iterable[Measurement]) -> str:
    """ "; n = 8,160 predicted tokens, bars are 95 % intervals": what stands behind measured values, for captions."""
    counts = sorted({each.n for each in found if each.n})
    numbers = " and ".join(map(count, counts))
    return f"; n = {numbers} predicted tokens, bars are 95{NBSP}% intervals" if counts else ""


def models_phrase(models: Iterable[ModelRecord]) -> str:
    """ "Model: tiny-opt." for captions, labels included."""
    known = [labelled(model) for model in models]
    return f"{'Model' if len(known) == 1 else 'Models'}: {'; '.join(known)}."
