"""
A golden page guards the HTML (T66): what readers see of a hand-written study does not change by accident.

Styles, scripts, pictures and packed files are left out: they have tests of their own. After a change that is meant:
`pytest tests/report/test_golden.py --update-golden`, and look at the difference.
"""

from __future__ import annotations

import re
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden" / "course.html"


def bare(html: str) -> str:
    """The page without what is not read, one element a line."""
    html = re.sub(r"<(style|script|svg)([^>]*)>.*?</\1>", r"<\1\2></\1>", html, flags=re.DOTALL)
    html = re.sub(r'(src|href)="data:[^"]*"', r'\1="data:"', html)
    html = re.sub(r' style="width:[^"]*"', "", html)  # of formulas: as FreeType measures them
    html = re.sub(r"sha256-[^']*", "sha256-", html.replace("&#39;", "'"))
    return re.sub(r"\n\s*\n", "\n", re.sub(r"(?=<(?!/))", "\n", html))


def test_the_page_is_the_golden_one(page, request):
    found = bare(page("course"))
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(found, encoding="utf-8")

    assert found.splitlines() == GOLDEN.read_text(encoding="utf-8").splitlines()
