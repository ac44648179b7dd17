"""Which paragraphs of a calibration text are dropped, on texts whose answer can be read off."""

from __future__ import annotations

import sys

import pytest

from sparsity_report.curation import curate
from sparsity_report.errors import EnvironmentProblem
from sparsity_report.spec.model import Curation

WIKITEXT = "\n\n\n".join(
    [
        " = Robert Boulter = ",
        " Robert Boulter is an English film actor . ",
        " = = Career = = ",
        " = = = 2000 – 2005 = = = ",
        " In 2000 Boulter had a guest role . \n",
    ]
)
BODY = "Robert Boulter is an English film actor ."


def test_wikitext_headings_are_dropped_on_every_level() -> None:
    text, counts = curate(WIKITEXT, Curation(headings=False))

    assert [each.strip() for each in text.split("\n\n")] == [BODY, "In 2000 Boulter had a guest role ."]
    assert counts == {"before": 5, "headings": 3, "after": 2}


def test_without_rules_only_the_blank_lines_change() -> None:
    text, counts = curate("One.\n \n\n  Two,\n  wrapped.\n\n\nThree.\n", Curation())

    assert text == "One.\n\n  Two,\n  wrapped.\n\nThree."
    assert counts == {"before": 3, "after": 3}


@pytest.mark.parametrize(
    "heading", ["# Notes", "### Notes on the text", "= History =", "History of the place", "History\n*******"]
)
def test_headings_in_their_usual_forms(heading: str) -> None:
    text, counts = curate(f"{heading}\n\nIt was founded in 1790.", Curation(headings=False))

    assert text == "It was founded in 1790."
    assert counts == {"before": 2, "headings": 1, "after": 1}


@pytest.mark.parametrize(
    "paragraph",
    [
        "He agreed.",
        "“Is that so?”",
        "For example:",
        "   x = y",
        "* an item of a list",
        "a = b and so on for many more words than a heading would ever have",
        "The first line of two\nand the second without a full stop",
        "#hashtag.",
    ],
)
def test_what_only_looks_like_a_heading_stays(paragraph: str) -> None:
    assert curate(paragraph, Curation(headings=False)) == (paragraph, {"before": 1, "headings": 0, "after": 1})


def test_a_heading_directly_above_its_text_goes_without_it() -> None:
    """Each counts as a paragraph of its own, so that the counts add up."""
    text, counts = curate("# Notes\nThe text below.\n## More\nAnd more.", Curation(headings=False))

    assert text == "The text below.\n\nAnd more."
    assert counts == {"before": 4, "headings": 2, "after": 2}


def test_short_paragraphs_are_those_of_fewer_words() -> None:
    text, counts = curate("one two three\n\none two\n\none\ntwo\nthree", Curation(min_words=3))

    assert text == "one two three\n\none\ntwo\nthree"
    assert counts == {"before": 3, "short": 1, "after": 2}


def test_exact_duplicates_are_found_however_they_are_wrapped() -> None:
    text, counts = curate(
        "A cookie notice.\n\nText.\n\nA cookie\n  notice.\n\nA Cookie notice.", Curation(duplicates="exact")
    )

    assert text == "A cookie notice.\n\nText.\n\nA Cookie notice."
    assert counts == {"before": 4, "duplicates": 1, "after": 3}


def words(first: int, last: int) -> str:
    return " ".join(f"w{number}" for number in range(first, last))


@pytest.mark.parametrize(
    ("second", "kept"),
    [
        (words(0, 100).upper(), 1),  # the same words
        (words(5, 105), 1),  # 93 triples of 103 in common: 0.90
        (words(40, 140), 2),  # 58 of 138: 0.42
        (" ".join(reversed(words(0, 100).split())), 2),  # the same words, no triple in common
    ],
)
def test_near_duplicates_share_most_word_triples(second: str, kept: int) -> None:
    text, counts = curate(f"{words(0, 100)}\n\n{second}", Curation(duplicates="near"))

    assert text.startswith(words(0, 100))
    assert counts == {"before": 2, "duplicates": 2 - kept, "after": kept}


def test_near_duplicates_of_few_words_must_be_equal() -> None:
    text, _ = curate("yes\n\nno\n\nYes\n\noh yes", Curation(duplicates="near"))

    assert text == "yes\n\nno\n\noh yes"


def test_near_duplicates_are_the_same_every_time() -> None:
    """Neighbours have 88 triples of 108 in common, 0.81: close enough for the sketches to overlook some of them."""
    text = "\n\n".join(words(step * 10, step * 10 + 100) for step in range(40))
    first, counts = curate(text, Curation(duplicates="near"))

    assert curate(text, Curation(duplicates="near")) == (first, counts)
    assert 0 < counts["duplicates"] < 39


def test_filters_work_one_after_the_other_and_count_every_paragraph_once() -> None:
    text = "= A =\n\n= A =\n\nshort one.\n\na b c d e.\n\na b c d e."
    left, counts = curate(text, Curation(min_words=5, headings=False, duplicates="exact"))

    assert left == "a b c d e."
    assert counts == {"before": 5, "headings": 2, "short": 1, "duplicates": 1, "after": 1}


def test_everything_may_be_dropped() -> None:
    assert curate("one\n\ntwo", Curation(min_words=2)) == ("", {"before": 2, "short": 2, "after": 0})


def test_near_duplicates_without_their_package_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasketch", None)

    with pytest.raises(EnvironmentProblem, match="needs the package 'datasketch'") as refused:
        curate("text", Curation(duplicates="near"))

    assert "pip install 'sparsity-report[curation]'" in refused.value.remedy
