"""Texts of files and packages: where they are looked for, and what is said when they cannot be had."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from sparsity_report import registry
from sparsity_report.contracts import CorpusRequest
from sparsity_report.corpora import package, text
from sparsity_report.errors import EnvironmentProblem

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def speeches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An importable package "speeches" with two texts."""
    (tmp_path / "speeches" / "years").mkdir(parents=True)
    (tmp_path / "speeches" / "__init__.py").touch()
    (tmp_path / "speeches" / "years" / "1790.txt").write_text("Fellow citizens", encoding="utf-8")
    (tmp_path / "speeches" / "years" / "1791.txt").write_text("again", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize("argument", ["speeches", "speeches/**/*.txt", "speeches/years/179?.txt"])
def test_a_packages_texts_are_joined_by_a_blank_line(argument: str, speeches: None) -> None:
    found = package.read(CorpusRequest(argument))

    assert (found.text, found.documents) == ("Fellow citizens\n\nagain", 2)


@pytest.mark.parametrize("pattern", ["**.txt", "/etc/*", "*.txt"])
def test_a_glob_that_finds_nothing_or_is_none_says_how_to_write_one(pattern: str, speeches: None) -> None:
    """pathlib refuses the first (before Python 3.13) and the second with errors of its own."""
    with pytest.raises(EnvironmentProblem) as refused:
        package.read(CorpusRequest(f"speeches/{pattern}"))

    assert pattern in refused.value.message
    assert "package:speeches/**/*.txt" in refused.value.remedy


def test_a_text_in_the_home_is_found_from_any_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "mine.txt").write_text("words", encoding="utf-8")

    assert text.read(CorpusRequest("~/mine.txt", folder="specs")).text == "words"


def test_a_corpus_without_its_package_names_a_study_that_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # what importlib takes for "not installed"

    with pytest.raises(EnvironmentProblem, match="needs the package 'pyarrow'") as refused:
        registry.need("corpora", "wikitext-2")

    assert "pip install 'sparsity-report[all]'" in refused.value.remedy
    assert "sparsity-report run quickstart" in refused.value.remedy
