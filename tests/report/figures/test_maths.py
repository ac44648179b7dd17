"""Formulas draw, have words, and stand on their baseline."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from sparsity_report import registry
from sparsity_report.report import maths


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
