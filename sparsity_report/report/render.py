"""Results to files: report.html, report.pdf, figures, results.csv, summary.md. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..results.store import write_bytes
from . import html, markdown, tidy
from .build import build

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ..results.model import Results

OUTPUTS = ("html", "pdf")


def render(results: Results, folder: Path, outputs: Iterable[str] = OUTPUTS) -> tuple[Path, ...]:
    """
    Write the report into `folder`; the paths written, the report first.

    The PDF comes last: where it cannot be made, everything else is there already, and EnvironmentProblem has the
    remedy. Raises EnvironmentProblem, too, when the folder cannot be written.
    """
    report, wanted = build(results), set(outputs)
    paths = []
    if "html" in wanted or "pdf" in wanted:  # the HTML is also what remains where no PDF can be made
        paths.append(write_bytes(folder / "report.html", html.page(report, "html").encode()))
    for drawing in report.drawings.values():
        paths.append(write_bytes(folder / "figures" / f"{drawing.id}.svg", drawing.svg.encode()))
        paths.append(write_bytes(folder / "figures" / f"{drawing.id}.csv", drawing.csv.encode()))
    paths.append(write_bytes(folder / "results.csv", tidy.results_csv(results).encode()))
    paths.append(write_bytes(folder / "summary.md", markdown.summary(results).encode()))
    if "pdf" in wanted:
        from . import pdf

        paths.insert(1, write_bytes(folder / "report.pdf", pdf.render_pdf(results, html.page(report, "pdf"))))
    return tuple(paths)
