"""Quotes written out from results: as in tables, and what happens to those that have no number."""

from __future__ import annotations

import re
from html import unescape

import pytest

from sparsity_report.errors import SpecError
from sparsity_report.report import html, markdown, markup, quoting
from sparsity_report.results.model import NoteRecord


def noted(results, text, part="discussion", references=None):
    notes = (NoteRecord(part=part, file="own.md", text=text),)
    return results.model_copy(
        update={"study": results.study.model_copy(update={"notes": notes, "references": references or {}})}
    )


def written(results, text):
    """The text as a reader sees it."""
    found = re.sub(r"</?p>", "", quoting.html(noted(results, text), "discussion"))
    return unescape(markup.to_text(found)).strip()


def test_numbers_are_written_as_tables_write_them(results):
    course = results("course")
    cell = next(each for each in course.cells if each.variant.format.entry == "csr")
    size, dense = cell.value("stored_bytes", over="target"), course.cells[0].value("stored_bytes", over="target")
    here = "sparsity=0.3, method=magnitude, format=csr"

    assert written(course, f"{{{{ stored_bytes | over=target, {here} }}}}") == f"{size / 2**20:.2f}\u00a0MiB"
    assert written(course, f"{{{{ stored_bytes | over=target, {here}, relative_to=dense }}}}") == f"{size / dense:.2f}×"
    assert written(course, f"{{{{ sparsity_requested | {here} }}}}") == "30\u00a0%"
    agreement = cell.find("agreement_top1")
    found = written(course, f"{{{{ agreement_top1 | {here}, interval }}}}")
    assert re.fullmatch(r"[\d.]+\u00a0% \[[\d.]+, [\d.]+\]", found)
    assert float(found.split("\u00a0")[0]) == pytest.approx(100 * agreement.value, abs=0.5)


def test_a_state_is_one_number_in_all_of_its_formats(results):
    course = results("course")

    assert re.fullmatch(r"[\d.,]+", written(course, "{{ perplexity | pattern=2:4 }}"))


@pytest.mark.parametrize(
    ("quote", "why"),
    [
        ("stored_bytes | method=magnitude, sparsity=0.3", "is 2 numbers, of magnitude"),
        ("perplexity | method=magnitude", "numbers"),
        ("stored_bytes | variant=dense, component=nowhere", "has no stored_bytes"),
        ("energy_j | variant=dense", "has no energy_j"),
    ],
)
def test_a_quote_that_is_not_one_number_is_refused_with_its_line(results, quote, why):
    with pytest.raises(SpecError) as refused:
        quoting.html(noted(results("course"), f"First line.\n\n{{{{ {quote} }}}}"), "discussion")

    assert refused.value.exit_code == 3
    assert "own.md:3: the quote" in str(refused.value)
    assert why in str(refused.value)


def test_a_key_that_is_in_no_list_is_refused_and_the_authors_own_is_not(results, drawn_as):
    drawn_as("course")
    course = results("course")
    with pytest.raises(SpecError, match=r"own\.md:1: the key 'mine2026'"):
        html.render_html(noted(course, "[@mine2026]"))
    page = html.render_html(
        noted(
            course,
            "So it is [@mine2026].",
            references={"mine2026": {"type": "misc", "author": "My Self", "title": "Own"}},
        )
    )

    assert re.search(r'So it is <span class="nobr">\[<a href="#ref-mine2026">\d+</a>\]</span>\.', page)
    assert "M. Self. Own." in page


def test_the_number_of_a_failed_cell_is_missing_and_an_alert_says_why(results):
    failed = noted(results("every_cell_failed"), "We see {{ perplexity | sparsity=0.3 }}.")
    page = html.render_html(failed)

    assert "We see <span>no number</span>." in page
    assert "own.md, line 1, quotes a number that this run does not have" in page
    assert "weights contain NaN" in quoting.alerts(failed)[0].text
    assert quoting.alerts(noted(results("course"), "{{ perplexity | variant=dense }}")) == ()
    assert "does not have" in markdown.summary(failed)


def test_a_number_that_is_not_finite_is_said_to_be(results):
    lost = results("nan_perplexity")
    cell = next(each for each in lost.cells if (found := each.find("perplexity")) and found.value is None)

    assert written(lost, f'{{{{ perplexity | id="{cell.id}" }}}}') == "not finite"


def test_every_part_stands_in_its_place(results, drawn_as):
    drawn_as("course")
    course = results("course")
    notes = tuple(
        NoteRecord(part=part, file="own.md", text=f"My own {part}, **{{{{ sparsity_requested | pattern=2:4 }}}}**.")
        for part in ("question", "abstract", "related_work", "discussion")
    )
    page = html.render_html(
        course.model_copy(
            update={"study": course.study.model_copy(update={"notes": notes, "question": "", "abstract": ""})}
        )
    )

    for part in ("question", "abstract", "related_work", "discussion"):
        assert page.count(f"My own {part}, <strong><span>50\u00a0%</span></strong>.") == 1, part
    assert "Related work" in page


def test_the_authors_text_cannot_bring_markup_or_marks(results):
    """Markdown is sanitised; private-use characters, by which our marks are written, are dropped."""
    text = "<script>x</script> [a](javascript:x) \ue000cite\ue001han2015learning\ue002 {{ sparsity | variant=dense }}"
    found = str(quoting.html(noted(results("course"), text), "discussion"))

    assert "<script" not in found
    assert "href" not in found
    assert list(markup.cited(found)) == []
