"""
Fill the holes that unbreakable figures leave at the foot of a page: text that follows a figure moves in front of it.

WeasyPrint has no page floats (Kozea/WeasyPrint#259). A figure that does not fit starts the next page, and the
rest of its own page stays empty. So the paper is laid out twice: once on a page without end, where the height of every
block can be read, and once as it is, after the blocks that follow a figure, up to the next section, were pulled
before it wherever it would leave a hole. Only where that went wrong is there a third layout. This reads private
attributes of WeasyPrint's pages: where they are not as expected, the order stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SMALLEST_HOLE = 0.10
"""Of the height of the text area; a smaller hole is left alone."""
LARGE_HOLE = 0.25
"""A hole worth another layout: it came of a page that WeasyPrint ended elsewhere than was expected here."""
ENDLESS = "@page { size: 210mm 100000mm !important } .contents a::after { content: none !important }"
"""One page for everything; its dotted leaders to page numbers are left out, for they take time and no height."""
A4_HEIGHT_PX = 297 / 25.4 * 96
LINE_PX = 10 * 1.34 / 72 * 96
"""A line of the text, as the style sheets set it."""
FEWEST_LINES = 2
"""Of a paragraph, on either side of a page break."""


@dataclass(frozen=True)
class Measures:
    """Blocks of `<main>`: their heights and the margins above and below, and the start of the first; in pages."""

    heights: dict[Element, float]
    margins: dict[Element, tuple[float, float]]
    start: float
    line: float

    def gap(self, upper: Element, lower: Element | None) -> float:
        """The space between two blocks, whose margins collapse."""
        above = self.margins[upper][1]
        return above if lower is None else max(above, self.margins[lower][0])


def place(weasyprint: Any, html: Any, **options: Any) -> Any:
    """The laid out document of a `weasyprint.HTML`, its figures moved where that fills a page."""
    main = html.etree_element.find(".//main")
    endless = html.render(stylesheets=[weasyprint.CSS(string=ENDLESS)], **options)
    measures = None if main is None else _measure(endless.pages[0])
    if main is None or measures is None:
        return html.render(**options)
    blocks = list(main)
    main[:], expected = arranged(blocks, measures)
    document = html.render(**options)
    surprise = _surprise(document, expected)
    if surprise is not None:
        main[:], _ = arranged(blocks, measures, surprise)
        document = html.render(**options)
    return document


def _main_boxes(page: Any) -> list[Any]:
    """The boxes of `<main>`'s children on a page, in the flow."""
    body = page._page_box.children[0].children[0]
    return [
        each for box in body.children if box.element_tag == "main" for each in box.children if each.is_in_normal_flow()
    ]


def _surprise(document: Any, expected: set[Element]) -> Element | None:
    """The first block that begins a page where none was expected to, if a large hole before a figure came of it."""
    found: Element | None = None
    before: tuple[Any, Any] | None = None
    for page in document.pages:
        boxes = _main_boxes(page)
        if not boxes:
            continue
        first = boxes[0].element
        if before is not None and first is not before[1].element:
            found = first if found is None and first not in expected else found
            if found is not None and _unbreakable(first) and _hole(*before) >= LARGE_HOLE:
                return found
        before = page._page_box, boxes[-1]
    return None


def _hole(page: Any, last: Any) -> float:
    """The empty part at the foot of a page's text area, below its last block."""
    return float((page.content_box_y() + page.height - last.border_box_y() - last.border_height()) / page.height)


def _measure(page: Any) -> Measures | None:
    """Read the page without end; None where another WeasyPrint builds its pages differently."""
    try:
        box = page._page_box
        area = A4_HEIGHT_PX - (box.margin_height() - box.height)
        notes = sum(each.margin_height() for each in box.children if type(each).__name__ == "FootnoteAreaBox")
        blocks = _main_boxes(page)
        heights = {each.element: each.border_height() / area for each in blocks}
        margins = {each.element: (each.margin_top / area, each.margin_bottom / area) for each in blocks}
        start = (blocks[0].border_box_y() - box.content_box_y() + notes) / area
        return Measures(heights, margins, start, LINE_PX / area)
    except (AttributeError, IndexError):
        return None


def arranged(
    blocks: list[Element], measures: Measures, surprise: Element | None = None
) -> tuple[list[Element], set[Element]]:
    """
    The blocks in the order that leaves the smallest holes, and those that begin a page.

    Found by filling one page after the other; `surprise` is a block that does not fit on the page where it seems to.
    """
    waiting, room = list(blocks), 1 - measures.start % 1
    placed: list[Element] = []
    settled: set[Element] = set()
    beginning: set[Element] = set()
    while waiting:
        block = waiting[0]
        fits = measures.heights[block] <= room and block is not surprise
        if _unbreakable(block) and not fits and SMALLEST_HOLE <= room < 1 and block not in settled:
            settled.add(block)
            pulled = _pulled(waiting[1:], room, measures)
            waiting = pulled + [each for each in waiting if each not in pulled]
            continue
        if _needed(waiting, measures) > room or block is surprise:
            room = 1.0
        if room == 1:
            beginning.add(block)
        room = _room_after(waiting, room, measures)
        placed.append(waiting.pop(0))
    return placed, beginning


def _room_after(waiting: list[Element], room: float, measures: Measures) -> float:
    """What is left of the page that the first of the waiting blocks ends on."""
    block, following = waiting[0], waiting[1] if len(waiting) > 1 else None
    height = measures.heights[block]
    if height > room:
        lines = round(height / measures.line)
        kept = room
        if block.tag == "p":
            kept = min(room // measures.line, lines - FEWEST_LINES) * measures.line
        height, room = (height - kept) % 1, 1.0
    left = room - height - measures.gap(block, following)
    return left if left > 0 else 1.0


def _needed(waiting: list[Element], measures: Measures) -> float:
    """What must be on one page: a heading or the lead of an equation with what follows, a figure, two lines of text."""
    needed = 0.0
    for place, block in enumerate(waiting):
        height = measures.heights[block]
        following = waiting[place + 1] if place + 1 < len(waiting) else None
        if round(height / measures.line) >= 2 * FEWEST_LINES and not _unbreakable(block):
            return needed + FEWEST_LINES * measures.line
        if following is None or not (block.tag in ("h2", "h3") or _is_equation(following)):
            return needed + height
        needed += height + measures.gap(block, following)
    return needed


def _unbreakable(block: Element) -> bool:
    figure = block.tag == "figure" and "long" not in block.get("class", "").split()
    return figure or _is_equation(block)


def _is_equation(block: Element) -> bool:
    return "equation" in block.get("class", "").split()


def _pulled(following: list[Element], hole: float, measures: Measures) -> list[Element]:
    """The text after a figure that goes in front of it: as much as the hole holds, up to the next section."""
    pulled: list[Element] = []
    filled = 0.0
    for block in following:
        equation = pulled and (_is_equation(block) or _is_equation(pulled[-1]))  # stays with the sentence around it
        full = filled >= hole and not equation
        if full or block.tag == "h2":
            break
        if block.tag != "figure":
            pulled.append(block)
            filled += measures.heights[block] + max(measures.margins[block])
    while pulled and pulled[-1].tag == "h3":
        pulled.pop()
    return pulled
