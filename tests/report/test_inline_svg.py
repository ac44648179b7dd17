"""Figures as elements of the page: the same picture in fewer bytes."""

from __future__ import annotations

import re

from sparsity_report.report.drawing import Drawing
from sparsity_report.report.inline_svg import pictures

HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="206.93pt" height="9pt">'
)
LETTER = '<defs><path id="R13" d="M 0 0 L 9 9 z" transform="scale(0.015625)"/></defs>'


def shown(*bodies: str) -> tuple[list[str], str]:
    drawings = {
        str(place): Drawing(str(place), "", f"{HEAD}{body}</svg>", 'alt > "text"', "", "", "")
        for place, body in enumerate(bodies)
    }
    found = pictures(drawings)
    return list(found.by_id.values()), found.css


def label(words: str, uses: str, turned: str = "") -> str:
    return (
        f'<g aria-label="{words}" style="fill: #222222" transform="translate(3 7){turned} scale(0.08 -0.08)">{uses}</g>'
    )


def test_a_figure_is_one_image_with_its_alternative_text_and_its_share_of_the_column():
    (svg,), _ = shown("<path d='M0 0'/>")

    assert svg.startswith('<svg role="img" aria-label="alt &gt; &#34;text&#34;"')
    assert 'style="width: 50.0%"' in svg


def test_labels_are_text_of_their_size_at_their_place_turned_where_they_were():
    """0.08 of matplotlib's hundred units are 8 px."""
    (svg,), css = shown(label("a", f'{LETTER}<use xlink:href="#R13"/>') * 2)
    (turned,), _ = shown(label("a", f'{LETTER}<use xlink:href="#R13"/>', " rotate(-90)"))

    assert re.search(r'<text x="3" y="7" class="(_\d+)">a</text>', svg)
    assert "{fill: #222222; font-size: 8px}" in css
    assert 'transform="translate(3 7) rotate(-90)"' in turned
    assert "<use" not in svg
    assert "<path" not in svg


def test_an_outline_stays_for_those_who_use_it_later():
    """The first label becomes text; the second, two letters in one outline, keeps what the first defined."""
    (svg,), _ = shown(label("a", f'{LETTER}<use xlink:href="#R13"/>') + label("ab", '<use xlink:href="#R13"/>'))

    (name,) = re.findall(r'<path id="([^"]+)"', svg)
    assert f'<use href="#{name}"' in svg
    assert "aria-label" not in svg.partition(">")[2]


def test_names_are_unique_in_the_page_and_looks_are_shared():
    marker = '<defs><path id="m1" d="M0 0"/></defs><use xlink:href="#m1" style="fill: red"/>'
    (first, second), css = shown(marker, marker)

    assert set(re.findall(r'id="([^"]+)"', first)).isdisjoint(re.findall(r'id="([^"]+)"', second))
    assert re.findall(r'<use [^>]*class="(\w+)"', first) == re.findall(r'<use [^>]*class="(\w+)"', second)
    assert css.count("fill: red") == 1
