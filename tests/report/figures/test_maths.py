"""Formulas draw, have words, and stand on their baseline."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from sparsity_report import registry
from sparsity_report.report import maths

PACKAGE = Path(maths.__file__).parents[1]
KEPT = PACKAGE / "report" / "formulas.json"
INLINE = re.compile(r'\bformula\(\s*r?"([^"]+)"')
KINDS = ("methods", "formats", "metrics", "allocation", "quantizers")


def in_use() -> set[str]:
    """The TeX of every entry's equation, of the catalogue, and of formulas in sentences."""
    entries = {
        maths.displayed(registry.get(kind, name).INFO.equation) for kind in KINDS for name in registry.names(kind)
    }
    sentences = {
        tex for file in (PACKAGE / "report").rglob("*.py") for tex in INLINE.findall(file.read_text(encoding="utf-8"))
    }
    return (entries | sentences | {each.tex for each in maths.EQUATIONS.values()}) - {""}


def numbers(outline: str) -> list[int]:
    return [int(each) for each in re.findall(r"-?\d+", outline)]


def outline_of(formula: maths.Formula) -> str:
    return formula.svg.split(' d="')[1].split('"')[0]


def test_formulas_in_use_are_kept_as_they_are_drawn(request):
    """Exactly those; FreeType may round an outline elsewhere by a few of its steps, of a twentieth of a point."""
    made = {tex: maths.drawn(tex, "") for tex in sorted(in_use())}
    if request.config.getoption("--update-golden"):
        shapes = {tex: (it.width_pt, it.height_pt, it.depth_pt, outline_of(it)) for tex, it in made.items()}
        lines = ",\n".join(f"{json.dumps(tex)}: {json.dumps(shape)}" for tex, shape in shapes.items())
        KEPT.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
        maths.known.cache_clear()

    assert made.keys() == maths.known().keys()
    for tex, formula in made.items():
        width, height, depth, outline = maths.known()[tex]
        assert (formula.width_pt, formula.height_pt, formula.depth_pt) == pytest.approx((width, height, depth), abs=0.2)
        assert re.findall("[mlqcz]", outline_of(formula)) == re.findall("[mlqcz]", outline), tex
        assert numbers(outline_of(formula)) == pytest.approx(numbers(outline), abs=4), tex


def test_what_is_kept_is_not_drawn(monkeypatch):
    monkeypatch.setattr(maths, "drawn", None)
    maths.inline.cache_clear()

    assert maths.inline(maths.EQUATIONS["jaccard"].tex, "spoken").spoken == "spoken"


@pytest.mark.parametrize("name", maths.EQUATIONS)
def test_every_equation_of_the_catalogue_draws(name: str):
    """An outline inside its box, with words for those who cannot see it; nothing wider than the column of 414 pt."""
    formula = maths.inline(maths.EQUATIONS[name].tex, maths.EQUATIONS[name].spoken)
    root = ElementTree.fromstring(formula.svg)

    assert root.get("width") == f"{formula.width_pt}pt"
    assert 0 < formula.width_pt < 360
    assert 0 <= formula.depth_pt < formula.height_pt
    assert formula.spoken[0].isalpha()
    assert "\\" not in formula.spoken


@pytest.mark.parametrize("kind", ["methods", "formats", "metrics", "allocation"])
def test_every_registry_equation_draws(kind: str):
    """An entry's equation is TeX that mathtext understands, and it never comes without words."""
    for name in registry.names(kind):
        info = registry.get(kind, name).INFO
        if info.equation:
            assert maths.inline(info.equation, info.spoken).width_pt > 0
            assert info.spoken, name


def test_the_outline_fills_the_box_exactly():
    """Following all relative moves, the ink ends one bearing from every edge that it reaches."""
    formula = maths.inline("x", "x")
    places, at, start = [], [0, 0], [0, 0]
    for letter, numbers in re.findall(r"([mlqcz])([^mlqcz]*)", formula.svg.split(' d="')[1].split('"')[0]):
        values = [int(each) for each in re.findall(r"-?\d+", numbers)]
        pairs = [[at[0] + x, at[1] + y] for x, y in zip(values[::2], values[1::2], strict=True)]
        at = start if letter == "z" else pairs[-1]
        start = at if letter == "m" else start
        places += pairs
    horizontal, bearing = [x for x, _ in places], maths.BEARING_PT * maths.GRID

    assert min(horizontal) == pytest.approx(bearing, abs=3)
    assert max(horizontal) == pytest.approx(formula.width_pt * maths.GRID - bearing, abs=3)


def test_displayed_fractions_are_set_at_full_size():
    small, full = (maths.inline(tex, "one half") for tex in (r"\frac{1}{2}", maths.displayed(r"\frac{1}{2}")))

    assert full.height_pt > 1.3 * small.height_pt
    assert maths.displayed(r"\dfrac{1}{2}") == r"\dfrac{1}{2}"


def test_a_letter_with_a_tail_is_deeper():
    """The depth is what lies below the baseline: about nothing for x, a fifth of the size for g."""
    assert maths.inline("x", "x").depth_pt < 1
    assert 1.5 < maths.inline("g", "g").depth_pt < 3


def test_the_same_formula_has_the_same_bytes():
    """Drawing again after forgetting gives the same picture."""
    first = maths.inline("x^2", "x squared")
    maths.inline.cache_clear()

    assert maths.inline("x^2", "x squared") == first


@pytest.mark.parametrize("tex", [r"\frac{1}", r"\nosuch", "{"])
def test_what_is_not_understood_is_named(tex: str):
    """The message holds the formula at fault."""
    with pytest.raises(ValueError, match="does not understand the formula"):
        maths.inline(tex, "nonsense")


def test_a_formula_without_ink_is_refused():
    """An empty picture would be an invisible mistake."""
    with pytest.raises(ValueError, match="draws nothing"):
        maths.inline(r"\;", "a space")
