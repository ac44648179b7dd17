"""Two runs beside each other as Markdown for a pull request and as one self-contained HTML page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import CANNOT_CHECK, CHECK_FAILED, OK
from .markdown import SUMMARY_BYTES, cell
from .templates import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..results.compare import Comparison, Difference

FORMATS = ("text", "markdown", "json", "html")
SIGNS = {"better": "▲", "worse": "▼", "changed": "●", "lost": "✕", "new": "+", "not_comparable": "?", "same": "="}
"""Beside the word, so that no verdict is told by a colour alone."""
SENTENCES = {
    OK: "Nothing changed beyond its noise.",
    CHECK_FAILED: "Numbers changed.",
    CANNOT_CHECK: "Not everything could be compared: this is no pass.",
}
MARKDOWN_ROWS = 200


@dataclass(frozen=True)
class Line:
    """A difference as it is read."""

    sign: str
    verdict: str
    cell: str
    number: str
    old: str
    new: str
    change: str
    why: str


def shown(value: float | str | None) -> str:
    return "–" if value is None else value if isinstance(value, str) else f"{value:.9g}"


def named(each: Difference) -> str:
    """ "perplexity(corpus=embedded)"."""
    conditions = ", ".join(f"{key}={value}" for key, value in each.conditions.items())
    return f"{each.metric}({conditions})" if conditions else each.metric


def relative(each: Difference) -> str:
    """ "+1.5 %" where both are numbers and the old one is not zero."""
    if isinstance(each.old, str) or isinstance(each.new, str) or not each.old or each.new is None:
        return ""
    return f"{100 * (each.new / each.old - 1):+.3g} %"


def verdict(each: Difference) -> str:
    return each.verdict.replace("_", " ")


def line(each: Difference) -> Line:
    return Line(
        sign=SIGNS[each.verdict],
        verdict=verdict(each),
        cell=each.cell,
        number=named(each),
        old=shown(each.old),
        new=shown(each.new),
        change=relative(each),
        why=each.why,
    )


def chosen(comparison: Comparison, *, everything: bool) -> Iterator[Difference]:
    """What changed and what could not be compared though it decides; or everything."""
    if everything:
        yield from comparison.differences
        return
    yield from comparison.changes
    yield from comparison.unjudged


def counts(comparison: Comparison) -> str:
    """ "3 same, 1 worse"."""
    found = Counter(map(verdict, comparison.differences))
    return ", ".join(f"{count} {each}" for each, count in sorted(found.items())) or "no cell is in both runs"


def markdown(comparison: Comparison, code: int, *, everything: bool = False) -> str:
    """For a comment or a step summary: within what code hosts accept, and nothing in it is markup but ours."""
    return rendered("diff.md.j2", comparison, code, everything=everything, most=MARKDOWN_ROWS)


def html(comparison: Comparison, code: int, *, everything: bool = False) -> str:
    """One page that runs no script and fetches nothing."""
    return rendered("diff.html.j2", comparison, code, everything=everything, most=None)


def rendered(name: str, comparison: Comparison, code: int, *, everything: bool, most: int | None) -> str:
    rows = [line(each) for each in chosen(comparison, everything=everything)]
    text = (
        environment()
        .get_template(name)
        .render(
            sentence=SENTENCES[code],
            counts=counts(comparison),
            circumstances=comparison.circumstances,
            rows=rows[:most],
            left_out=len(rows) - len(rows[:most]),
            only_old=comparison.only_old,
            only_new=comparison.only_new,
            cell=cell,
        )
    )
    if most is None or len(text.encode()) <= SUMMARY_BYTES:
        return text
    return rendered(name, comparison, code, everything=everything, most=most // 2)
