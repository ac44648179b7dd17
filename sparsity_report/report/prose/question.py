"""Section 1: the question, and what kind of numbers answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import names, quoting
from ..document import Author, Section
from ..markup import cite, emphasis, plain, strong
from .words import bullets, paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...results.model import Results
    from ..drawing import Drawing

NOT_MEASURED = {
    "perplexity": "perplexity",
    "agreement_top1": "agreement with the dense model",
    "prefill_latency_s": "latency",
    "stored_bytes": "stored bytes",
    "task_accuracy": "accuracy on downstream tasks",
    "energy_j": "energy",
}
OWN = ("question", "related_work")
"""Parts of the author's text that stand here."""


def kinds(results: Results) -> dict[str, list[str]]:
    """Names of the metrics that occur in the cells, by kind."""
    found: dict[str, dict[str, None]] = {}
    for cell in results.cells:
        for each in cell.metrics:
            found.setdefault(each.kind, {}).setdefault(plain(names.metric(each.metric)))
    return {kind: list(metrics) for kind, metrics in found.items()}


def kind_items(results: Results) -> list[str]:
    """What is counted, measured and modelled in this report."""
    meaning = {
        "counted": "exact arithmetic on tensors and shapes, equal on every machine",
        "measured": "observed by running the models, given with a 95 % interval where one could be formed",
        "modelled": "computed from assumptions about hardware, an estimate or bound and not an observation",
    }
    found = kinds(results)
    return [
        f"{strong(names.capital(kind))}: {words}. Here: {names.listing(found[kind])}."
        if kind in found
        else f"{strong(names.capital(kind))}: {words}. Nothing in this report is of this kind."
        for kind, words in meaning.items()
    ]


def missing_sentence(results: Results) -> str:
    """What was not measured at all."""
    present = {each.metric for cell in results.cells for each in cell.metrics}
    missing = [words for metric, words in NOT_MEASURED.items() if metric not in present]
    return f"Not measured: {names.listing(missing)}." if missing else ""


def section(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """1 Question and scope."""
    asked, own, related = plain(results.study.question), *(quoting.html(results, each) for each in OWN)
    blocks = (
        *paragraph(
            "Pruning removes weights from a trained network; what it saves depends on how the remaining weights are "
            f"stored and executed{cite('han2015learning', 'gale2019state', 'hoefler2021sparsity')}. A weight that is "
            "zero in a dense matrix still takes its bytes and its multiplication: zeros in memory and zeros that "
            "execution exploits are two things, and this report keeps them apart.",
            f"The study asks: {emphasis(asked)}" if asked else "",
        ),
        *((Author(own),) if own else ()),
        *paragraph(
            "Two questions are asked of every pruned model. Behaviour: how far do its predictions move away from "
            "those of the dense model? Structure: where are parameters, zeros, bytes and operations, and does a "
            "compressed format turn the zeros into smaller storage or shorter time?"
        ),
        *paragraph("Three kinds of numbers occur, and every table and caption says which."),
        *bullets(kind_items(results)),
        *paragraph(missing_sentence(results)),
    )
    sections = (Section("sec:related", "Related work", (Author(related),)),) if related else ()
    return Section("sec:question", "Question and scope", blocks, sections)
