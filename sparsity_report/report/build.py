"""From results to everything that a template may see. Pure: no files, no torch, no PDF."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from markupsafe import Markup

from . import cite, document, images, markup, names, order, printable, quoting, replicates
from .economy import collect_earlier, uncollected
from .prose import (
    appendix,
    behaviour,
    checks,
    discussion,
    execution,
    headline,
    metrics,
    question,
    reproduce,
    setup,
    structure,
    summary,
)

if TYPE_CHECKING:
    from ..results.model import Alert, Results
    from .document import Block, Numbering, Section
    from .drawing import Drawing

SECTIONS = (
    question.section,
    setup.section,
    metrics.section,
    headline.section,
    behaviour.section,
    structure.section,
    execution.section,
    checks.section,
    discussion.section,
    reproduce.section,
    appendix.derivation,
    appendix.greedy,
    appendix.listings,
)
"""The paper, in order."""


@dataclass(frozen=True)
class ReportModel:
    """The paper with all its numbers, words and figures. Texts are HTML already where their type is Markup."""

    results: Results
    glance: tuple[Markup, ...]
    alerts: tuple[Alert, ...]
    abstract: Markup
    sections: tuple[Section, ...]
    numbering: Numbering
    references: tuple[cite.Reference, ...]
    drawings: dict[str, Drawing]
    bibtex: str

    def html(self, text: str) -> Markup:
        """Prose with its marks resolved."""
        return markup.to_html(text, self.numbering)

    def resolved(self, html: Markup) -> Markup:
        """An author's HTML with its marks resolved."""
        return markup.resolved(html, self.numbering)


def _labelled_once(results: Results, section: Section) -> Section:
    """The section with the label of a single model said once in every paragraph and list."""

    def shorter(block: Block) -> Block:
        match block:
            case document.Paragraph():
                return replace(block, text=names.once(results, (block.text,))[0])
            case document.Bullets():
                return replace(block, items=names.once(results, block.items))
        return block

    parts = tuple(_labelled_once(results, each) for each in section.sections)
    return replace(section, blocks=tuple(map(shorter, section.blocks)), sections=parts)


def paragraph(text: Markup) -> Markup:
    return Markup("<p>{}</p>").format(text)


@uncollected()
def build(results: Results) -> ReportModel:
    """Draw the figures, write the words, number everything; replicates are shown by their mean and spread."""
    from .figures import draw_all

    collect_earlier()
    results = printable.results(results)
    shown = order.by_sparsity(replicates.pooled(results))
    drawings = draw_all(shown)
    written = (write(shown, drawings) for write in SECTIONS)
    sections = tuple(_labelled_once(shown, each) for each in written if not (each.appendix and each.empty))
    glance, abstract = summary.at_a_glance(shown), summary.abstract(shown)
    own = quoting.html(shown, "abstract")
    numbering = document.number(sections, (own or abstract,), images.inline)
    references = tuple(cite.reference(key, results.study.references) for key in numbering.citations)
    return ReportModel(
        results=results,
        glance=tuple(markup.to_html(each, numbering) for each in glance),
        alerts=summary.alerts(results),
        abstract=markup.resolved(own, numbering) if own else paragraph(markup.to_html(abstract, numbering)),
        sections=sections,
        numbering=numbering,
        references=references,
        drawings=drawings,
        bibtex="\n\n".join([cite.of_run(results), *(each.bibtex for each in references)]),
    )
