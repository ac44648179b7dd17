"""Tipping points of every series of a model that differs in its sparsity only, from the window means of its nodes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..planning import digest
from ..results.model import TippingRecord
from ..results.stability import tipping
from .nodes import behaviour_key, cached

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ..contracts import Node
    from ..results.model import NodeRecord
    from ..spec.model import Spec, Stability
    from .prepare import EvaluationSet, Prepared

Windows = dict[str, list[float | None]]


def series(nodes: Sequence[Node]) -> list[list[Node]]:
    """One-shot states that differ in nothing but a requested sparsity, of which there are at least two."""
    found: dict[str, list[Node]] = {}
    for node in nodes:
        if len(node.stages) == 1 and node.stages[0].sparsity is not None and not node.stages[0].pattern.is_nm:
            stage = node.stages[0]
            others = {key: value for key, value in stage.params.items() if key != "sparsity"}
            found.setdefault(digest([stage.entry, others, stage.seed]), []).append(node)
    return [sorted(each, key=lambda node: node.stages[0].sparsity or 0) for each in found.values() if len(each) > 1]


def means_of(windows: Windows) -> dict[str, NDArray[np.float64]]:
    """ln of the perplexity ratio and the share of changed first tokens, by window, where they were measured."""
    found = {}
    if "nll" in windows:
        found["perplexity_ratio"] = _array(windows["nll"]) - _array(windows["nll_of_dense"])
    if "top1" in windows:
        found["agreement_top1"] = 1 - _array(windows["top1"])
    return found


def _array(values: list[float | None]) -> NDArray[np.float64]:
    return np.array([math.nan if each is None else each for each in values])


def levels(wanted: Stability) -> tuple[tuple[Literal["perplexity_ratio", "agreement_top1"], float, float], ...]:
    """(metric, level as the spec gives it, level of what `means_of` makes of the metric)."""
    return (
        ("perplexity_ratio", wanted.perplexity, math.log(wanted.perplexity)),
        ("agreement_top1", wanted.agreement, 1 - wanted.agreement),
    )


def achieved(prepared: Prepared, made: NodeRecord) -> float:
    """Pruned weights of the target over its weights."""
    sizes = [matrix.shape.numel for matrix in prepared.dense.targets]
    return math.fsum(share * size for share, size in zip(made.sparsity, sizes, strict=True)) / sum(sizes)


def tipping_points(
    spec: Spec, prepared: Prepared, nodes: Sequence[Node], made: dict[str, NodeRecord], folder: Path
) -> Iterator[TippingRecord]:
    """Of every series on every text. A state that is not finite ends its series."""
    for own in series([node for node in nodes if node.key in made]):
        for text in prepared.evaluation:
            yield from _on_text(spec, prepared, own, made, text, folder)


def _on_text(
    spec: Spec, prepared: Prepared, own: list[Node], made: dict[str, NodeRecord], text: EvaluationSet, folder: Path
) -> Iterator[TippingRecord]:
    known = [cached(folder, behaviour_key(spec, prepared, node, text)) for node in own]
    means = [means_of(next(iter(each.windows.values()), {})) if each else {} for each in known]
    for metric, level, passed in levels(spec.metrics.stability):
        usable = []
        for node, each in zip(own, means, strict=True):
            if metric not in each or not np.isfinite(each[metric]).all():
                break
            usable.append((node, each[metric]))
        if len(usable) < 2:
            continue
        sparsity = np.array([achieved(prepared, made[node.key]) for node, _ in usable])
        point = tipping(sparsity, np.stack([values for _, values in usable], axis=1), passed)
        yield TippingRecord(
            model=prepared.model.name,
            corpus=text.name,
            metric=metric,
            level=level,
            nodes=tuple(node.key for node, _ in usable),
            sparsity=tuple(sparsity.tolist()),
            value=point.value,
            low=point.low,
            high=point.high,
            windows=len(usable[0][1]),
        )
