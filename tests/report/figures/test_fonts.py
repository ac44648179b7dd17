"""Subset faces hold what the text needs, and nothing that makes bytes differ."""

from __future__ import annotations

import io

import pytest
from fontTools.ttLib import TTFont

from sparsity_report.report import fonts

TEXT = "Sparsity of “5 – 10 %” isn’t free: AV To fi"
SIGNS = "×–—’“”…·µ±−α²"


@pytest.mark.parametrize("name", fonts.FACES)
def test_every_face_has_the_signs_of_the_prose(name: str):
    """What the report's own words use exists in every face, so that no line changes its face in the middle."""
    assert fonts.missing(fonts.FACES[name], TEXT + SIGNS) == ""


def test_what_a_face_lacks_is_listed_and_the_fallback_has_it():
    """Superscripts are not in the text's face; the fallback has all signs that any face lacks."""
    assert fonts.missing(fonts.FACES["regular"], "10⁻⁵ \n") == "⁵⁻"
    assert fonts.missing(fonts.FACES["italic"], "a ≤ b") == "≤"
    assert fonts.missing(fonts.FACES["fallback"], "⁻⁰⁵≤≥→‖∑✓▲≈") == ""
    assert fonts.missing(fonts.FACES["fallback"], "漢") == "漢"


@pytest.mark.parametrize("flavor", [None, "woff2"])
def test_a_subset_maps_exactly_the_characters(flavor):
    """No character of the text is lost, and no other is carried along."""
    with TTFont(io.BytesIO(fonts.subset(fonts.FACES["regular"], TEXT, flavor))) as font:
        assert set(font.getBestCmap()) == {ord(each) for each in TEXT}
        assert font.flavor == flavor


def test_the_same_characters_give_the_same_bytes():
    """In any order, however often, and at any time."""
    first = fonts.subset(fonts.FACES["bold"], TEXT)
    fonts._subset.cache_clear()

    assert fonts.subset(fonts.FACES["bold"], TEXT[::-1] * 2) == first


def test_a_missing_character_does_not_break_the_subset():
    """The rest of the text still has its glyphs."""
    with TTFont(io.BytesIO(fonts.subset(fonts.FACES["regular"], "a漢"))) as font:
        assert set(font.getBestCmap()) == {ord(" "), ord("a")}


@pytest.mark.parametrize("name", ["regular", "italic", "bold", "bold-italic"])
def test_letters_are_kerned_and_spaces_are_not(name: str):
    """Pairs with the space would widen justified lines; pairs of letters stay."""
    with TTFont(io.BytesIO(fonts.subset(fonts.FACES[name], TEXT))) as font:
        pairs = [
            (first, record.SecondGlyph)
            for lookup in font["GPOS"].table.LookupList.Lookup
            for table in lookup.SubTable
            if table.LookupType == 2 and table.Format == 1
            for first, row in zip(table.Coverage.glyphs, table.PairSet, strict=True)
            for record in row.PairValueRecord
        ]
        covered = {
            glyph
            for lookup in font["GPOS"].table.LookupList.Lookup
            for table in lookup.SubTable
            if table.LookupType == 2
            for glyph in table.Coverage.glyphs
        }

    assert covered
    assert not covered & fonts.SPACES
    assert not any(set(pair) & fonts.SPACES for pair in pairs)


def test_a_face_for_a_paper_is_small():
    """All of ASCII in WOFF2 takes less than 12 kB a face."""
    ascii_text = "".join(map(chr, range(32, 127)))

    assert all(len(fonts.subset(face, ascii_text, "woff2")) < 12_000 for face in fonts.faces())
