"""
Figures inside the HTML page, as elements of it.

There the labels are text in the page's own face, which the page carries once and not in outlines in every figure, and
looks that recur are classes, shared by all figures. That leaves a third of the bytes of a figure that stands on its
own, and its labels can be found and copied.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from markupsafe import Markup, escape

from .images import without_idle_markup
from .labels import SVG, UNITS, XLINK, drop_unused, read
from .style import COLUMN_MM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .drawing import Drawing

COLUMN_PT = COLUMN_MM / 25.4 * 72
_PLACE = re.compile(r"translate\(([^ ]+) ([^)]+)\)( rotate\([^)]*\))? scale\(([^ ]+) -\4\)")
_STYLE = re.compile(r' style="([^"]*)"')
_NAMED = re.compile(r'( id="|href="#|url\(#)([^")]+)')
_ID = re.compile(r'(?<= id=")[^"]+(?=")')


@dataclass(frozen=True)
class Pictures:
    """The figures of a page by id, and the CSS that they share."""

    by_id: dict[str, Markup]
    css: str


def pictures(drawings: Mapping[str, Drawing]) -> Pictures:
    """Every drawing as an `<svg>` element that is one image to a screen reader, named by its alternative text."""
    bare = {name: _elements(drawing.svg, f"{place:x}-") for place, (name, drawing) in enumerate(drawings.items())}
    looks = Counter(look for svg in bare.values() for look in _STYLE.findall(svg))
    classes = {look: f"_{place}" for place, (look, count) in enumerate(looks.items()) if count > 1}

    def named(found: re.Match[str]) -> str:
        return f' class="{classes[found[1]]}"' if found[1] in classes else found[0]

    by_id = {
        name: Markup(_STYLE.sub(named, svg).replace("<svg ", f'<svg role="img" aria-label="{escape(drawing.alt)}" ', 1))
        for (name, drawing), svg in zip(drawings.items(), bare.values(), strict=True)
    }
    common = 'svg[role="img"]{font-family:"Paper","Paper Fallback",serif}'
    common += ':where(svg[role="img"] *){stroke-linejoin:round;stroke-linecap:butt}'
    return Pictures(by_id, common + "".join(f".{name}{{{look}}}" for look, name in classes.items()))


def _elements(svg: str, prefix: str) -> str:
    """The drawing with its labels as text, without outlines that nobody uses, its ids unique by their prefix."""
    root = ElementTree.fromstring(svg)
    outlines = ElementTree.SubElement(root, f"{{{SVG}}}defs")
    for parent in list(root.iter()):
        for place, child in enumerate(list(parent)):
            if (text := _text(child)) is not None:
                # A letter is defined where it is first used, and labels that keep their outlines may use it later.
                outlines.extend(child.findall(f"{{{SVG}}}defs/*"))
                parent[place] = text
    _drop_sheet(root)
    drop_unused(root)
    width = float(root.attrib.pop("width").removesuffix("pt"))
    for name in ("height", "version"):
        root.attrib.pop(name, None)
    root.set("style", f"width: {min(width / COLUMN_PT, 1):.1%}")
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    found = ElementTree.tostring(root, encoding="unicode")
    found = found.replace(f' xmlns="{SVG}"', "").replace(f' xmlns:xlink="{XLINK}"', "").replace("xlink:href=", "href=")
    names = {name: f"{prefix}{place:x}" for place, name in enumerate(_ID.findall(found))}
    return without_idle_markup(_NAMED.sub(lambda each: each[1] + names.get(each[2], each[2]), found))


def _text(label: ElementTree.Element) -> ElementTree.Element | None:
    """A label of matplotlib's as `<text>`; None if it is no label, or one that text cannot show."""
    if (found := read(label)) is None or (place := _PLACE.fullmatch(label.get("transform", ""))) is None:
        return None
    size = float(place[4]) * float(UNITS)
    text = ElementTree.Element(f"{{{SVG}}}text", found.face)
    if place[3]:
        text.set("transform", f"translate({place[1]} {place[2]}){place[3]}")
    else:
        text.attrib.update(x=place[1], y=place[2])
    text.set("style", f"{label.get('style', '')}; font-size: {size:g}px")
    text.text = found.words
    return text


def _drop_sheet(root: ElementTree.Element) -> None:
    """Without the figure's own style sheet: the page has it."""
    for parent in list(root.iter()):
        for child in parent.findall(f"{{{SVG}}}style"):
            parent.remove(child)
