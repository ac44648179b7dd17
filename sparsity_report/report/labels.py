"""
Figures for print: their labels as text, letter by letter where matplotlib put the outlines.

The faces are those of the page, so that it looks the same; but the labels can be searched and copied, the file is
smaller by half, and WeasyPrint is spared thousands of outlines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree

from .fonts import FALLBACK, TEXT

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
UNITS = "100"
"""Matplotlib draws the outlines of letters at 100 points, upside down, and scales the label."""
FACES: dict[str, dict[str, str]] = {"R": {}, "B": {"font-weight": "700"}, "I": {"font-style": "italic"}}
"""Attributes by the first letter of an outline's id, which `style.lighter` left of the face's name."""
F_WIDTH = 33.3
"""Of an f in these units: how far the second letter of a ligature stands behind its first."""
_USE = f"{{{SVG}}}use"
_LETTERS = re.compile("ff[il]|f[fil]|.", re.DOTALL)
"""What is drawn as one outline: a ligature or a letter."""


@dataclass(frozen=True)
class Label:
    """What a label says, the attributes of its face, and where each of its letters stands along the line."""

    words: str
    face: dict[str, str]
    places: tuple[float, ...]


def read(element: ElementTree.Element) -> Label | None:
    """The label that an element draws; None if it is none, or not a plain line of the text's face."""
    words, outlines = element.get("aria-label", ""), element.findall(_USE)
    faces = {each.get(f"{{{XLINK}}}href", "")[1:2] for each in outlines}
    raised = any(each.get("transform") or float(each.get("y", 0)) for each in outlines)
    drawn = _LETTERS.findall(words)
    if len(drawn) != len(outlines) or len(faces) != 1 or not faces <= FACES.keys() or raised:
        return None
    starts = (float(each.get("x", 0)) for each in outlines)
    places = (
        start + F_WIDTH * nth for start, letters in zip(starts, drawn, strict=True) for nth in range(len(letters))
    )
    return Label(words, FACES[faces.pop()], tuple(places))


def as_text(svg: str) -> str:
    """The same picture with every label in the text's face as text; others keep their outlines."""
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(svg)
    for label in root.iter(f"{{{SVG}}}g"):
        if (found := read(label)) is None:
            continue
        places = " ".join(f"{place:g}" for place in found.places)
        fixed = {"x": places, "y": "0", "font-size": UNITS, "font-family": f"{TEXT}, {FALLBACK}"}
        text = ElementTree.Element(f"{{{SVG}}}text", fixed | {"transform": "scale(1 -1)"} | found.face)
        text.text = found.words
        # A letter is defined where it is first used, and labels that keep their outlines may use it later.
        label[:] = [*label.findall(f"{{{SVG}}}defs"), text]
    drop_unused(root)
    return ElementTree.tostring(root, encoding="unicode")


def drop_unused(root: ElementTree.Element) -> None:
    """Without outlines that nothing refers to any more and the names of labels: the whole figure is one image."""
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', ElementTree.tostring(root, encoding="unicode")))
    for parent in list(root.iter()):
        parent.attrib.pop("aria-label", None)
        for child in parent.findall(f"{{{SVG}}}path"):
            if child.get("id") and child.get("id") not in used:
                parent.remove(child)
    for parent in list(root.iter()):
        for child in parent.findall(f"{{{SVG}}}defs"):
            if not len(child):
                parent.remove(child)
