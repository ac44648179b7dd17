"""Results to files: report.html, report.pdf, figures, tables, results.csv, summary.md, specs. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import EnvironmentProblem
from ..results.store import write_bytes
from . import html, latex, markdown, tidy
from .build import build
from .templates import environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ..results.model import Results
    from .build import ReportModel

OUTPUTS = ("html", "pdf", "latex")
USUAL = ("html", "pdf")


def render(
    results: Results, folder: Path, outputs: Iterable[str] = USUAL, templates: Path | None = None
) -> Iterator[Path]:
    """
    Write the report into `folder`, and yield each path once it is written; nothing happens before the first is asked.

    "latex" is for papers: tables/*.tex, references.bib and every figure as PDF. Templates in the folder `templates`
    come before those shipped.

    report.html comes first and the PDF last: where it cannot be made, everything else is there already, and
    EnvironmentProblem has the remedy. Raises EnvironmentProblem, too, when the folder cannot be written.
    """
    environment.cache_clear()  # since the last time, a template may have come that stands before one shipped
    report, wanted = build(results), set(outputs)
    page = folder / "report.html"
    if "html" in wanted or "pdf" in wanted:  # the HTML is also what remains where no PDF can be made
        yield write_bytes(page, html.page(report, "html", templates).encode())
    for drawing in report.drawings.values():
        yield write_bytes(folder / "figures" / f"{drawing.id}.svg", drawing.svg.encode())
        yield write_bytes(folder / "figures" / f"{drawing.id}.csv", drawing.csv.encode())
    if "latex" in wanted:
        for name, text in latex.tables(report).items():
            yield write_bytes(folder / "tables" / name, text.encode())
        yield write_bytes(folder / "references.bib", f"{report.bibtex}\n".encode())
    if results.parts:  # of one study, the run wrote it
        for name, text in results.spec_files.items():
            yield write_bytes(folder / "specs" / name, text.encode())
    yield write_bytes(folder / "results.csv", tidy.results_csv(results).encode())
    yield write_bytes(folder / "summary.md", markdown.summary(results, templates).encode())
    try:
        yield from _portable(report, folder, wanted, templates)
    except EnvironmentProblem as problem:
        there = f"Everything else is written, the report as {page}." if page.exists() else "Everything else is written."
        raise EnvironmentProblem(f"{problem.message} {there}", remedy=problem.remedy) from problem


def _portable(report: ReportModel, folder: Path, wanted: set[str], templates: Path | None) -> Iterator[Path]:
    """What only WeasyPrint makes: the report, and for papers the figures, as PDF."""
    if not {"pdf", "latex"} & wanted:
        return
    from . import pdf

    if "pdf" in wanted:
        made = pdf.render_pdf(report.results, html.page(report, "pdf", templates))
        yield write_bytes(folder / "report.pdf", made)
    for drawing in report.drawings.values() if "latex" in wanted else ():
        yield write_bytes(folder / "figures" / f"{drawing.id}.pdf", pdf.figure_pdf(drawing.svg))
