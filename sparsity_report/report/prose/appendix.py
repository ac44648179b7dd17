"""Appendices: from logits to predicted tokens, and all cells and matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import method_tables, result_tables, stability_tables, tables
from ..document import Section
from ..markup import emphasis, formula, see
from . import behaviour, setup
from .headline import long_headline
from .words import equation, paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...results.model import Results
    from ..drawing import Drawing


def derivation(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """A: why comparing logits is comparing predictions."""
    logit = formula(r"\ell_{tk}", "the logit of token k at position t")
    agreement = any(each.metric == "agreement_top1" for cell in results.cells for each in cell.metrics)
    blocks = (
        *paragraph(
            f"At each position {emphasis('t')} the model ends in one real number {logit} for every token "
            f"{emphasis('k')} of its vocabulary of {emphasis('V')} tokens: the logits, which are neither positive "
            "nor normalised. The softmax turns them into probabilities of the token that follows,"
        ),
        equation("softmax"),
        *paragraph("Greedy decoding predicts the most probable token,"),
        equation("argmax"),
        *paragraph(
            "The exponential increases strictly, and at one position all exponentials are divided by the same "
            "positive sum. Hence for any two tokens"
        ),
        equation("softmax_order"),
        *paragraph("so that the softmax keeps the order of the logits, and with it their maximum:"),
        equation("argmax_logits"),
        *paragraph(
            "Comparing predictions therefore needs neither probabilities nor a temperature: any positive temperature "
            "divides all logits of a position by one number and leaves the order as it is. Ties between equal "
            "logits are broken by the lower token id, in both models alike."
        ),
        *paragraph(
            f"Top-1 agreement{see('eq:agreement_top1')} counts the positions at which the two maxima coincide. The "
            "same derivation shows what it cannot see: adding a constant to all logits of a position changes nothing, "
            "and neither does any change of probabilities that leaves the largest one in place. Perplexity and "
            "divergence do see the latter."
            if agreement
            else ""
        ),
    )
    return Section("app:argmax", "From logits to predicted tokens", blocks, appendix=True)


def greedy(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """What dense and pruned models write; empty where nothing was generated."""
    found = stability_tables.continuations(results)
    blocks = (
        *paragraph(
            "Prompts are beginnings of evaluation windows that lie evenly over the text; every model always takes its "
            "most likely token. The text is a model’s, shown as it came."
            if found
            else ""
        ),
        *found,
    )
    return Section("app:greedy", "Greedy continuations", blocks, appendix=True)


def listings(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """B: tables of one row a state, all cells, all matrices."""
    headline, states = result_tables.headline(results), result_tables.behaviour(results)
    decided = stability_tables.decisions(results)
    seeds, cost, overlap = (each(results) for each in (method_tables.seeds, method_tables.cost, method_tables.overlap))
    variants, matrices = tables.variants(results), tables.matrices(results)
    blocks = (
        *((variants,) if len(variants.rows) > setup.LONG else ()),
        *((headline,) if long_headline(results) else ()),
        *((states,) if behaviour.long_behaviour(results) else ()),
        *((decided,) if len(decided.rows) > behaviour.LONG else ()),
        *((each) for each in (seeds, cost) if len(each.rows) > method_tables.SHORT),
        *((overlap,) if overlap.rows else ()),
        tables.cells(results),
        *((matrices,) if matrices.rows else ()),
    )
    return Section("app:cells", "All cells and matrices", blocks, appendix=True)
