"""
Fill the holes that unbreakable figures leave at the foot of a page: text that follows a figure moves in front of it.

WeasyPrint has no page floats (Kozea/WeasyPrint#259). A figure that does not fit starts the next page, and the
rest of its own page stays empty. After a layout, the blocks that follow the figure, up to the next section, are
pulled before it until the hole is filled, and the page is laid out again. This reads private attributes of
WeasyPrint's pages: where they are not as expected, the order stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SMALLEST_HOLE = 0.10
"""Of the height of the text area; a smaller hole is left alone."""
MOST_LAYOUTS = 5
"""Each costs about two seconds; every layout but the last moves one figure."""


def place(html: Any, **options: Any) -> Any:
    """The laid out document of a `weasyprint.HTML`, its figures moved where that fills a page."""
    main = html.etree_element.find(".//main")
    settled: set[Element] = set()
    document = html.render(**options)
    for _ in range(MOST_LAYOUTS - 1):
        if main is None or not _move_one(document, main, settled):
            break
        document = html.render(**options)
    return document


def _main_boxes(page: Any) -> list[Any]:
    """The boxes of `<main>`'s children on a page, in the flow."""
    for body in page._page_box.children[0].children:
        for box in getattr(body, "children", ()):
            if box.element is not None and box.element.tag == "main":
                return [each for each in box.children if each.is_in_normal_flow()]
    return []


def _hole(page: Any, last: Any) -> float:
    """The empty part at the foot of a page's text area, above its footnotes."""
    box = page._page_box
    notes = sum(each.margin_height() for each in box.children if type(each).__name__ == "FootnoteAreaBox")
    return float((box.content_box_y() + box.height - notes - last.position_y - last.margin_height()) / box.height)


def _heights(pages: list[Any]) -> dict[Element, float]:
    """Height of every block, in parts of its page."""
    found: dict[Element, float] = {}
    for page in pages:
        for box in _main_boxes(page):
            found[box.element] = found.get(box.element, 0.0) + box.margin_height() / page._page_box.height
    return found


def _move_one(document: Any, main: Element, settled: set[Element]) -> bool:
    """Move text before the first figure behind a hole; False when there is nothing more to move."""
    try:
        heights = _heights(document.pages)
        for page, following in zip(document.pages, document.pages[1:], strict=False):
            here, there = _main_boxes(page), _main_boxes(following)
            if not here or not there or there[0].element in settled or there[0].element.tag != "figure":
                continue
            figure, hole = there[0].element, _hole(page, here[-1])
            if here[-1].element is not figure and hole >= SMALLEST_HOLE and _pull(main, figure, hole, heights):
                settled.add(figure)
                return True
    except AttributeError:  # another WeasyPrint: its pages are built differently
        return False
    return False


def _keeps_with(earlier: Element, later: Element) -> bool:
    """Whether a block must not be parted from the one before it: an equation and its sentence."""
    return "equation" in later.get("class", "") or "equation" in earlier.get("class", "")


def _pull(main: Element, figure: Element, hole: float, heights: dict[Element, float]) -> bool:
    """Put the text after the figure in front of it, as much as the hole holds; True if there was any."""
    blocks = list(main)
    place, filled = blocks.index(figure), 0.0
    pulled: list[Element] = []
    for block in blocks[place + 1 :]:
        full = filled >= hole and not (pulled and _keeps_with(pulled[-1], block))
        if full or block.tag == "h2":
            break
        if block.tag != "figure":
            pulled.append(block)
            filled += heights.get(block, 0.0)
    while pulled and pulled[-1].tag == "h3":
        pulled.pop()
    for block in pulled:
        main.remove(block)
    for offset, block in enumerate(pulled):
        main.insert(place + offset, block)
    return bool(pulled)
