"""
Figures for print: their labels as text, letter by letter where matplotlib put the outlines.

The faces are those of the page, so that it looks the same; but the labels can be searched and copied, the file is
smaller, and WeasyPrint is spared thousands of outlines.
"""

from __future__ import annotations

from xml.etree import ElementTree

from .fonts import FALLBACK, TEXT

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
UNITS = "100"
"""Matplotlib draws the outlines of letters at 100 points, upside down, and scales the label."""
FACES = {"R": {}, "B": {"font-weight": "700"}, "I": {"font-style": "italic"}}
"""Attributes by the first letter of an outline's id, which `style.lighter` left of the face's name."""


def as_text(svg: str) -> str:
    """The same picture with every label in the text's face as text; others keep their outlines."""
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(svg)
    for label in root.iter(f"{{{SVG}}}g"):
        words, letters = label.get("aria-label", ""), label.findall(f"{{{SVG}}}use")
        faces = {each.get(f"{{{XLINK}}}href", "")[1:2] for each in letters}
        raised = any(each.get("transform") or float(each.get("y", 0)) for each in letters)
        if len(words) != len(letters) or len(faces) != 1 or not faces <= FACES.keys() or raised:
            continue
        places = " ".join(each.get("x", "0") for each in letters)
        fixed = {"x": places, "y": "0", "font-size": UNITS, "font-family": f"{TEXT}, {FALLBACK}"}
        text = ElementTree.Element(f"{{{SVG}}}text", fixed | {"transform": "scale(1 -1)"} | FACES[faces.pop()])
        text.text = words
        label[:] = [*label.findall(f"{{{SVG}}}defs"), text]
    return ElementTree.tostring(root, encoding="unicode")
