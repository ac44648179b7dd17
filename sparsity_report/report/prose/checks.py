"""Section 8: what was expected, beside what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import names, numbers, tables
from ..document import Section
from ..markup import see
from .words import paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...results.model import Results
    from ..drawing import Drawing


def verdict_sentence(results: Results) -> str:
    """How the checks went; one that could not be made does not count as met."""
    if not results.checks:
        return "The spec has no expectations, and no contract check was recorded."
    found = [each.verdict for each in results.checks]
    if set(found) == {"pass"}:
        number = "The check was" if len(found) == 1 else f"All {numbers.count(len(found))} checks were"
        return f"{number} met{see('tab:checks')}."
    parts = [
        f"{numbers.count(found.count(verdict))} {words}"
        for verdict, words in tables.VERDICTS.items()
        if verdict in found
    ]
    return f"Of {numbers.count(len(found))} checks: {names.listing(parts)}{see('tab:checks')}."


def undecided_sentence(results: Results) -> str:
    if not any(each.verdict == "undecided" for each in results.checks):
        return ""
    return "Undecided means that the observed interval straddles a bound."


def section(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """8 Checks."""
    table = tables.checks(results)
    blocks = (*paragraph(verdict_sentence(results), undecided_sentence(results)), *((table,) if table.rows else ()))
    return Section("sec:checks", "Checks", blocks)
