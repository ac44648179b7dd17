"""Markdown in both directions: the author's text into safe HTML, and the report into a short summary for CI."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from markupsafe import Markup

from . import markup, replicates

if TYPE_CHECKING:
    from pathlib import Path

    from ..results.model import Results
    from .document import Row, Table

TAGS = {"p", "em", "strong", "a", "ul", "ol", "li", "code", "blockquote", "br"}
SUMMARY_BYTES = 60_000
SUMMARY_ROWS = 12


def to_html(text: str) -> Markup:
    """
    Paragraphs, emphasis, lists, code and links of an author's Markdown; everything else loses its tags.

    Marks of ours stay; whoever takes a text from outside drops its own with `markup.plain` before.
    """
    import nh3
    from markdown_it import MarkdownIt

    html = MarkdownIt("commonmark", {"html": False}).render(text)
    clean = nh3.clean(html, tags=TAGS, attributes={"a": {"href"}}, url_schemes={"http", "https", "mailto"})
    return Markup(clean)


def cell(text: str) -> str:
    """Text as a Markdown table cell: nothing in it can end the cell or become markup."""
    escaped = "".join(f"\\{each}" if each in "\\`*_[]<>|#" else each for each in text)
    return " ".join(escaped.split())


def _first_rows(table: Table) -> tuple[Row, ...]:
    """At most twelve rows, of every group as many; where there are several, the first entry says which."""
    if len(table.groups) == 1:
        return table.rows[:SUMMARY_ROWS]
    share = max(SUMMARY_ROWS // max(len(table.groups), 1), 1)
    return tuple(
        replace(
            row, entries=(replace(row.entries[0], text=f"{group.heading}: {row.entries[0].text}"), *row.entries[1:])
        )
        if group.heading
        else row
        for group in table.groups
        for row in group.rows[:share]
    )


def summary(results: Results, templates: Path | None = None) -> str:
    """`summary.md`: title, answers, alerts, at most twelve rows of the headline table and the checks."""
    from .prose import summary as words
    from .prose.checks import verdict_sentence
    from .result_tables import headline
    from .templates import blamed, environment

    shown = replicates.pooled(results)
    table = headline(shown)
    with blamed(templates):
        text = (
            environment(templates)
            .get_template("summary.md.j2")
            .render(
                results=results,
                glance=[markup.to_text(each) for each in words.at_a_glance(shown)],
                alerts=words.alerts(shown),
                verdict=markup.to_text(verdict_sentence(shown)),
                columns=table.columns,
                rows=_first_rows(table),
                left_out=len(table.rows) - len(_first_rows(table)),
                notes=[markup.to_text(each) for each in table.notes],
                cell=cell,
            )
        )
    return (
        text
        if len(text.encode()) <= SUMMARY_BYTES
        else text.encode()[: SUMMARY_BYTES - 4].decode(errors="ignore") + "\n…\n"
    )
