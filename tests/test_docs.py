"""The documentation is current, its links lead somewhere, and it knows no machine of ours."""

from __future__ import annotations

import importlib
import re
import shutil
from pathlib import Path

import pytest

from sparsity_report import __version__, registry
from sparsity_report.errors import CHECK_FAILED, OK

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.fixture
def generate(monkeypatch):
    """The script `docs/generate.py` as a module."""
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("generate")


def run(generate, monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["generate.py", *arguments])
    return generate.main()


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Addresses of a page's headings, as code hosts make them: lower case, spaces to hyphens, other signs dropped."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_generated_pages_are_current(generate):
    """Remedy: python docs/generate.py"""
    assert generate.stale(DOCS) == []


def test_a_page_that_is_changed_missing_or_too_many_fails_the_check_until_it_is_written_anew(
    generate, tmp_path, monkeypatch, capsys
):
    docs = tmp_path / "docs"
    shutil.copytree(DOCS, docs, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (docs / "figures.md").write_text("changed", encoding="utf-8")
    (docs / "reference" / "methods.md").unlink()
    (docs / "reference" / "gone.md").write_text("of a registry that is no more", encoding="utf-8")

    assert run(generate, monkeypatch, "--check", "--docs", str(docs)) == CHECK_FAILED
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(" is not")[0].removeprefix(f"{docs}/") for line in said] == [
        "figures.md",
        "reference/gone.md",
        "reference/methods.md",
    ]
    assert run(generate, monkeypatch, "--docs", str(docs)) == OK
    assert run(generate, monkeypatch, "--check", "--docs", str(docs)) == OK
    assert not (docs / "reference" / "gone.md").exists()


@pytest.mark.parametrize("kind", sorted(registry.REQUIRED))
def test_every_entry_of_every_registry_has_a_section(kind):
    page = (DOCS / "reference" / f"{kind.removeprefix('models.')}.md").read_text(encoding="utf-8")

    assert set(registry.names(kind)) == set(re.findall(r"^## `(.+)`$", page, re.MULTILINE))


def test_every_figure_of_the_report_has_a_section_that_says_how_to_read_it():
    drawn = {
        path.stem
        for path in (ROOT / "sparsity_report" / "report" / "figures").glob("*.py")
        if re.search(r"^def draw\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    sections = re.split(r"^## ", (DOCS / "figures.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]

    assert drawn == {section.partition("\n")[0].strip("`") for section in sections}
    assert all("**How to read it.** " in section for section in sections)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_resolve(page):
    for link in LINK.findall(prose(page)):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT.resolve()), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_names_no_folder_of_the_machine_on_which_it_was_written(page):
    assert not re.findall(r"(?<![\w.])/(?:tmp|home|root|work|Users)/\S*", page.read_text(encoding="utf-8"))


def test_the_citation_file_names_this_version_and_the_readme_s_title():
    cff = dict(
        re.findall(r'^(\w[\w-]*): "?(.+?)"?$', (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    )

    assert cff["version"] == __version__
    assert f"title = {{{cff['title']}}}" in (ROOT / "README.md").read_text(encoding="utf-8")
