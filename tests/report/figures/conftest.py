"""The hand-written studies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sparsity_report.results.model import Results

if TYPE_CHECKING:
    from collections.abc import Callable

FIXTURES = Path(__file__).parents[2] / "results" / "fixtures"


def read(name: str) -> Results:
    return Results.model_validate_json((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def studies() -> Callable[[str], Results]:
    """A hand-written study by name."""
    return read


@pytest.fixture(scope="session")
def course() -> Results:
    return read("course")


@pytest.fixture(scope="session")
def hardest() -> Results:
    return read("hardest")
