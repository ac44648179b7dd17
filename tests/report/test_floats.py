"""Text moves into the holes that figures leave at the foot of a page."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from sparsity_report.report.floats import Measures, arranged

LINE = 0.02


def order(start, *blocks):
    """Names of the blocks as arranged, for (tag, name, height in pages)."""
    made = [ElementTree.Element(tag, {"id": name, "class": name.rstrip("0123456789")}) for tag, name, _ in blocks]
    heights = {block: height for block, (_, _, height) in zip(made, blocks, strict=True)}
    margins = dict.fromkeys(made, (0.0, 0.0))
    return [block.get("id") for block in arranged(made, Measures(heights, margins, start, LINE))[0]]


def test_text_behind_a_figure_fills_the_hole_before_it():
    found = order(0.5, ("figure", "fig", 0.6), ("p", "a", 0.3), ("p", "b", 0.3), ("p", "c", 0.3))

    assert found == ["a", "b", "fig", "c"]


def test_a_figure_that_fits_stays():
    assert order(0.3, ("figure", "fig", 0.6), ("p", "a", 0.3)) == ["fig", "a"]


def test_small_holes_and_tables_that_break_are_left_alone():
    assert order(0.95, ("figure", "fig", 0.6), ("p", "a", 0.3)) == ["fig", "a"]
    assert order(0.5, ("figure", "long", 0.6), ("p", "a", 0.3)) == ["long", "a"]


def test_text_never_leaves_its_section_and_headings_stay_with_their_text():
    assert order(0.5, ("figure", "fig", 0.6), ("p", "a", 0.2), ("h2", "next", 0.02), ("p", "b", 0.2)) == [
        "a", "fig", "next", "b",
    ]  # fmt: skip
    assert order(0.5, ("figure", "fig", 0.6), ("h3", "head", 0.02), ("figure", "fig2", 0.3))[0] == "fig"


def test_several_figures_are_settled_at_once():
    """The first hole takes a; the page of the first figure is then full to 0.9, and the second figure pulls c."""
    found = order(0.8, ("figure", "fig", 0.7), ("p", "a", 0.2), ("figure", "fig2", 0.5), ("p", "c", 0.3))

    assert found == ["a", "fig", "c", "fig2"]


def test_an_equation_goes_with_its_sentence():
    found = order(0.8, ("figure", "fig", 0.7), ("p", "lead", 0.2), ("div", "equation", 0.05), ("p", "b", 0.2))

    assert found[:2] == ["lead", "equation"]
    assert found.index("fig") == 3
