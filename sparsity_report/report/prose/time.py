"""Where the time goes, in sentences: what pruning can reach, and where a variant's speed-up is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, names, numbers, steps, time_tables
from ..document import Section
from ..figures.cells import choose
from ..markup import emphasis, see
from ..result_tables import point_text
from .words import bullets, figure, paragraph, recorded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...results.model import ModelRecord, Results
    from ..drawing import Drawing
    from ..steps import Shares, Waterfall

PHASES = {"prefill": "prefill", "decode": "decoding"}


def how_sentence(results: Results) -> str:
    """How shares were measured."""
    if not any(each.metric == "time_share" for cell in results.cells for each in cell.metrics):
        return ""
    return (
        "Shares are measured inside the running model: clocks around every linear map, attention, head, norm, "
        "activation and look-up, each module’s own time without that of the modules inside it, and the clocks’ own "
        "cost, measured on a function that does nothing, taken off. What lies inside of no such module is the "
        "framework’s: Python between the modules, residual sums, masks, the cache’s bookkeeping. How much is Python in "
        "all is measured in runs of their own, as what lies outside of every PyTorch function."
    )


def closure_sentence(results: Results) -> str:
    """Whether the parts add up to the time without clocks."""
    found = [each for cell in results.cells for each in steps.shares(cell) if each.closure and each.closure.value]
    if not found:
        return ""
    values = [each.closure.value or 0 for each in found if each.closure]
    low, high = numbers.percent(min(values), 0), numbers.percent(max(values), 0)
    span = f"between {low} and {high}" if low != high else low
    verdict = (
        "the shares are as good as that"
        if all(map(steps.adds_up, found))
        else "where that is more than a tenth off, the machine was busy or the clocks disturbed it: rough shares"
    )
    return f"The parts add up to {span} of the time of the same forward without clocks: {verdict}."


def dense_shares(results: Results, model: ModelRecord) -> list[Shares]:
    """The dense model's shares at its first point, by phase."""
    dense = results.reference(model.id)
    every = [] if dense is None else list(steps.shares(dense))
    return [next(each for each in every if each.phase == phase) for phase in dict.fromkeys(e.phase for e in every)]


def dense_sentence(results: Results, model: ModelRecord, found: Shares) -> str:
    """What the targeted layers have of the dense time, what has most of it, and how much pruning could gain at most."""
    target = found.value("target_linear")
    limit = steps.dense_limit(results, model, found.phase, found.point)
    python = found.python.value if found.python else None
    largest = found.largest
    most = (
        ", the largest part"
        if largest == "target_linear"
        else f"; the largest part, {numbers.percent(found.value(largest), 0)}, goes to {steps.PART_NAMES[largest]}"
    )
    text = (
        f"of dense {PHASES[found.phase]} at {point_text(found.point)}, {numbers.percent(target, 0)} of the time is in "
        f"the targeted linear layers{most}."
        + ("" if python is None else f" Python has {numbers.percent(python, 0)} of it, whatever the module.")
    )
    if limit is None or not limit.value:
        return names.sentence(names.on(results, model), text)
    ceiling = (
        f" By Amdahl’s law, even if these layers took no time at all, {PHASES[found.phase]} would be at most "
        f"{numbers.times(limit.value)} as fast (modelled)."
    )
    return names.sentence(names.on(results, model), text + ceiling)


def waterfall_sentence(results: Results, found: Waterfall) -> str:
    """The steps of one variant in one phase, and where most is lost."""
    known = {name: numbers.times(each.value) for name, each in found.steps.items() if each.value}
    words = {
        "bytes_gain": "its bytes allow {}",
        "product_gain": "the products alone reach {}",
        "layer_gain": "the layers in the model {}",
        "amdahl_gain": "the whole model would reach {} by Amdahl’s law",
        "measured": "{} was measured",
    }
    chain = names.listing([words[name].format(value) for name, value in known.items()])
    loss = found.loss
    after = (
        f" No step loses more than {numbers.percent(steps.NOTICEABLE, 0)}."
        if loss is None
        else f" Most is lost {steps.LOSSES[loss[0]]} (a factor of {numbers.number(loss[1], 2)})."
    )
    model = facts.model_of(results, found.cell)
    lead = f"{names.variant(results, found.cell)}, {PHASES[found.phase]}: "
    return names.sentence(names.on(results, model), f"{lead}{chain}.{after}")


def waterfalls_shown(results: Results) -> list[Waterfall]:
    """The steps of each variant that the figure shows, in each phase at its first point."""
    found = []
    for model in results.models:
        cells = [c for c in facts.cells_of(results, model) if any(steps.waterfalls(results, c))]
        for cell in choose(cells):
            every = list(steps.waterfalls(results, cell))
            phases = dict.fromkeys(each.phase for each in every)
            found += [next(each for each in every if each.phase == phase) for phase in phases]
    return found


def may_gain(found: Waterfall) -> bool:
    """Whether the bytes of a variant's weights let it gain anything."""
    allowed = found.steps.get("bytes_gain")
    return allowed is not None and (allowed.value or 0) > 1 + steps.NOTICEABLE


def waterfall_items(results: Results) -> list[str]:
    """A sentence for each variant whose bytes allow a gain, and one for all others."""
    every = waterfalls_shown(results)
    items = [waterfall_sentence(results, each) for each in every if may_gain(each)]
    others = list(dict.fromkeys(names.variant(results, each.cell) for each in every if not may_gain(each)))
    if others:
        lead = "The bytes of " + names.listing(others)
        items.append(f"{lead} allow no gain worth naming{see('tab:waterfall')}.")
    return items


def unpaid_sentence(results: Results) -> str:
    """Zeros that did not pay: variants whose operations shrink and whose time does not."""
    unpaid: list[str] = []
    timed = 0
    for model in results.models:
        dense = results.reference(model.id)
        whole = None if dense is None else facts.value(dense, "flops_per_token")
        for cell in facts.cells_of(results, model):
            own = facts.value(cell, "flops_per_token")
            speeds = list(facts.speeds(results, cell))
            if not whole or not own or own >= whole or not speeds:
                continue
            timed += 1
            if not any(each.verdict == "faster" for each in speeds):
                unpaid.append(names.variant(results, cell))
    if not timed:
        return ""
    if not unpaid:
        every = f"Every one of the {numbers.count(timed)} timed variants that skip"
        one = "The one timed variant that skips"
        return f"{one if timed == 1 else every} operations is faster than dense somewhere{see('fig:speed_vs_flops')}."
    which = (
        "the one timed variant that skips operations is"
        if timed == 1
        else f"of {numbers.count(timed)} timed variants that skip operations, {numbers.count(len(unpaid))} "
        f"{'is' if len(unpaid) == 1 else 'are'}"
    )
    return f"Zeros that did not pay{see('fig:speed_vs_flops')}: {which} nowhere faster than dense."


def section(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """7.1 Where the time goes; empty where nothing was profiled."""
    shares = [dense_sentence(results, model, each) for model in results.models for each in dense_shares(results, model)]
    steps_table, profile = time_tables.waterfall(results), time_tables.profile(results)
    items = waterfall_items(results)
    law = recorded(results, "metric", "profile", "amdahl") if items else ()
    blocks = (
        *paragraph(how_sentence(results), closure_sentence(results)),
        *bullets(shares),
        *figure(results, drawings, "time_shares"),
        *((profile,) if profile.rows else ()),
        *paragraph(
            f"What the layers gain reaches the whole model only by their share {emphasis('f')} of the dense time; with "
            f"speed-ups {emphasis('R')}, Amdahl’s law is"
            if law
            else "",
        ),
        *law,
        *bullets(items),
        *figure(results, drawings, "waterfall"),
        *((steps_table,) if steps_table.rows else ()),
    )
    return Section("sec:time", "Where the time goes", blocks)
