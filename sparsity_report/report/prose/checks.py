"""Section 8: what was expected, beside what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...results import diagnosis
from .. import names, numbers, tables
from ..document import Section
from ..markup import plain, see
from .words import paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...results.model import CheckRecord, Results
    from ..drawing import Drawing


def verdict_sentence(results: Results) -> str:
    """How the checks went; one that could not be made does not count as met."""
    found = [each.verdict for each in results.checks if each.origin != "published"]
    if not found:
        return "The spec has no expectations, and no contract check was recorded."
    if set(found) == {"pass"}:
        number = {1: "The check was", 2: "Both checks were"}.get(
            len(found), f"All {numbers.count(len(found))} checks were"
        )
        return f"{number} met{see('tab:checks')}."
    parts = [
        f"{numbers.count(found.count(verdict))} {words}"
        for verdict, words in tables.VERDICTS.items()
        if verdict in found
    ]
    return f"Of {numbers.count(len(found))} checks: {names.listing(parts)}{see('tab:checks')}."


def expectations_sentence(results: Results) -> str:
    """How the study's own expectations went, and the first that was missed beside what was observed."""
    found = [each for each in results.checks if each.origin == "expect"]
    if not found:
        return ""
    if len(found) == 1:
        return f"The expectation {_quoted(found[0], _went(found[0].verdict, 1))}."
    parts = []
    for verdict in tables.VERDICTS:
        own = [each for each in found if each.verdict == verdict]
        example = f": {'the first, ' * (len(own) > 1)}{_quoted(own[0])}" if own and verdict == "miss" else ""
        parts += [f"{numbers.count(len(own))} {_went(verdict, len(own))}{example}"] if own else []
    if all(each.verdict == "pass" for each in found):
        if len(found) == 2:
            return f"Both expectations were met: {names.listing([_quoted(each) for each in found])}."
        return f"All {numbers.count(len(found))} expectations were met{see('tab:checks')}."
    return f"Of {numbers.count(len(found))} expectations, {'; '.join(parts)}{see('tab:checks')}."


def _went(verdict: str, count: int) -> str:
    """ "was met", "are undecided": the verdict as the end of a sentence."""
    verbs = {"pass": ("was ", "were "), "miss": ("was ", "were "), "undecided": ("is ", "are ")}
    return f"{verbs.get(verdict, ('', ''))[count > 1]}{tables.VERDICTS[verdict]}"


def _quoted(check: CheckRecord, verdict: str = "") -> str:
    first, *others = check.observed.split("; ")
    more = f", and {numbers.count(len(others))} more" if others else ""
    seen = f"(observed: {plain(first)}{more})" if first else ""
    return " ".join(each for each in (f"“{plain(check.what)}”", verdict, seen) if each)


def registration_sentence(results: Results) -> str:
    """Since when the expectations have stood there, and which of them are newer than the first result."""
    known, expected = results.registration, [each for each in results.checks if each.origin == "expect"]
    if known is None or not expected:
        return ""
    late = sum(each.late for each in expected)
    if not known.registered:
        return "When the expectations were written down, this folder had results already."
    when = f"{known.registered.replace('T', ' ').removesuffix('+00:00')} UTC"
    stood = f"registered on {plain(when)}, before the first result in this folder (sha256 {known.sha256[:12]})"
    if not late:
        these = "The expectation was" if len(expected) == 1 else f"The {numbers.count(len(expected))} expectations were"
        gone = f"{numbers.count(len(known.dropped))} more {'was' if len(known.dropped) == 1 else 'were'}"
        dropped = f"; {gone} dropped since" if known.dropped else ""
        return f"{these} {stood}{dropped}."
    return (
        f"Of {numbers.count(len(expected))} expectations, {numbers.count(late)} {'is' if late == 1 else 'are'} newer "
        f"than the first result in this folder and no longer a prediction; expectations were last registered before it "
        f"on {plain(when)}."
    )


def undecided_sentence(results: Results) -> str:
    if not any(each.verdict == "undecided" and each.origin != "published" for each in results.checks):
        return ""
    return "Undecided means that the observed interval straddles a bound."


def published_sentence(results: Results) -> str:
    """How many figures of papers agree with this study; those that could not be compared are no agreement."""
    found: list[str] = [each.verdict for each in results.checks if each.origin == "published"]
    if not found:
        return ""
    parts = []
    for verdict, words in tables.PUBLISHED.items():
        count = found.count(verdict)
        plural = {"agrees": "agree", "differs": "differ"}.get(words, words) if count > 1 else words
        verb = {"undecided": "is undecided", "no comparison": "cannot be compared"}.get(words, plural)
        verb = verb.replace("is ", "are ") if count > 1 else verb
        parts += [f"{numbers.count(count)} {verb}"] if count else []
    total = len(found)
    figures = "1 published figure" if total == 1 else f"{numbers.count(total)} published figures"
    return f"Of {figures} beside this study’s own, {names.listing(parts)}{see('tab:published')}."


def baseline_sentences(results: Results) -> list[str]:
    """The dense models beside published perplexities: agreement, contradiction, or what keeps them from comparing."""
    return [plain(diagnosis.sentence(each)) for each in diagnosis.diagnose(results)]


def section(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """8 Checks."""
    table, published = tables.checks(results), tables.published(results)
    blocks = (
        *paragraph(verdict_sentence(results), undecided_sentence(results), registration_sentence(results)),
        *((table,) if table.rows else ()),
        *paragraph(published_sentence(results), *baseline_sentences(results), heading="Published figures."),
        *((published,) if published.rows else ()),
    )
    return Section("sec:checks", "Checks", blocks)
