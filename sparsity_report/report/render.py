"""Results to files: report.html, report.pdf, figures, results.csv, summary.md. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import EnvironmentProblem
from ..results.store import write_bytes
from . import html, markdown, tidy
from .build import build
from .templates import environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ..results.model import Results

OUTPUTS = ("html", "pdf")


def render(
    results: Results, folder: Path, outputs: Iterable[str] = OUTPUTS, templates: Path | None = None
) -> Iterator[Path]:
    """
    Write the report into `folder`, and yield each path once it is written; nothing happens before the first is asked.

    Templates in the folder `templates` come before those shipped.

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
    yield write_bytes(folder / "results.csv", tidy.results_csv(results).encode())
    yield write_bytes(folder / "summary.md", markdown.summary(results, templates).encode())
    if "pdf" in wanted:
        from . import pdf

        try:
            made = pdf.render_pdf(results, html.page(report, "pdf", templates))
        except EnvironmentProblem as problem:
            message = f"{problem.message} Everything else is written, the report as {page}."
            raise EnvironmentProblem(message, remedy=problem.remedy) from problem
        yield write_bytes(folder / "report.pdf", made)
