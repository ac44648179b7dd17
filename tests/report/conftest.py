"""Hand-written results, whole and changed, and pages rendered once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sparsity_report.report import figures, html, order, pdf, replicates
from sparsity_report.report.build import build
from sparsity_report.results.model import Results

if TYPE_CHECKING:
    from collections.abc import Callable

    from sparsity_report.report.build import ReportModel
    from sparsity_report.results.model import CellRecord

FIXTURES = Path(__file__).parents[1] / "results" / "fixtures"
NAMES = (
    *("course", "hardest", "every_cell_failed", "nan_perplexity", "csr_larger_everywhere"),
    *("calibrated", "projected", "two_texts"),
)


@cache
def read(name: str) -> Results:
    return Results.model_validate_json((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


@cache
def report_of(name: str) -> ReportModel:
    return build(read(name))


@cache
def page_of(name: str) -> str:
    return html.page(report_of(name), "html")


@cache
def pdf_of(name: str) -> bytes:
    return pdf.render_pdf(read(name), html.page(report_of(name), "pdf"))


@pytest.fixture(scope="session")
def results() -> Callable[[str], Results]:
    """Hand-written results by name."""
    return read


@pytest.fixture(scope="session")
def shown() -> Callable[[str], Results]:
    """The same as the report shows it: replicates by their mean, sweeps by rising sparsity."""
    return cache(lambda name: order.by_sparsity(replicates.pooled(read(name))))


@pytest.fixture(scope="session")
def report() -> Callable[[str], ReportModel]:
    """The report of hand-written results before it is a page, its figures drawn once."""
    return report_of


@pytest.fixture
def drawn_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`drawn_as(name)`: whatever is reported has the figures of these results; for tests of words alone."""
    return lambda name: monkeypatch.setattr(figures, "draw_all", lambda results: report_of(name).drawings)


@pytest.fixture(scope="session")
def page() -> Callable[[str], str]:
    """The HTML report of hand-written results, rendered once."""
    return page_of


@pytest.fixture(scope="session")
def pdf_bytes() -> Callable[[str], bytes]:
    """The PDF report of hand-written results, rendered once."""
    if (problem := pdf.problem()) is not None:
        pytest.skip(problem)
    return pdf_of


@pytest.fixture
def change() -> Callable[..., Results]:
    """`change(results, cell=predicate, metric=name, value=…, ci=…)`: the results with other numbers."""

    def changed(results: Results, *, cell: Callable[[CellRecord], bool], metric: str, **update: Any) -> Results:
        cells = []
        for each in results.cells:
            metrics = tuple(
                m.model_copy(update=update) if cell(each) and m.metric == metric else m for m in each.metrics
            )
            cells.append(each.model_copy(update={"metrics": metrics}))
        return results.model_copy(update={"cells": tuple(cells)})

    return changed
