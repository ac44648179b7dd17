"""
Fill the holes that figures leave at the foot of a page: text that follows a figure moves in front of it.

WeasyPrint has no page floats (Kozea/WeasyPrint#259). A figure that does not fit starts the next page, and the rest of
its own page stays empty. WeasyPrint makes one page after the other from a tree of boxes that it only reads: where a
page ends in a hole before a figure, the text behind the figure, up to the next section, is put before it in that tree,
and this one page is made again. What did not fit on it after all goes back behind the figure. Into a large hole the
next section may come, too, as in papers that are set with TeX. So the paper is laid out once, and every decision is
taken on the page as it is.

This wraps a private function of WeasyPrint's and reads its boxes: where they are not as expected, the order stays.
"""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from xml.etree.ElementTree import Element

SMALLEST_HOLE = 0.10
"""Of the height of the text area; a smaller hole is left alone."""
LARGE_HOLE = 0.20
"""A hole before which figures move into the next section."""
UNEXPECTED = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What reading the boxes of another WeasyPrint may raise."""


def render(weasyprint: Any, html: Any, **options: Any) -> Any:
    """The laid out document of a `weasyprint.HTML`, its figures moved where that fills a page."""
    with _reordering(weasyprint.layout.page):
        return html.render(**options)


@contextlib.contextmanager
def _reordering(pages: Any) -> Iterator[None]:
    """Meanwhile, every page that WeasyPrint makes is made again if text moved into a hole of it."""
    make = pages.remake_page

    def remake(index: int, context: Any, root: Any, html: Any) -> Any:
        before = _State(context)
        made = make(index, context, root, html)
        with contextlib.suppress(*UNEXPECTED):
            for across in (False, True):
                hole = _hole_of(root, *made, across=across)
                if hole is not None:
                    again = hole.filled(lambda: make(index, before.restored(context, index), root, html))
                    made = made if again is None else again
        return made

    pages.remake_page = remake
    try:
        yield
    finally:
        pages.remake_page = make


class _State:
    """What making a page changes of its context, other than the start of the next one."""

    def __init__(self, context: Any) -> None:
        self.lists = {name: list(getattr(context, name)) for name in ("footnotes", "reported_footnotes")}
        self.out_of_flow = dict(context.broken_out_of_flow)

    def restored(self, context: Any, index: int) -> Any:
        """The context as it was before the page `index` was made."""
        for name, value in self.lists.items():
            setattr(context, name, list(value))
        context.broken_out_of_flow = dict(self.out_of_flow)
        context.page_maker[index][-1].update(content_changed=False, pages_wanted=False, anchors=[], content_lookups=[])
        return context


@dataclass(frozen=True)
class _Hole:
    """An empty foot of a page: the boxes of `<main>`, where the figure that left it stands, and the text behind."""

    main: Any
    path: tuple[int, ...]
    """Indices from the root of the tree to `main`."""
    figure: int
    text: tuple[Any, ...]

    def filled(self, make: Callable[[], tuple[Any, Any]]) -> tuple[Any, Any] | None:
        """The page made again with as much of the text as it holds; None where that is nothing."""
        place, boxes = self.figure, list(self.main.children)
        behind = [each for each in boxes[place:] if each not in self.text]
        self._order([*boxes[:place], *self.text, *behind])
        page, resume_at = make()
        reached, rest = _next(resume_at, self.path)
        count = placed([each.element for each in self.text], reached - place, cut=rest is not None)
        kept = self.text[:count]
        if not kept:
            self._order(boxes)
            make()
            return None
        behind = [each for each in boxes[place:] if each not in kept]
        self._order([*boxes[:place], *kept, *behind])
        return page, resume_at

    def _order(self, boxes: list[Any]) -> None:
        """Puts the boxes into the tree; a paragraph behind a paragraph is indented, as the style sheets have it."""
        texts = [each.style["text_indent"] for each in boxes if each.element.tag == "p"]
        none, indented = (extreme(texts, key=lambda length: length.value) for extreme in (min, max))
        self.main.children = boxes
        for previous, box in itertools.pairwise(boxes):
            if box.element.tag == "p":
                indent = indented if previous.element.tag == "p" else none
                for each in (box, *box.children):
                    if each.style["text_indent"] != indent:
                        each.style = each.style.copy()  # WeasyPrint shares the styles of equal elements
                        each.style["text_indent"] = indent


def _hole_of(root: Any, page: Any, resume_at: Any, *, across: bool) -> _Hole | None:
    """The hole that a figure left at the foot of this page, if text behind that figure (or its section) may fill it."""
    (main, path), boxes = _main_of(root), _main_boxes(page)
    if resume_at is None or not boxes:
        return None
    place, rest = _next(resume_at, path)
    if rest is not None or _empty(page, boxes[-1]) < (LARGE_HOLE if across else SMALLEST_HOLE):
        return None
    elements = [each.element for each in main.children]
    while elements[place].tag == "h3":  # a heading goes with its figure: only text of its own section comes between
        place += 1
    if elements[place].tag != "figure":
        return None
    if across and _section(elements[place], elements) > _section(elements[place], list(main.element)):
        return None  # one section is far enough
    text = movable(elements[place + 1 :], across=across)
    if not text or (place and _is_heading(elements[place - 1]) and _is_heading(text[0])):
        return None
    return _Hole(main, path, place, tuple(each for each in main.children if each.element in text))


def _section(block: Element, blocks: list[Element]) -> int:
    """In which section a block stands; the tree of elements keeps the order that the boxes leave."""
    return sum(each.tag == "h2" for each in blocks[: blocks.index(block)])


def _main_of(root: Any) -> tuple[Any, tuple[int, ...]]:
    """The box of `<main>` in the tree that pages are made of, and the indices that lead there."""
    for outer, body in enumerate(root.children):
        for inner, box in enumerate(body.children):
            if box.element_tag == "main":
                return box, (outer, inner)
    raise IndexError("no <main>")


def _main_boxes(page: Any) -> list[Any]:
    """The boxes of `<main>`'s children on a page, in the flow."""
    body = page.children[0].children[0]
    return [
        each for box in body.children if box.element_tag == "main" for each in box.children if each.is_in_normal_flow()
    ]


def _next(resume_at: Any, path: tuple[int, ...]) -> tuple[int, Any]:
    """The child of `<main>` that the next page begins with, and where in it; raises KeyError if it is elsewhere."""
    for step in path:
        resume_at = resume_at[step]
    ((index, rest),) = resume_at.items()
    return index, rest


def _empty(page: Any, last: Any) -> float:
    """The empty part at the foot of a page's text area, below its last block."""
    return float((page.content_box_y() + page.height - last.border_box_y() - last.border_height()) / page.height)


def movable(following: list[Element], *, across: bool) -> list[Element]:
    """Of the blocks after a figure, the text that may stand before it: up to the next section, or to its end."""
    text: list[Element] = []
    for block in following:
        if block.tag == "section" or (block.tag == "h2" and not across):  # the references are a section
            break
        across = across and block.tag != "h2"
        text += [] if block.tag == "figure" else [block]
    while text and _is_heading(text[-1]):
        text.pop()
    return text


def placed(text: list[Element], reached: int, *, cut: bool) -> int:
    """
    How many blocks of the text stay before the figure when the next page begins with block `reached`, `cut` or whole.

    An equation stays between the sentences around it. A listing may be pages long: one that is cut would push the
    figure as far, and goes behind it.
    """
    count = min(reached + cut, len(text))
    if cut and count and _has_class(text[count - 1], "listing"):
        count -= 1
    while 0 < count < len(text) and (_is_equation(text[count]) or _is_equation(text[count - 1])):
        count += 1
    while count and _is_heading(text[count - 1]):
        count -= 1
    return count


def _is_heading(block: Element) -> bool:
    return block.tag in ("h2", "h3")


def _is_equation(block: Element) -> bool:
    return _has_class(block, "equation")


def _has_class(block: Element, name: str) -> bool:
    return name in block.get("class", "").split()
