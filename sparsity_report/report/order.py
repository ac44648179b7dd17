"""Cells in the order in which one reads them: by method and pattern as in the spec, each by rising sparsity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import facts
from .figures.cells import sweep_key

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from ..results.model import Results


def _places(keys: Iterable[Hashable]) -> dict[Hashable, int]:
    """The place of each key by its first appearance."""
    return {key: place for place, key in enumerate(dict.fromkeys(keys))}


def by_sparsity(results: Results) -> Results:
    """The same results, a sweep's cells and states together and by rising sparsity, formats in their usual order."""
    models = _places(cell.variant.model for cell in results.cells)
    sweeps = _places((cell.variant.model, sweep_key(cell)) for cell in results.cells)
    states = _places(cell.node for cell in results.cells)
    formats = _places(cell.variant.format.model_dump_json() for cell in results.cells)
    cells = sorted(
        results.cells,
        key=lambda cell: (
            models[cell.variant.model],
            sweeps[cell.variant.model, sweep_key(cell)],
            facts.requested(cell) or 0,
            states[cell.node],
            formats[cell.variant.format.model_dump_json()],
        ),
    )
    order = _places(cell.node for cell in cells)
    nodes = sorted(results.nodes, key=lambda node: order.get(node.key, len(order)))
    return results.model_copy(update={"cells": tuple(cells), "nodes": tuple(nodes)})
