"""Text moves into the holes that figures leave at the foot of a page."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import pytest

from sparsity_report.report import floats, pdf

SHEET = """
@page { size: 300px 500px; margin: 0; @footnote { margin: 0 } }
body, main, p, figure, h2, h3 { margin: 0; font: 10px/10px monospace; break-inside: avoid }
h2, h3 { break-after: avoid; height: 10px }
p + p { text-indent: 8px }
.note { float: footnote; height: 20px; display: block }
.note::footnote-call, .note::footnote-marker { content: "" }
"""


def elements(*blocks):
    return [ElementTree.Element(tag, {"id": name, "class": name.rstrip("0123456789")}) for tag, name in blocks]


def names(blocks):
    return [each.get("id") for each in blocks]


def boxes_of(page):
    body = page._page_box.children[0].children[0]
    return [each for box in body.children for each in box.children]


@pytest.fixture
def laid_out():
    """Names of the blocks on every page, for (tag, name, height in px) on pages of 500 px; and the document."""
    if reason := pdf.problem():
        pytest.skip(reason)
    import weasyprint

    def lay_out(*blocks, inside=""):
        made = "".join(
            f'<{tag} id="{name}" class="{name.rstrip("0123456789")}" style="height:{height}px">{inside}</{tag}>'
            for tag, name, height in blocks
        )
        page = weasyprint.HTML(string=f"<style>{SHEET}</style><body><main>{made}</main>")
        document = floats.render(weasyprint, page)
        return [names([box.element for box in boxes_of(each)]) for each in document.pages], document

    return lay_out


def test_text_behind_a_figure_fills_the_hole_before_it(laid_out):
    """Of 250 px before the figure, a and b take 240; c would not fit, and stays behind the figure."""
    found, _ = laid_out(("p", "first", 250), ("figure", "fig", 300), ("p", "a", 120), ("p", "b", 120), ("p", "c", 120))

    assert found == [["first", "a", "b"], ["fig", "c"]]


def test_a_figure_that_fits_stays(laid_out):
    assert laid_out(("p", "first", 150), ("figure", "fig", 300), ("p", "a", 150))[0] == [["first", "fig"], ["a"]]


def test_small_holes_are_left_alone(laid_out):
    found, _ = laid_out(("p", "first", 460), ("figure", "fig", 300), ("p", "a", 30))

    assert found == [["first"], ["fig", "a"]]


def test_text_that_does_not_fit_stays_behind(laid_out):
    found, _ = laid_out(("p", "first", 300), ("figure", "fig", 250), ("p", "a", 240))

    assert found == [["first"], ["fig", "a"]]


def test_several_holes_are_filled_one_after_the_other(laid_out):
    found, _ = laid_out(
        ("p", "first", 350), ("figure", "fig", 300), ("p", "a", 140), ("figure", "fig2", 250), ("p", "b", 150)
    )

    assert found == [["first", "a"], ["fig", "b"], ["fig2"]]


def test_a_heading_stays_with_its_figure_and_takes_text_of_its_own_section(laid_out):
    blocks = ("p", "first", 250), ("h3", "head", 10), ("figure", "fig", 300), ("p", "a", 120)

    assert laid_out(*blocks)[0] == [["first", "head", "a"], ["fig"]]
    assert laid_out(*blocks[:3], ("h3", "head2", 10), blocks[3])[0] == [["first"], ["head", "fig", "head2", "a"]]


def test_paragraphs_are_indented_by_where_they_stand(laid_out):
    _, document = laid_out(
        ("p", "first", 250), ("figure", "fig", 300), ("p", "a", 120), ("p", "b", 120), ("p", "c", 120), inside="x"
    )
    indents = {box.element.get("id"): box.children[0].text_indent for page in document.pages for box in boxes_of(page)}

    assert {name: indents[name] for name in "abc"} == {"a": 8, "b": 8, "c": 0}


def test_equal_paragraphs_share_no_indent():
    """WeasyPrint gives elements that look the same one style together: what one gets, the others must not."""
    styles = [{"text_indent": SimpleNamespace(value=value)} for value in (0, 8)]
    boxes = [
        SimpleNamespace(element=element, style=styles[element.tag == "p"], children=[])
        for element in elements(("p", "a"), ("p", "b"), ("figure", "fig"), ("p", "c"), ("p", "d"))
    ]
    boxes[0].style = styles[0]
    floats._Hole(SimpleNamespace(), (), 0, ())._order(boxes)

    assert [box.style["text_indent"].value for box in boxes if box.element.tag == "p"] == [0, 8, 0, 8]


def test_a_note_of_a_page_that_is_made_again_stands_there_once(laid_out):
    _, document = laid_out(
        ("p", "first", 250), ("figure", "fig", 300), ("p", "a", 120), inside='<span class="note">n</span>'
    )
    notes = [
        child
        for page in document.pages
        for box in page._page_box.children
        if type(box).__name__ == "FootnoteAreaBox"
        for child in box.children
    ]

    assert len(notes) == 3


def test_weasyprint_is_left_as_it_was(laid_out):
    import weasyprint

    before = weasyprint.layout.page.remake_page
    laid_out(("p", "first", 10))

    assert weasyprint.layout.page.remake_page is before


def test_other_boxes_than_expected_leave_the_order(laid_out, monkeypatch):
    monkeypatch.setattr(floats, "_main_boxes", lambda page: page.nothing_like_this)

    assert laid_out(("p", "first", 250), ("figure", "fig", 300), ("p", "a", 100))[0] == [["first"], ["fig", "a"]]


def test_text_leaves_its_section_only_for_a_large_hole_and_figures_keep_their_order(laid_out):
    blocks = elements(
        ("p", "a"), ("figure", "fig2"), ("h3", "head"), ("p", "b"), ("h2", "s"), ("p", "c"), ("h2", "s2"), ("p", "d")
    )

    assert names(floats.movable(blocks, across=False)) == ["a", "head", "b"]
    assert names(floats.movable(blocks, across=True)) == ["a", "head", "b", "s", "c"]
    for height, expected in ((350, [["first", "next", "a"], ["fig"]]), (420, [["first"], ["fig", "next", "a"]])):
        found, _ = laid_out(("p", "first", height), ("figure", "fig", 200), ("h2", "next", 10), ("p", "a", 60))
        assert found == expected


def test_figures_move_one_section_on_and_no_further(laid_out):
    """The second figure, pushed into section s by the first, does not follow it into section s2."""
    found, _ = laid_out(
        ("p", "first", 300), ("figure", "fig", 290), ("figure", "fig2", 300), ("h2", "s", 10), ("p", "a", 180),
        ("h2", "s2", 10), ("p", "b", 180),
    )  # fmt: skip

    assert found == [["first", "s", "a"], ["fig"], ["fig2", "s2", "b"]]


def test_references_stay_behind_all_figures(laid_out):
    found, _ = laid_out(("p", "first", 250), ("figure", "fig", 300), ("section", "references", 100))

    assert found == [["first"], ["fig", "references"]]


def test_no_heading_is_left_without_its_text():
    assert names(floats.movable(elements(("p", "a"), ("h3", "head"), ("figure", "fig2")), across=False)) == ["a"]
    assert floats.placed(elements(("p", "a"), ("h3", "head"), ("p", "b")), 2, cut=False) == 1


def test_an_equation_goes_with_its_sentence():
    """The page ended within the first paragraph; the equation after it is not torn off by the figure."""
    text = elements(("p", "a"), ("div", "equation"), ("p", "b"), ("p", "c"))

    assert floats.placed(text, 0, cut=True) == 3
    assert floats.placed(text, 3, cut=True) == 4
    assert floats.placed(text, 0, cut=False) == 0


def test_a_listing_that_would_be_cut_stays_behind_the_figure():
    text = elements(("p", "a"), ("div", "listing"), ("p", "b"))

    assert floats.placed(text, 1, cut=True) == 1
    assert floats.placed(text, 2, cut=False) == 2
