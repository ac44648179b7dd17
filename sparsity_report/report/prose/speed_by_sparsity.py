"""Where a format passes dense as sparsity rises: one sentence a series and phase, each about timed cells only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import crossovers, names, numbers
from ..markup import plain, see

if TYPE_CHECKING:
    from ...results.model import Results
    from ..crossovers import Series

SPOKEN = {"prefill": "prefill", "decode": "decoding"}


def sentences(results: Results) -> list[str]:
    """Of every format that was timed at several sparsities."""
    return [
        names.sentence(names.on(results, model), sentence(each))
        for model in results.models
        for phase in crossovers.PHASES
        for each in crossovers.series(results, model, phase)
        if each.steps[0].cell.variant.format.entry != "masked"
    ]


def sentence(each: Series) -> str:
    """What the timed sparsities say about one series; nothing about those between and beyond them."""
    first, last = each.steps[0], each.steps[-1]
    what = plain(f"in {SPOKEN[each.phase]}, {each.method} in {each.form}")
    span = f"at all timed sparsities, {numbers.percent(first.sparsity)} to {numbers.percent(last.sparsity)}"
    ratios = sorted(step.ratio for step in each.steps)
    speed = f"speed-up {numbers.times(ratios[0])} to {numbers.times(ratios[-1])}"
    if each.crossover is not None:
        low, high = map(numbers.percent, each.crossover)
        told = f"passes dense between {low} and {high} sparsity on this machine ({speed})"
    elif each.throughout == "no difference":
        told = f"shows no difference from dense {span} ({speed})"
    elif each.throughout:
        told = f"is {each.throughout} than dense {span} ({speed}): no crossover was seen"
    else:
        told = f"has no single crossover that parts slower from faster {span} ({speed})"
    return f"{what} {told}{see('fig:speed_vs_sparsity')}."
