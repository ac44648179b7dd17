"""The report as one HTML text: for the browser with WOFF2 and a script, for the PDF with TrueType and without."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Literal

import jinja2
from markupsafe import Markup

from .. import resources
from . import fonts, images, labels, tidy
from .build import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..results.model import Results
    from .build import ReportModel
    from .document import Table

Target = Literal["html", "pdf"]
PRINTED_ROWS = 40
"""Rows of a long table in the PDF; the attached results have all."""
BREAKABLE_ROWS = 24
"""A long table of fewer rows is kept on one page."""
DOWNLOAD_BYTES = 120_000
"""A larger results.csv stays beside the page: the page is to remain one that can be mailed."""
CSP = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; font-src data:"
_TAG = re.compile(r"<[^>]*>")


@cache
def environment() -> jinja2.Environment:
    """Templates of this installation; what is not marked as HTML is escaped."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resources.folder("templates")),
        autoescape=jinja2.select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.globals["breakable_rows"] = BREAKABLE_ROWS
    found.tests["block"] = lambda block, name: type(block).__name__ == name
    found.filters |= {"svg_uri": images.svg_uri, "as_text": labels.as_text}
    found.filters["display"] = lambda block: images.display(block.tex, block.spoken)
    return found


def sheet(name: str) -> Markup:
    """A style sheet or script of the templates, as it is."""
    return Markup((resources.folder("templates") / name).read_text(encoding="utf-8"))


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
        wanted = fonts.missing(regular, characters) if face is fallback else characters
        if not wanted:
            continue
        uri = images.data_uri(fonts.subset(face, wanted, flavor), f"font/{flavor or 'ttf'}")
        style = f'font-family:"{face.family}";font-weight:{face.weight};font-style:{face.style}'
        yield f'@font-face{{{style};src:url({uri}) format("{flavor or "truetype"}")}}'


def downloads(report: ReportModel) -> dict[str, str]:
    """Files inside the page, by name, as data URIs."""
    results = report.results
    files = {"spec.toml": results.spec.text, "references.bib": report.bibtex, "results.csv": tidy.results_csv(results)}
    return {name: images.text_uri(text) for name, text in files.items() if len(text.encode()) <= DOWNLOAD_BYTES}


def page(report: ReportModel, target: Target) -> str:
    """The page of a report that is built already."""
    printed = target == "pdf"
    body = (
        environment()
        .get_template("body.html.j2")
        .render(
            report=report,
            results=report.results,
            numbering=report.numbering,
            printed=printed,
            fit=shortened if printed else lambda table: table,
            downloads={} if printed else downloads(report),
        )
    )
    used = _TAG.sub("", body) + "0123456789.,–−×[]()●○▲▼↕ abcdefghijklmnopqrstuvwxyz"
    if printed:
        used += "".join(drawing.svg for drawing in report.drawings.values())
    sheets = ["css/base.css", "css/print.css"] if printed else ["css/base.css", "css/screen.css"]
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            results=report.results,
            printed=printed,
            body=Markup(body),
            csp=CSP,
            styles=Markup("\n").join(
                [Markup("\n".join(_font_rules(Markup(used).unescape(), target))), *map(sheet, sheets)]
            ),
            script=sheet("js/report.js"),
        )
    )


def render_html(results: Results, *, target: Target = "html") -> str:
    """One self-contained page. `target` "pdf" is what the PDF is made of: other fonts, no script, shortened tables."""
    return page(build(results), target)
