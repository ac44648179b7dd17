"""Hand-written results, whole and changed, and pages rendered once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sparsity_report.report import html, pdf, replicates
from sparsity_report.results.model import Results

if TYPE_CHECKING:
    from collections.abc import Callable

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
def page_of(name: str) -> str:
    return html.render_html(read(name))


@cache
def pdf_of(name: str) -> bytes:
    return pdf.render_pdf(read(name), html.render_html(read(name), target="pdf"))


@pytest.fixture(scope="session")
def results() -> Callable[[str], Results]:
    """Hand-written results by name."""
    return read


@pytest.fixture(scope="session")
def shown() -> Callable[[str], Results]:
    """The same as the report shows it: replicates by their mean."""
    return cache(lambda name: replicates.pooled(read(name)))


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
