"""The report as one HTML text: for the browser with WOFF2 and a script, for the PDF with TrueType and without."""

from __future__ import annotations

import base64
import hashlib
import re
import string
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from markupsafe import Markup

from . import downloads, fonts, images, inline_svg, visualizer
from .appearance import HOUSE
from .build import build
from .economy import uncollected
from .templates import blamed, environment, raw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..results.model import Results
    from .build import ReportModel
    from .document import Table

Target = Literal["html", "pdf"]
PRINTED_ROWS = 40
"""Rows of a long table in the PDF; the attached results have all."""
BREAKABLE_LINES = 20
"""A long table of fewer lines is kept on one page."""
CSP = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:"
)
SCRIPTS = ("elements", "theme", "copying", "downloads", "tables", "visualizer", "report")
"""In order: the last one sets everything up."""
SYNTHETIC = ("bold-italic", "mono-bold")
"""Faces for a word here and there, which a browser makes of their neighbours."""
SHOWN = string.printable.strip() + " –−×●○▲▼↕Ŵ⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
"""
Characters that scripts and style sheets may add, and those that mostly tell the two media apart: equal characters in
both share the cut faces.
"""
_COMMENT = re.compile(r"/\*.*?\*/\s*", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def shortened(table: Table) -> Table:
    """A long table cut to what is printed, with a note that says so."""
    if not table.long or len(table.rows) <= PRINTED_ROWS:
        return table
    left, groups = PRINTED_ROWS, []
    for group in table.groups:
        rows = group.rows[:left]
        left -= len(rows)
        groups += [replace(group, rows=rows)] if rows else []
    note = f"The first {PRINTED_ROWS} of {len(table.rows)} rows; the HTML report and the attached results have all."
    return replace(table, groups=tuple(groups), notes=(*table.notes, note))


def _font_rules(text: str, target: Target) -> Iterator[str]:
    """`@font-face` for every face, cut to the characters of the text; the fallback has only what others lack."""
    characters = sorted(set(text))
    regular, fallback = fonts.FACES["regular"], fonts.FACES["fallback"]
    flavor: Literal["woff2"] | None = "woff2" if target == "html" else None
    for face in fonts.faces():
        if target == "html" and face.name in SYNTHETIC:
            continue
        wanted = fonts.missing(regular, characters) if face is fallback else characters
        if not wanted:
            continue
        uri = images.data_uri(fonts.subset(face, wanted, flavor), f"font/{flavor or 'ttf'}")
        style = f'font-family:"{face.family}";font-weight:{face.weight};font-style:{face.style}'
        yield f'@font-face{{{style};src:url({uri}) format("{flavor or "truetype"}")}}'


@uncollected()
def page(report: ReportModel, target: Target, own: Path | None = None) -> str:
    """
    The page of a report that is built already; templates in the folder `own` come before those shipped.

    Raises UsageError for what is wrong with those.
    """
    with blamed(own):
        return _printed(report, own) if target == "pdf" else _screen(report, own)


def _printed(report: ReportModel, own: Path | None) -> str:
    body = _body(report, own, printed=True, fit=shortened)
    styles = _styles(_words(report, body), "pdf", (HOUSE, "css/base.css", "css/print.css"), own)
    return _page(report, own, printed=True, body=body, styles=styles)


def _screen(report: ReportModel, own: Path | None) -> str:
    drawn, data = inline_svg.pictures(report.drawings), downloads.of_figures(report)
    body = _body(
        report, own, printed=False, fit=lambda table: table, pictures=drawn.by_id, data=data,
        visualizer=visualizer, presets=visualizer.presets_of(report.results.excerpts),
    )  # fmt: skip
    styles = _styles(_words(report, body), "html", (HOUSE, "css/base.css", "css/screen.css"), own)
    script = Markup("\n").join(raw(f"js/{name}.js", own) for name in SCRIPTS)
    files = downloads.of_study(report, sum(map(len, (body, styles, drawn.css, script))))
    return _page(
        report, own, printed=False, body=body, styles=styles, figure_styles=Markup(drawn.css), script=script,
        csp=policy(script), files=files,
    )  # fmt: skip


def policy(script: str) -> str:
    """The page fetches nothing from anywhere, and runs this one script."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return f"{CSP}; script-src 'sha256-{digest}'"


def _body(report: ReportModel, own: Path | None, **more: object) -> Markup:
    found = environment(own).get_template("body.html.j2")
    common = {"results": report.results, "numbering": report.numbering, "breakable_lines": BREAKABLE_LINES}
    return Markup(found.render(report=report, **common, **more))


def _page(report: ReportModel, own: Path | None, **more: object) -> str:
    return environment(own).get_template("report.html.j2").render(report=report, results=report.results, **more)


def _words(report: ReportModel, body: str) -> str:
    """All characters that the page can show: those outside of tags, of figures, of scripts and style sheets."""
    return "".join([_TAG.sub("", body), *(drawing.svg for drawing in report.drawings.values()), report.bibtex, SHOWN])


def _styles(text: str, target: Target, sheets: tuple[str, ...], own: Path | None) -> Markup:
    rules = "\n".join(_font_rules(Markup(text).unescape(), target))
    house = [raw(HOUSE)] if own is not None and (own / HOUSE).is_file() else []  # an own one need not set everything
    texts = (*house, *(raw(name, own) for name in sheets))
    return Markup("\n").join([Markup(rules), *(Markup(_COMMENT.sub("", text)) for text in texts)])


def render_html(results: Results, *, target: Target = "html") -> str:
    """One self-contained page. `target` "pdf" is what the PDF is made of: other fonts, no script, shortened tables."""
    return page(build(results), target)
