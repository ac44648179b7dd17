"""Section 7 and the sentences about time: what was faster, what was slower, what could not be told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, method_tables, names, numbers, result_tables
from ..document import Section
from ..markup import plain, see
from . import hardware, speed_by_sparsity, time
from .headline import where
from .words import bullets, figure, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...results.model import ModelRecord, Results
    from ..drawing import Drawing
    from ..facts import Speed

PHASES = {"prefill": "prefill", "decode": "decoding"}


def by_format(results: Results, model: ModelRecord, phase: str) -> dict[str, list[Speed]]:
    """Speed-ups of a phase, by storage format."""
    found: dict[str, list[Speed]] = {}
    for cell in facts.cells_of(results, model):
        own = [each for each in facts.speeds(results, cell) if each.phase == phase]
        if own:
            found.setdefault(names.storage_format(cell.variant.format), []).extend(own)
    return found


def speed_sentence(results: Results, model: ModelRecord, name: str, phase: str, measured: list[Speed]) -> str:
    """What may be claimed about one format and one phase."""
    prefix = names.on(results, model)
    if len(measured) == 1:
        only = measured[0]
        ratio = f"{numbers.with_interval(only.ratio)} times the dense speed"
        if only.verdict == "no difference":
            return names.sentence(prefix, f"{name} shows no difference from dense in {PHASES[phase]} ({ratio}).")
        return names.sentence(prefix, f"{name} is {only.verdict} than dense in {PHASES[phase]} ({ratio}).")
    counts = {
        verdict: [each for each in measured if each.verdict == verdict]
        for verdict in ("faster", "slower", "no difference")
    }
    claims = {"faster": "faster than dense", "slower": "slower than dense", "no difference": "not different from dense"}
    total = numbers.count(len(measured))
    every = "both" if len(measured) == 2 else f"all {total}"
    parts = [
        f"{claims[verdict]} in {every if len(cases) == len(measured) else f'{numbers.count(len(cases))} of {total}'} "
        f"timed settings ({_range(cases)})"
        for verdict, cases in counts.items()
        if cases
    ]
    return names.sentence(prefix, f"{PHASES[phase]} with {name} is {names.listing(parts)}.")


def _range(cases: Iterable[Speed]) -> str:
    values = sorted(each.ratio.value or 0 for each in cases)
    low, high = numbers.times(values[0]), numbers.times(values[-1])
    return f"speed-up {low}" if low == high else f"speed-up {low} to {high}"


def floor_sentence(results: Results) -> str:
    """The noise of dense against dense."""
    floors = [
        each.value
        for cell in results.cells
        for each in cell.metrics
        if each.metric.endswith("_noise_floor") and each.value is not None
    ]
    if not floors:
        return ""
    low, high = numbers.percent(min(floors), 1), numbers.percent(max(floors), 1)
    shown = low if low == high else f"{low} to {high}"
    return f"Dense timed against itself differs by up to {shown}: what is smaller is called no difference."


def rounds_sentence(results: Results) -> str:
    """How much was read, and how far it scatters."""
    read = [each for cell in results.cells for each in cell.metrics if each.metric.endswith("_latency_s") and each.n]
    counts, counted = [each.n or 0 for each in read], [each for each in read if each.outliers is not None]
    if not counts:
        return ""
    low, high = numbers.count(min(counts)), numbers.count(max(counts))
    sentence = f"Every median is of {low if low == high else f'{low} to {high}'} rounds"
    if not counted:
        return f"{sentence}."
    outliers, total = sum(each.outliers or 0 for each in counted), sum(each.n or 0 for each in counted)
    return (
        f"{sentence}; {numbers.count(outliers)} of {numbers.count(total)} readings lie beyond Tukey’s fences, and none "
        "is left out."
    )


def hour_sentence(results: Results) -> str:
    """What the machine did meanwhile."""
    drifts = [abs(each.value or 0) for cell in results.cells for each in cell.metrics if each.metric.endswith("_drift")]
    cores = [each.value or 0 for cell in results.cells for each in cell.metrics if each.metric == "other_cores"]
    parts = [f"the dense time drifted by at most {numbers.percent(max(drifts), 0)}"] if drifts else []
    if cores:
        most = numbers.number(max(cores), 1)
        parts.append(f"other processes kept {'no core' if most == '0.0' else f'at most {most} cores'} busy")
    return f"Within a timed setting {names.listing(parts)}." if parts else ""


def fallback_items(results: Results) -> list[str]:
    """Everything that did not happen as asked, each kind once."""
    items = []
    prefix = where(results, results.models[0].id) if len(results.models) == 1 else ""  # of several, each has its own
    for found, each in result_tables.fallbacks(results):
        states = prefix + names.listing(result_tables.shortened(found))
        times = f" ({numbers.count(each.count)} times{' in all' * (len(found) > 1)})" if each.count > 1 else ""
        items.append(f"{states}: {plain(each.what)}, because: {plain(each.why).rstrip('.')}{times}.")
    return items


def masked_sentence(results: Results) -> str:
    if not any(cell.variant.format.entry == "masked" for cell in results.cells):
        return ""
    return "Masked runs the dense kernels on dense matrices that contain zeros: no speed-up is to be expected of it."


def paying_sentence(results: Results) -> str:
    """Whether any compressed format turned its zeros into time."""
    timed = [
        speed
        for cell in results.cells
        if cell.variant.format.entry not in ("dense", "masked")
        for speed in facts.speeds(results, cell)
    ]
    if not timed:
        return ""
    if any(each.verdict == "faster" for each in timed):
        return "At least one compressed variant turned its zeros into a shorter time on this machine."
    return (
        "No compressed variant turned its zeros into a shorter time on this machine: indices, irregular access or "
        "unpacking "
        "cost more than the multiplications that they save."
    )


def cost_sentence(results: Results) -> str:
    """From the cheapest to the dearest state, in time and in memory."""
    parts = []
    for metric, words, spell in (
        ("prune_seconds", "took", numbers.seconds),
        ("prune_memory_bytes", "needed", numbers.mebibytes),
    ):
        found = {
            cell.node: (each, cell)
            for cell in results.cells
            if (each := facts.value(cell, metric)) is not None and facts.executed(cell)
        }
        if found:
            low, high = (pick(found.values(), key=lambda each: each[0]) for pick in (min, max))
            span = (
                f"from {spell(low[0])} ({names.state(results, low[1])}) to {spell(high[0])} "
                f"({names.state(results, high[1])})"
                if spell(low[0]) != spell(high[0])
                else spell(low[0])
            )
            parts.append(f"{words} {span}{' of memory' * (metric == 'prune_memory_bytes')}")
    if not parts:
        return ""
    return f"Pruning a state {names.listing(parts)}, in single readings on this machine{see('tab:cost')}."


def section(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """7 Execution."""
    sentences = [
        speed_sentence(results, model, name, phase, measured)
        for model in results.models
        for phase in PHASES
        for name, measured in by_format(results, model, phase).items()
    ]
    table = result_tables.latency(results)
    running = result_tables.costs(results)
    untimed = "" if table.rows else "No latency was measured in this study."
    fallbacks = fallback_items(results)
    cost = method_tables.cost(results)
    blocks = (
        *paragraph(
            masked_sentence(results),
            floor_sentence(results),
            rounds_sentence(results),
            hour_sentence(results),
            untimed,
        ),
        *bullets(sentences),
        *paragraph(
            paying_sentence(results),
            time.unpaid_sentence(results),
            f"All timed settings are listed{see('tab:latency')}." if table.rows else "",
            f"What running takes beside time is listed{see('tab:running')}." if running.rows else "",
        ),
        *figure(results, drawings, "latency"),
        *figure(results, drawings, "speed_vs_flops"),
        *figure(results, drawings, "speed_vs_bytes"),
        *bullets(speed_by_sparsity.sentences(results)),
        *figure(results, drawings, "speed_vs_sparsity"),
        *((table,) if table.rows else ()),
        *((running,) if running.rows else ()),
        *paragraph(cost_sentence(results), heading="What pruning cost."),
        *((cost,) if 0 < len(cost.rows) <= method_tables.SHORT else ()),
        *paragraph(
            "What did not happen as asked:"
            if fallbacks
            else "No fallback was recorded: every cell ran as asked."
            if any(facts.executed(cell) for cell in results.cells)
            else ""
        ),
        *bullets(fallbacks),
    )
    sections = (time.section(results, drawings), hardware.section(results, drawings))
    return Section("sec:execution", "Execution", blocks, tuple(each for each in sections if not each.empty))
