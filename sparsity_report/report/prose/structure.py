"""Section 6: where parameters, zeros, operations and bytes are, and why a format is larger or smaller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, names, numbers, result_tables, tables
from ..document import Section
from ..markup import ref, see
from . import behaviour, layers, storage
from .words import bullets, figure, paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...results.model import ModelRecord, Results
    from ..drawing import Drawing


def groups_sentence(results: Results, model: ModelRecord) -> str:
    """The share of the dense groups bounds what pruning can save."""
    if not model.parameters or not model.groups:
        return ""
    kept = 1 - model.prunable / model.parameters
    largest = max(model.groups, key=lambda group: group.parameters)
    return names.sentence(
        names.on(results, model),
        f"{names.group(largest.group)} is the largest group with "
        f"{numbers.percent(largest.parameters / model.parameters, 1)} of the parameters; the "
        f"{numbers.percent(kept, 1)} outside of the target stay as they are and bound what any format of the target "
        "can save.",
    )


def zeros_sentence(results: Results, model: ModelRecord) -> str:
    """Zeros are where pruning was: which groups have any, in the state that the summary speaks of."""
    cells = facts.lead(facts.cells_of(results, model))
    if not cells:
        return ""
    shares = {
        str(each.conditions["group"]): each.value
        for each in cells[0].metrics
        if each.metric == "sparsity" and "group" in each.conditions and each.value is not None
    }
    pruned = [f"{names.group(group)} {numbers.percent(share, 1)}" for group, share in shares.items() if share > 0]
    dense = [names.group(group) for group, share in shares.items() if share == 0]
    if not pruned:
        return ""
    rest = f", none in {names.listing(dense)}" if dense else ""
    return names.sentence(
        names.on(results, model),
        f"the zeros of {names.state(results, cells[0])} lie in {names.listing(pruned)}{rest}.",
    )


def flops_sentence(results: Results, model: ModelRecord) -> str:
    """The FLOPs proxy changes only where the format skips zeros."""
    dense = results.reference(model.id)
    base = None if dense is None else facts.value(dense, "flops_per_token")
    if not base:
        return ""
    ratios: dict[str, list[float]] = {}
    for cell in facts.cells_of(results, model):
        own = facts.value(cell, "flops_per_token")
        if own is not None and not cell.is_reference and facts.one_shot(cell):
            ratios.setdefault(names.storage_format(cell.variant.format), []).append(own / base)
    parts = [f"{name} {_span(found)}" for name, found in ratios.items()]
    if not parts:
        return ""
    return names.sentence(
        names.on(results, model),
        f"the FLOPs proxy of the whole model relative to dense is, by format: {names.listing(parts)}.",
    )


def _span(values: list[float]) -> str:
    low, high = min(values), max(values)
    if numbers.times(low) == numbers.times(high):
        return f"{numbers.times(low)} at every sparsity studied" if len(values) > 1 else numbers.times(low)
    return f"{numbers.times(low)} to {numbers.times(high)}"


def masked_flops_sentence(results: Results) -> str:
    if not any(cell.variant.format.entry == "masked" for cell in results.cells):
        return ""
    return "Masked multiplies by its zeros with dense kernels: it removes no operation."


def section(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """6 Structure."""
    every = results.models
    parameters = (
        *paragraph(
            *(groups_sentence(results, model) for model in every),
            "Pruning changes values, not shapes: the share of each group is the same in every variant"
            f"{see('fig:parameter_fraction', 'tab:groups')}.",
        ),
        *figure(results, drawings, "parameter_fraction"),
        *((tables.groups(results),) if tables.groups(results).rows else ()),
    )
    zeros = (
        *paragraph(
            *(storage.sparsity_sentence(results, model) for model in every),
            *(zeros_sentence(results, model) for model in every),
        ),
        *figure(results, drawings, "group_sparsity"),
        *paragraph(layers.equal_sentence(results)),
        *behaviour.listed(layers.allocation_sentences(results)),
        *figure(results, drawings, "allocation"),
        *figure(results, drawings, "layer_sparsity"),
        *figure(results, drawings, "weight_histograms"),
    )
    errors = (
        *paragraph(*layers.error_sentences(results)),
        *figure(results, drawings, "layer_error"),
    )
    removed = (
        *paragraph(
            f"Two methods of equal quality need not remove the same weights{see('fig:mask_overlap', 'tab:overlap')}."
            if layers.overlap_sentences(results)
            else ""
        ),
        *bullets(layers.overlap_sentences(results)),
        *figure(results, drawings, "mask_overlap"),
    )
    flops = (
        *paragraph(*(flops_sentence(results, model) for model in every), masked_flops_sentence(results)),
        *figure(results, drawings, "flops_by_group"),
    )
    return Section(
        "sec:structure",
        "Structure",
        sections=tuple(
            section
            for section in (
                Section("sec:parameters", "Where the parameters are", parameters),
                Section("sec:zeros", "Where the zeros are", zeros),
                Section("sec:errors", "Where the errors arise", errors),
                Section("sec:removed", "Which weights are removed", removed),
                Section("sec:flops", "Where the operations are", flops),
                bytes_section(results, drawings),
            )
            if not section.empty
        ),
    )


def bytes_section(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """6.4: bytes by component, the break-even curve, and the reasons."""
    table, even = result_tables.components(results), tables.break_even(results)
    blocks = (
        *paragraph(
            *(storage.masked_sentence(results, model) for model in results.models[:1]),
            "A compressed format drops the zeros and pays for saying where the others are"
            f"{see('tab:components', 'fig:storage_components')}.",
        ),
        *bullets(text for model in results.models for text in storage.paragraphs(results, model)),
        *paragraph(
            f"By {ref('eq:break_even')}, these are properties of the format and the shapes, not of the criterion"
            f"{see('fig:break_even', 'tab:break-even')}."
            if _has_csr(results)
            else "",
            *(text for model in results.models for text in storage.unavailable_sentences(model)),
        ),
        *figure(results, drawings, "break_even"),
        *((even,) if even.rows else ()),
        *figure(results, drawings, "storage_components"),
        *((table,) if table.rows else ()),
    )
    return Section("sec:bytes", "Where the bytes are", blocks)


def _has_csr(results: Results) -> bool:
    """Whether the metrics section has the break-even equation."""
    stored = any(each.metric == "stored_bytes" for cell in results.cells for each in cell.metrics)
    return stored and any(cell.variant.format.entry == "csr" for cell in results.cells)
