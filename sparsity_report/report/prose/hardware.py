"""Hardware, in sentences: whether the modelled bounds hold here, and what they say about other machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import bounds, facts, names, numbers, time_tables
from ..document import Section
from ..markup import emphasis, see
from .words import bullets, figure, paragraph, recorded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...results.model import CellRecord, MachineRecord, ModelRecord, Results
    from ..bounds import Bounded
    from ..drawing import Drawing

CLOSE = 2.0
"""A measured time of less than so many bounds is near its bound."""


def method_sentence(results: Results) -> str:
    """What a bound is."""
    if not results.machines:
        return ""
    return (
        f"The bounds here are {emphasis('modelled')}: a forward takes at least as long as its stored weights and its "
        f"key-value cache take to read, {emphasis('Q')} bytes at a bandwidth {emphasis('β')}, and at least as long "
        f"as its {emphasis('F')} operations take at a peak {emphasis('π')}. They are counted as the format stores "
        "and executes them; activations, norms and softmax are left out."
    )


def validation_sentence(results: Results) -> str:
    """Whether the bound held for what was timed here, and how near the nearest comes."""
    every = [each for cell in results.cells for each in bounds.validated(results, cell) if each.ratio]
    if not every:
        return ""
    broken = [each for each in every if each.broken]
    near = sum((each.ratio or 0) < CLOSE for each in every)
    nearest = min(every, key=lambda each: each.ratio or 0)
    if broken:
        beaten = "is faster than its bound" if len(broken) == 1 else "are faster than their bounds"
        return (
            f"On this machine {numbers.count(len(broken))} of {numbers.count(len(every))} timed phases {beaten}: the "
            f"probe understates what this machine reaches, and its bounds are no bounds here"
            f"{see('tab:validation', 'fig:roofline')}."
        )
    return (
        f"On this machine no timed phase is faster than its bound; {numbers.count(near) if near else 'none'} of "
        f"{numbers.count(len(every))} {'takes' if near < 2 else 'take'} less than {CLOSE:g} times the bound, and the "
        f"nearest, {names.variant(results, nearest.cell)} in {nearest.phase}, takes {numbers.times(nearest.ratio or 0)}"
        f"{see('tab:validation', 'fig:roofline')}."
    )


def variants_at(results: Results, model: ModelRecord, machine: MachineRecord, phase: str) -> list[Bounded]:
    """The bound of every cell of a model on a machine, in a phase at its first point."""
    found = []
    for cell in facts.cells_of(results, model):
        own = (each for each in bounds.bounds(results, cell) if each.machine is machine and each.phase == phase)
        found += list(own)[:1]
    return [each for each in found if each.bound.value]


def projection_sentence(results: Results, model: ModelRecord, machine: MachineRecord) -> str:
    """What decoding takes at least on a machine, what holds it back, and how much lower pruning could bring it."""
    every = variants_at(results, model, machine, "decode")
    dense = next((each for each in every if each.cell.is_reference), None)
    if dense is None or not dense.bound.value:
        return ""
    best = min(every, key=lambda each: each.bound.value or 0)
    lead = (
        f"{time_tables.machine_name(machine)} (modelled): a decoded token of dense takes at least "
        f"{numbers.seconds(dense.bound.value)}, bound by {dense.limit}"
    )
    factor = dense.bound.value / (best.bound.value or 1)
    gain = (
        f"; the lowest bound is that of {names.variant(results, best.cell)}, {numbers.times(factor)} as fast"
        if factor > 1.005
        else "; no variant has a lower bound"
    )
    return names.sentence(names.on(results, model), f"{lead}{gain}.{_fit_words(results, model, machine)}")


def _fit_words(results: Results, model: ModelRecord, machine: MachineRecord) -> str:
    """Which variants fit with at least one sequence, and how many sequences."""
    found: list[tuple[CellRecord, int, float]] = []
    for cell in facts.cells_of(results, model):
        fit = bounds.fitting(cell, machine)
        if fit is not None and fit.value is not None:
            found.append((cell, int(fit.value), float(fit.conditions["context"])))
    if not found:
        return ""
    without = [cell for cell, count, _ in found if not count]
    context = numbers.count(found[0][2])
    if len(without) == len(found):
        return f" Weights and the cache of one sequence of {context} tokens do not fit, in any variant."
    if without:
        fitting = [names.variant(results, cell) for cell, count, _ in found if count]
        which = names.listing(fitting) if len(fitting) <= 3 else f"{numbers.count(len(fitting))} variants"
        return f" Only {which} of {numbers.count(len(found))} fit with the cache of a sequence of {context} tokens."
    counts = [count for _, count, _ in found]
    low, high = numbers.count(min(counts)), numbers.count(max(counts))
    return f" {low if low == high else f'{low} to {high}'} sequences of {context} tokens fit beside the weights."


def cost_sentence(results: Results) -> str:
    """The range of what a million decoded tokens cost at least, where the spec gives a price."""
    found = [
        (each.value, each.unit)
        for cell in results.cells
        for each in cell.metrics
        if each.metric == "cost_per_million_tokens" and each.conditions.get("phase") == "decode" and each.value
    ]
    if not found:
        return ""
    low, high = min(found), max(found)
    span = f"{numbers.significant(low[0])} to {numbers.significant(high[0])} {low[1]}"
    return (
        f"At the spec’s prices a million decoded tokens cost at least {span} (modelled: at the bound, with the batch "
        f"of each row){see('tab:projection')}."
    )


def section(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """7.2 Hardware; empty where no machine is modelled."""
    if not results.machines:
        return Section("sec:hardware", "Hardware")
    items = [
        projection_sentence(results, model, machine)
        for model in results.models
        for machine in bounds.elsewhere(results)
    ]
    validation, projection = time_tables.validation(results), time_tables.projection(results)
    blocks = (
        *paragraph(method_sentence(results)),
        *recorded(results, "metric", "roofline", "roofline"),
        *paragraph(validation_sentence(results)),
        *figure(results, drawings, "roofline"),
        *((validation,) if validation.rows else ()),
        *bullets(items),
        *paragraph(cost_sentence(results)),
        *((projection,) if projection.rows else ()),
        time_tables.machines(results),
    )
    return Section("sec:hardware", "Hardware", blocks)
