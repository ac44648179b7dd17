"""What stands before section 1: the answers at a glance, alerts, and the abstract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, names, numbers, quoting
from ..markup import plain, to_text
from . import behaviour, checks, deploy, execution, layers, sensitivity, storage
from .headline import comparison_sentence, status_sentence

if TYPE_CHECKING:
    from ...results.model import Alert, ModelRecord, Results

MOST = 5


def main_model(results: Results) -> ModelRecord | None:
    """The model that the short texts speak of: the first that has a pruned state."""
    return next((each for each in results.models if facts.lead(facts.cells_of(results, each))), None)


def speed_at_a_glance(results: Results, model: ModelRecord) -> str:
    """Prefill of every timed format in one sentence."""
    parts = []
    for name, measured in execution.by_format(results, model, "prefill").items():
        verdicts = {each.verdict for each in measured}
        values = [each.ratio.value or 0 for each in measured]
        low, high = numbers.times(min(values)), numbers.times(max(values))
        claim = "not uniformly faster or slower than"
        if len(verdicts) == 1:
            claim = {"no difference": "not different from", "faster": "faster than", "slower": "slower than"}[
                verdicts.pop()
            ]
        parts.append(f"{name} is {claim} dense ({low if low == high else f'{low} to {high}'} its speed)")
    return names.sentence(names.on(results, model), "in prefill, ", names.listing(parts), ".") if parts else ""


def size_at_a_glance(results: Results, model: ModelRecord) -> str:
    """The first compressed format: size over the target, and where it breaks even."""
    every = storage.compressed(results, model)
    if not every:
        return ""
    first = storage.size_sentence(results, every[0]).rstrip(".")
    curve = facts.curve_of(model, every[0][0])
    even = (
        f"; it breaks even at {numbers.percent(curve.break_even)}"
        if curve and curve.break_even and len(curve.sparsity) > 1
        else ""
    )
    return f"{first}{even}."


def of_several(results: Results) -> list[str]:
    """Of every study of a joint report what its pruning did, then what its first compressed format stores."""
    every = [model for model in results.models if facts.lead(facts.cells_of(results, model))]
    leads = [behaviour.lead_sentence(results, model) for model in every]
    sizes = [size_at_a_glance(results, model) for model in every]
    unfinished = any(cell.status != "ok" for cell in results.cells)
    return [each for each in (status_sentence(results) if unfinished else "", *leads, *sizes) if each]


def at_a_glance(results: Results) -> tuple[str, ...]:
    """At most five sentences that answer the question in numbers."""
    model = main_model(results)
    if model is None:
        return (status_sentence(results),)
    if results.parts:
        return tuple(of_several(results)[:MOST])
    series = sorted(behaviour.series(results, model).items(), key=lambda each: facts.is_control(each[1][0]))
    sweeps = [behaviour.sweep_sentence(results, model, name, cells) for name, cells in series]
    unfinished = any(cell.status != "ok" for cell in results.cells)
    found = [
        status_sentence(results) if unfinished else "",
        behaviour.lead_sentence(results, model),
        comparison_sentence(results),
        behaviour.seeds_sentence(results),
        size_at_a_glance(results, model),
        speed_at_a_glance(results, model),
        checks.expectations_sentence(results),
        *layers.error_sentences(results)[:1],
        *sensitivity.sentences(results)[1:2],
        deploy.smallest_sentence(results, model),
        *sweeps[:1],
        behaviour.function_sentence(results, model).split(". ")[-1] if not unfinished else "",
    ]
    return names.once(results, tuple(each for each in found if each)[:MOST])


def abstract(results: Results) -> str:
    """The author's abstract, or one from the data."""
    if results.study.abstract:
        return plain(results.study.abstract)
    models = names.listing([names.model(model) for model in results.models])
    states = len({cell.node for cell in results.cells if cell.variant.stages})
    formats = list(dict.fromkeys(names.storage_format(cell.variant.format) for cell in results.cells))
    opening = (
        f"We prune {models} to {numbers.count(states)} state{'' if states == 1 else 's'} and store and execute "
        f"{'it' if states == 1 else 'them'} in the formats {names.listing(formats)}, counting every stored byte and "
        "measuring predictions against the dense model on the same tokens."
    )
    model = main_model(results)
    if model is None:
        return f"{opening} {status_sentence(results)}"
    if results.parts:
        return " ".join([opening, *of_several(results)])
    sentences = [
        opening,
        behaviour.lead_sentence(results, model),
        to_text(comparison_sentence(results)),
        to_text(behaviour.seeds_sentence(results)),
        *(storage.size_sentence(results, cells) for cells in storage.compressed(results, model)[:2]),
        to_text(next(iter(layers.error_sentences(results)), "")),
        speed_at_a_glance(results, model),
        behaviour.function_sentence(results, model).split(". ")[-1],
        to_text(deploy.smallest_sentence(results, model)),
    ]
    return " ".join(names.once(results, (each for each in sentences if each)))


def alerts(results: Results) -> tuple[Alert, ...]:
    """Recorded alerts and those about the author's quotes, warnings first."""
    every = (*results.alerts, *quoting.alerts(results))
    return tuple(sorted(every, key=lambda each: each.level != "warning"))
