"""Marks of prose, and text that must not become one."""

from __future__ import annotations

import pytest
from markupsafe import Markup

from sparsity_report.report import document, markup


@pytest.fixture
def numbering():
    sections = (document.Section("sec:a", "A", (document.Equation("eq:x", "x", "x"),)),)
    return document.number(
        sections, (markup.cite("han2015learning", "gale2019state"),), lambda tex, spoken: Markup(spoken)
    )


def test_everything_that_is_not_a_mark_is_escaped(numbering):
    assert str(markup.to_html("a < b & <script>", numbering)) == "a &lt; b &amp; &lt;script&gt;"


def test_text_from_outside_cannot_contain_a_mark(numbering):
    hostile = markup.cite("han2015learning")

    assert "<a" not in markup.to_html(markup.plain(hostile), numbering)


def test_citations_are_numbered_in_the_order_of_their_first_use(numbering):
    html = markup.to_html("x" + markup.cite("gale2019state", "han2015learning"), numbering)

    assert html.striptags() == "x [2, 1]"
    assert 'href="#ref-gale2019state"' in html


def test_no_citation_is_no_text():
    assert markup.cite("") == ""


def test_see_names_only_what_the_document_has(numbering):
    assert markup.to_html("so" + markup.see("fig:none", "eq:x"), numbering).striptags() == "so (Eq. (1))"
    assert markup.to_html("so" + markup.see("fig:none"), numbering) == "so"


def test_a_reference_to_nothing_is_an_error(numbering):
    with pytest.raises(KeyError):
        markup.to_html(markup.ref("fig:none"), numbering)


def test_the_space_before_a_link_moves_into_it(numbering):
    """Works around an early line break of WeasyPrint 70; the words stay apart."""
    html = markup.to_html("see " + markup.ref("sec:a"), numbering)

    assert html.startswith("see<span> <a")


def test_plain_text_has_words_for_formulas_and_no_citations():
    text = f"With {markup.formula('x_i', 'x i')} zeros{markup.cite('han2015learning')}."

    assert markup.to_text(text) == "With x i zeros."
