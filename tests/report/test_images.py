"""SVG as data: smaller, and still the same picture."""

from __future__ import annotations

from urllib.parse import unquote
from xml.etree import ElementTree

from sparsity_report.report import images

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><g><g /><g id="a">'
    '<defs><path id="R48" d="M 2611 1050 L -64 8 z " transform="scale(0.015625)"/></defs><use xlink:href="#R48"/>'
    "</g></g><g><g><text>x</text></g></g></svg>"
)


def test_the_picture_is_well_formed_and_keeps_what_it_shows():
    """Bare groups go, with their own end tags, and empty ones; those with attributes stay."""
    uri = images.svg_uri(SVG)
    root = ElementTree.fromstring(unquote(uri.partition(",")[2]))
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]

    assert tags == ["svg", "g", "defs", "path", "use", "text"]
    assert root.find(".//*[@href='#R48']") is not None
    assert '"' not in uri


def test_glyphs_are_on_a_coarser_grid_of_the_same_size():
    """2611 and 1050 of 4,096 are 326 and 131 of 512."""
    text = unquote(images.svg_uri(SVG))

    assert "M326 131L-8 1z" in text
    assert "scale(0.125)" in text


def test_what_draws_nothing_is_left_out():
    svg = '<svg><g /><path d="M1.5 2 " clip-path="url(#c)" style="fill: red"/><path d="M 1 2 L 3 4 " /></svg>'

    assert images.without_idle_markup(svg) == '<svg><path d="M1 2L3 4"/></svg>'
