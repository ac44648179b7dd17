"""`summary.md`, and Markdown of authors."""

from __future__ import annotations

import pytest

from sparsity_report.report import markdown
from sparsity_report.results.together import together

from .conftest import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_summary_is_small_and_its_tables_are_whole(results, name):
    text = markdown.summary(results(name))
    rows = [line for line in text.splitlines() if line.startswith("|")]

    assert len(text.encode()) <= markdown.SUMMARY_BYTES
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1


def test_a_summary_has_the_headline_numbers_and_names_what_it_leaves_out(results):
    text = markdown.summary(results("course"))

    assert "62.8" in text
    assert "5 more rows are in the report." in text


def test_hostile_text_stays_text(results):
    assert "<script>" not in markdown.summary(results("hardest")).replace("\\<script\\>", "")


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        '<img src=x onerror="alert(1)">',
        "![x](https://example.org/x.png)",
    ],
)
def test_author_markdown_cannot_run_or_fetch_anything(hostile):
    html = str(markdown.to_html(hostile))

    assert "<script" not in html
    assert "<img" not in html
    assert 'href="javascript' not in html


def test_author_markdown_keeps_emphasis_lists_and_links():
    html = str(markdown.to_html("*a* **b** [c](https://example.org)\n\n- d"))

    assert all(tag in html for tag in ("<em>a</em>", "<strong>b</strong>", 'href="https://example.org"', "<li>d</li>"))


def test_rows_of_several_studies_are_named_and_each_has_some(results):
    """Both have a row called "dense"; twelve rows of the first alone would hide the second."""
    shown = markdown.summary(together({"one": results("course"), "two": results("course")}))
    rows = [line.split(" |")[0] for line in shown.splitlines() if line.startswith("| ")]

    assert rows.count("| one/tiny-opt: dense") == rows.count("| two/tiny-opt: dense") == 1
    assert sum(row.startswith("| one/") for row in rows) == sum(row.startswith("| two/") for row in rows) == 6
