"""Two runs as Markdown, HTML and JUnit XML: what is said in each, and that nothing from outside is markup there."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from tiny_results import cell, perplexity, results, stored, timing

from sparsity_report.errors import CANNOT_CHECK, CHECK_FAILED, OK
from sparsity_report.report import comparison as pages
from sparsity_report.report.junit import xml
from sparsity_report.results.compare import compare
from sparsity_report.results.model import CheckRecord

EVIL = "<script>alert(1)</script>|`]]>&\u2028\x07é"


@pytest.fixture
def found():
    old = results(cell("dense", stored(100), perplexity(20.0)), cell("csr", stored(9)), cell("gone"))
    new = results(cell("dense", stored(100), perplexity(21.0)), cell("csr", stored(8)), cell("masked"))
    return compare(old, new)


def test_markdown_says_what_changed_and_by_how_much(found):
    text = pages.markdown(found, CHECK_FAILED)

    assert text.startswith("**Numbers changed.** 1 better, 3 same, 1 worse.\n")
    assert "| ▼ worse | dense | perplexity(corpus=embedded) | 20 | 21 | +5 % |" in text
    assert "| ▲ better | csr | stored\\_bytes | 9 | 8 | -11.1 % |" in text
    assert "- only in OLD: gone" in text
    assert "- only in NEW: masked" in text
    assert MarkdownIt("commonmark").enable("table").render(text).count("<tr>") == 3


def test_markdown_stays_within_what_a_comment_may_hold():
    old, new = (
        results(*(cell(f"masked-{number}-{'x' * 300}", stored(value)) for number in range(400))) for value in (1, 2)
    )
    text = pages.markdown(compare(old, new), CHECK_FAILED)

    assert len(text.encode()) <= 60_000
    assert re.search(r"^\d+ more: `sparsity-report diff", text, re.MULTILINE)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)


def test_nothing_from_outside_is_markup():
    old, new = (results(cell(f"csr{EVIL}", stored(value), status="failed", reason=EVIL)) for value in (1, 2))
    found = compare(old.model_copy(update={"cells": (*old.cells, cell(EVIL))}), new)
    html, parser = pages.html(found, CHECK_FAILED, everything=True), Tags()
    parser.feed(html)
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table").render(pages.markdown(found, CHECK_FAILED))

    assert "script" not in parser.seen
    assert "&lt;script&gt;" in html
    assert "<script" not in markdown
    assert "default-src 'none'" in html


def test_a_page_of_nothing_says_so():
    found = compare(results(), results())

    assert "no cell is in both runs" in pages.html(found, CANNOT_CHECK)
    assert "this is no pass" in pages.markdown(found, CANNOT_CHECK)
    assert "Nothing changed" in pages.markdown(found, OK)


def gate(what, verdict, on_miss="fail"):
    return CheckRecord.model_validate(
        {"what": what, "expected": "at most 1", "observed": "2", "verdict": verdict, "on_miss": on_miss}
    )


def outcomes(document):
    suite = ElementTree.fromstring(document).find("testsuite")
    cases = {each.get("name"): [child.tag for child in each] for each in suite.iter("testcase")}
    return cases, {key: suite.get(key) for key in ("tests", "failures", "errors")}


def test_junit_tells_failures_from_what_could_not_be_decided():
    checks = (
        gate("passes", "pass"),
        gate("missed", "miss"),
        gate("only reported", "miss", "report"),
        gate("straddles", "undecided"),
        gate("unknown", "cannot_check", "report"),
    )
    cases, sums = outcomes(xml(results(cell("dense")).model_copy(update={"checks": checks})))

    assert cases == {
        "passes": ["system-out"],
        "missed": ["failure"],
        "only reported": ["system-out"],
        "straddles": ["error"],
        "unknown": ["error"],
    }
    assert sums == {"tests": "5", "failures": "1", "errors": "2"}


def test_junit_has_a_case_for_every_cell_of_the_baseline(found):
    slower = timing("prefill_latency_s", 2.0, (1.9, 2.1))
    cases, sums = outcomes(xml(results(), found))

    assert cases == {"dense": ["failure"], "csr": [], "gone": ["failure"]}
    assert sums == {"tests": "3", "failures": "2", "errors": "0"}
    other = compare(results(cell("dense", slower)), results(cell("dense", slower), fingerprint="other"))
    assert outcomes(xml(results(), other))[0] == {"dense": [], "something is compared": ["error"]}
    assert outcomes(xml(results(), other, timings=True))[0]["dense"] == ["error"]


def test_junit_is_xml_whatever_stands_in_it():
    made = results(cell("dense")).model_copy(update={"checks": (gate(EVIL, "miss"),)})
    suite = ElementTree.fromstring(xml(made)).find("testsuite")

    assert suite[0].get("name").startswith("<script>alert(1)</script>|`]]>&")
    assert "\x07" not in suite[0].get("name")
