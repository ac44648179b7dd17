"""
How the targeted weights are distributed, dense and after pruning: counts in bins that all states of a model share.

Zeros are counted apart from the bins, and so is what lies beyond them.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

import torch

from .. import registry
from ..contracts import Node
from ..models.anatomy import read
from ..planning import digest
from ..results.model import HistogramRecord, HistogramState
from ..results.sealed import read_entry, write_entry
from .comparison import calibration_seed
from .nodes import mask_key, state_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..spec.model import Spec
    from .prepare import Prepared
    from .state import ModelState

BINS, REACH = 48, 4
"""Bins, half of them on each side of zero, as far as this many times the root mean square of the dense weights."""
MOST = 6
"""States beside dense."""
HALF = Decimal("0.5")


def histograms(
    spec: Spec, prepared: Prepared, pruned: Sequence[Node], dense: str, folder: Path
) -> list[HistogramRecord]:
    """
    One record of a model's dense node (its key) and pruned ones: from the run folder, or counted now.

    None without pruned states, or where the dense weights are not finite; a state that is not finite is left out.
    """
    shown = chosen(pruned)
    if not shown:
        return []
    nodes = [Node(dense, shown[0].model), *shown]
    paths = [matrix.shape.path for matrix in prepared.dense.targets]
    name = digest([BINS, REACH, paths, *(mask_key(prepared, node) for node in nodes)])[:16]
    file = folder / "nodes" / f"{name}.histogram.json"
    try:
        return [HistogramRecord.model_validate(read_entry(file)).model_copy(update={"model": shown[0].model})]
    except ValueError:  # absent or damaged: counted anew
        pass
    rms = root_mean_square(prepared.dense)
    if not math.isfinite(rms) or not rms:
        return []
    edges = edges_of(rms)
    states = [counted(node.key, state_of(spec, prepared, node, folder)[0], edges) for node in nodes]
    found = [each for each in states if each is not None]
    if len(found) < 2 or found[0].node != dense:
        return []
    record = HistogramRecord(model=shown[0].model, edges=edges, rms=rms, states=tuple(found))
    write_entry(file, record.model_dump(mode="json"))
    return [record]


def chosen(nodes: Sequence[Node]) -> list[Node]:
    """
    Of every method and pattern the state with a sparsity nearest one half, of its first calibration seed.

    Where that is more than fit, methods that also update weights come first: they change the distribution most.
    """
    nearest: dict[tuple[str, ...], Node] = {}
    seeds = [seed for node in nodes if (seed := calibration_seed(node)) is not None]
    for node in nodes:
        if calibration_seed(node) not in (None, *seeds[:1]):
            continue
        kind = tuple(f"{stage.op} {stage.entry} {stage.pattern}" for stage in node.stages)
        known = nearest.get(kind)
        if known is None or _from_half(node) < _from_half(known):
            nearest[kind] = node
    kept = sorted(nearest.values(), key=lambda node: not _updates(node))[:MOST]
    return [node for node in nodes if node in kept]


def _from_half(node: Node) -> Decimal:
    """How far the asked sparsity is from one half; N:M, whose sparsity the pattern fixes, has one state a method."""
    asked = next((stage.sparsity for stage in node.stages if stage.sparsity is not None), HALF)
    return abs(asked - HALF)


def _updates(node: Node) -> bool:
    return any(stage.op == "prune" and hasattr(registry.get("methods", stage.entry), "prune") for stage in node.stages)


def root_mean_square(state: ModelState) -> float:
    """Of all targeted weights together."""
    squares = count = 0.0
    for matrix in state.targets:
        weight_OI = state.weight_OI(matrix).float()
        squares += float(torch.linalg.vector_norm(weight_OI)) ** 2
        count += weight_OI.numel()
    return math.sqrt(squares / count)


def edges_of(rms: float) -> tuple[float, ...]:
    """Symmetric about zero, which is an edge itself; as far as three digits of the reach say."""
    limit = float(f"{REACH * rms:.3g}")
    return tuple(limit * (2 * number - BINS) / BINS for number in range(BINS + 1))


@torch.no_grad()
def counted(key: str, state: ModelState, edges: tuple[float, ...]) -> HistogramState | None:
    """The state's targeted weights in the bins, matrix by matrix; None where one is not finite."""
    total, bins = 0, torch.zeros(len(edges) - 1, dtype=torch.float64)
    zeros = inside = updated = 0
    for matrix in state.targets:
        weight_OI = state.weight_OI(matrix).float()
        if not bool(torch.isfinite(weight_OI.sum())):
            return None
        nonzero = weight_OI[weight_OI != 0]
        found = torch.histc(nonzero, bins=len(bins), min=edges[0], max=edges[-1]).to("cpu", torch.float64)
        bins, inside = bins + found, inside + int(found.sum())
        total, zeros = total + weight_OI.numel(), zeros + weight_OI.numel() - nonzero.numel()
        path = matrix.shape.path
        if path in state.changed_weights or path in state.low_precision:
            before_OI = read(state.model, matrix).detach().float()
            updated += int(((weight_OI != 0) & (weight_OI != before_OI)).sum())
    counts = tuple(int(each) for each in bins)
    return HistogramState(node=key, counts=counts, zeros=zeros, beyond=total - zeros - inside, updated=updated)
