"""What each variant costs and what it keeps: perplexity over dense beside bytes and time, and which are not beaten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import facts
from .result_tables import corpora

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..results.model import CellRecord, ModelRecord, Results

TOLERANCE = 0.05
"""How much more perplexity than dense is taken as keeping the quality."""


@dataclass(frozen=True)
class Candidate:
    """
    A variant that could be deployed. `quality` is its perplexity over dense's on the study's first text, 1 for dense
    itself; without an interval, both ends are the value. `size` is stored bytes of the model.
    """

    cell: CellRecord
    quality: float
    low: float
    high: float
    perplexity: float
    size: float | None

    @property
    def keeps(self) -> bool:
        """Whether the quality is kept within the tolerance, with all of its interval."""
        return self.high <= 1 + TOLERANCE

    @property
    def unclear(self) -> bool:
        return self.low <= 1 + TOLERANCE < self.high


def candidates(results: Results, model: ModelRecord) -> tuple[Candidate, ...]:
    """Every executed variant of a model with a finite perplexity, dense among them; none without dense."""
    corpus = next(iter(corpora(results)), "")
    at = {"corpus": corpus} if corpus else {}
    reference = results.reference(model.id)
    dense = None if reference is None else facts.value(reference, "perplexity", **at)
    if not dense:
        return ()
    found = []
    for cell in facts.cells_of(results, model):
        own = facts.value(cell, "perplexity", **at)
        if own is None or not facts.executed(cell):
            continue
        paired = facts.find(cell, "perplexity_ratio", **at)
        ratio = own / dense if paired is None or paired.value is None or cell.is_reference else paired.value
        bounds = (paired.ci if paired is not None and not cell.is_reference else None) or (ratio, ratio)
        found.append(Candidate(cell, ratio, *bounds, own, facts.value(cell, "stored_bytes", over="model")))
    return tuple(found)


def front(points: Iterable[Candidate], cost: Callable[[Candidate], float]) -> tuple[Candidate, ...]:
    """Those that no other beats in both cost and quality, by rising cost; of equal ones the first."""
    best: list[Candidate] = []
    for each in sorted(points, key=lambda each: (cost(each), each.quality)):
        if not best or each.quality < best[-1].quality:
            best.append(each)
    return tuple(best)
