"""SVG as `<img>`: figures and formulas travel inside the page as data."""

from __future__ import annotations

import base64
import re
from urllib.parse import quote

from markupsafe import Markup

from . import maths

_SAFE = " !$'()*+,-./:;=?@_~"
_SAFE_IN_ATTRIBUTE = f"{_SAFE}<>"
"""Inside a quoted attribute angle brackets need no encoding: HTML and URL parsers take them as they are."""
_PATH = re.compile(r' d="[^"]*"')
_GLYPH = re.compile(r'(<path id="[^"]*" d=")([^"]*)(" transform=")scale\(0\.015625\)"')
"""matplotlib's glyph outlines: 4,096 units to the size of the type, an eighth of which is finer than any screen."""
_IDLE = re.compile(r'<g ?/>|<path d="M[-\d. ]*"(?: clip-path="[^"]*")?(?: style="[^"]*")? ?/>')
"""A group of nothing; a path that moves without drawing."""
_COMMAND = re.compile(r" ?([MLQCZz]) ?(?=[-\d\"MLQCZz])")


def data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def _coarser(glyph: re.Match[str]) -> str:
    """The outline on an eightfold coarser grid, in fewer digits."""
    outline = re.sub(r"-?\d+", lambda number: str(round(int(number[0]) / 8)), glyph[2])
    return f'{glyph[1]}{outline}{glyph[3]}scale(0.125)"'


def _without_bare_groups(svg: str) -> str:
    """Groups without attributes change nothing."""
    kept: list[str] = []
    open_groups: list[bool] = []
    for number, part in enumerate(re.split(r"(</?g(?: [^>]*[^/>])?>)", svg)):
        if number % 2 == 0:  # what stands between the tags of groups
            kept.append(part)
        elif part == "</g>":
            kept += [part] if open_groups.pop() else []
        else:
            open_groups.append(part != "<g>")
            kept += [part] if open_groups[-1] else []
    return "".join(kept)


def without_idle_markup(svg: str) -> str:
    """The same picture without groups, moves and blanks that mean nothing."""
    drawn = _IDLE.sub("", _without_bare_groups(" ".join(svg.split())))
    return _PATH.sub(lambda found: _COMMAND.sub(r"\1", found[0]).replace(' "', '"'), drawn).replace('" />', '"/>')


def svg_uri(svg: str) -> Markup:
    """
    Percent-encoded, which takes a quarter less than base64, and without spaces that mean nothing in path data.

    Links within the SVG are plain `href`s, as SVG 2 has them. Quotation marks become apostrophes, which need no
    encoding: figures put none into attributes.
    """
    compact = _GLYPH.sub(_coarser, without_idle_markup(svg)).replace("xlink:href=", "href=")
    if "'" not in compact:
        compact = compact.replace('"', "'")
    return Markup(f"data:image/svg+xml,{quote(compact, safe=_SAFE_IN_ATTRIBUTE)}")


def text_uri(text: str) -> str:
    return f"data:text/plain;charset=utf-8,{quote(text, safe=_SAFE)}"


def _formula(drawn: maths.Formula, style: str) -> Markup:
    em = maths.TEXT_SIZE_PT
    size = f"width:{drawn.width_pt / em:.3f}em;height:{drawn.height_pt / em:.3f}em"
    tag = Markup('<img class="formula" src="{}" alt="{}" style="{}">')
    return tag.format(svg_uri(drawn.svg), drawn.spoken, f"{size};{style}")


def inline(tex: str, spoken: str) -> Markup:
    """A formula in a line of text: it stands on the baseline and scales with the text."""
    drawn = maths.inline(tex, spoken)
    return _formula(drawn, f"vertical-align:-{drawn.depth_pt / maths.TEXT_SIZE_PT:.3f}em")


def display(tex: str, spoken: str) -> Markup:
    """A formula on its own line."""
    return _formula(maths.inline(maths.displayed(tex), spoken), "vertical-align:middle")
