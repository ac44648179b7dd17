"""Section 9: the author's words, what the data say to the question, and limits that follow from the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, markdown, names, numbers, quoting, replicates, result_tables
from ..document import Author, Section
from ..markup import plain, ref
from . import behaviour, deploy, execution, ranking
from .words import bullets, paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...results.model import Results
    from ..drawing import Drawing


def data_limit(results: Results) -> str:
    every = [each for each in results.data if each.role == "evaluation"]
    if not every:
        return ""
    fewest = min(each.predicted_tokens for each in every)
    corpora = len({each.called for each in every})
    texts = "one text" if corpora == 1 else f"{numbers.count(corpora)} texts"
    return (
        f"Behaviour was measured on {texts} with {numbers.count(fewest)} predicted tokens or more per model; another "
        "text "
        "may rank the variants differently, and neighbouring positions are not independent."
    )


def timing_limit(results: Results) -> str:
    points = facts.timing_points(results)
    if not points:
        return "Time was not measured: nothing here says that any variant is faster or slower."
    shown = "; ".join(result_tables.point_text(point) for point in points)
    device = plain(results.environment.device)
    return (
        f"Time was measured on one machine (device {device}) at these points only: {shown}. Other kernels and "
        "devices may reverse it."
    )


def model_limit(results: Results) -> str:
    sizes = [model.parameters for model in results.models]
    if not sizes:
        return ""
    what = "one model" if len(sizes) == 1 else f"{numbers.count(len(sizes))} models, the largest"
    return (
        f"The study has {what} of {numbers.count(max(sizes))} parameters; larger models are often easier to prune, so "
        "that nothing is extrapolated from here."
    )


def label_limit(results: Results) -> str:
    labelled = [names.model(model) for model in results.models if model.label]
    if not labelled:
        return ""
    return (
        f"The dense reference of {names.listing(labelled)} itself carries the error of that quantization, and so do "
        "all comparisons with it."
    )


def replicate_limit(results: Results) -> str:
    """Random choices: how many repeats stand behind them."""
    repeats = max(map(replicates.seeds, replicates.pooled(results).cells), default=1)
    stages = [stage for cell in results.cells for stage in cell.variant.stages]
    if repeats > 1:
        return f"Some states were repeated ({numbers.count(repeats)} replicates); the others are single runs."
    if any(facts.calibration_of(stage) for stage in stages):
        return "Calibration windows were drawn with one seed: how much another draw would change is not known."
    if any(stage.entry == "random" for stage in stages):
        return "Random pruning was drawn with one seed: its spread over seeds is not known."
    return ""


def recovery_limit(results: Results) -> str:
    if any(stage.op == "train" for cell in results.cells for stage in cell.variant.stages):
        return ""
    return "No variant was trained after pruning; recovery training may restore part of what was lost."


def unfinished_limit(results: Results) -> str:
    runs = list(replicates.runs(results))
    bad = sum(cell.status in ("failed", "not_executed") for cell in runs)
    if not bad:
        return ""
    total = numbers.count(len(runs))
    return f"{numbers.count(bad)} of {total} cells have no measured results ({ref('sec:headline')})."


def quick_limit(results: Results) -> str:
    return (
        "This is a quick run on very little data: it shows that the study works, and its numbers are no results."
        * results.quick
    )


LIMITS = (
    quick_limit,
    unfinished_limit,
    data_limit,
    timing_limit,
    model_limit,
    label_limit,
    replicate_limit,
    recovery_limit,
)


def choice_sentence(results: Results) -> str:
    """Why not all is pruned: only where something is kept dense by choice."""
    groups = {group.group for model in results.models for group in model.groups if group.parameters}
    targeted = {matrix.group for model in results.models for matrix in model.matrices if matrix.targeted}
    kept = [names.group(group) for group in ("embedding", "lm_head", "norm") if group in groups - targeted]
    if not kept:
        return ""
    return (
        f"That the parameters of {names.listing(kept)} stay dense is a choice of the study and not a limit of the "
        "tool: it isolates the effect of pruning on the repeated linear maps."
    )


def section(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """9 Discussion."""
    own = quoting.html(results, "discussion")
    if own is None and results.study.discussion:
        own = markdown.to_html(plain(results.study.discussion))
    interpretation = (
        *paragraph(
            *(behaviour.lead_sentence(results, model) for model in results.models),
            *(behaviour.function_sentence(results, model) for model in results.models),
            execution.paying_sentence(results),
        ),
        *paragraph(*ranking.sentences(results)),
        *paragraph(choice_sentence(results)),
    )
    sections = (
        *((Section("sec:author", "The authors’ discussion", (Author(own),)),) if own else ()),
        Section("sec:answers", "What the data say", interpretation),
        deploy.section(results, drawings),
        Section("sec:limits", "Limits", bullets(limit(results) for limit in LIMITS)),
    )
    return Section("sec:discussion", "Discussion", sections=tuple(each for each in sections if not each.empty))
