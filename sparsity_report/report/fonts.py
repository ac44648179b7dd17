"""
The faces of the paper: STIX for text and DejaVu Sans Mono for code, as matplotlib carries them, cut to what is used.

The text's face is also that of figures and formulas. WOFF2 goes into the HTML; plain TrueType into the PDF, because
WeasyPrint unpacks WOFF2 in pure Python. Equal characters give equal bytes: nothing is stamped with a time.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

TEXT, MONO, FALLBACK = "Paper", "Paper Mono", "Paper Fallback"
SPACES = {"space", "uni00A0", "nonbreakingspace"}


@dataclass(frozen=True)
class Face:
    """A font file of matplotlib's, and how CSS names it. Weight 400 or 700; style "normal" or "italic"."""

    name: str
    family: str
    weight: int
    style: Literal["normal", "italic"]
    file: str

    @property
    def path(self) -> Path:
        import matplotlib as mpl

        return Path(mpl.get_data_path(), "fonts", "ttf", self.file)


FACES = {
    face.name: face
    for face in (
        Face("regular", TEXT, 400, "normal", "STIXGeneral.ttf"),
        Face("italic", TEXT, 400, "italic", "STIXGeneralItalic.ttf"),
        Face("bold", TEXT, 700, "normal", "STIXGeneralBol.ttf"),
        Face("bold-italic", TEXT, 700, "italic", "STIXGeneralBolIta.ttf"),
        Face("mono", MONO, 400, "normal", "DejaVuSansMono.ttf"),
        Face("mono-bold", MONO, 700, "normal", "DejaVuSansMono-Bold.ttf"),
        Face("fallback", FALLBACK, 400, "normal", "DejaVuSans.ttf"),
    )
}
"""Faces by name. The fallback has what the text's faces lack: superscript signs, arrows in italics."""


def faces() -> tuple[Face, ...]:
    return tuple(FACES.values())


@cache
def _coverage(face: Face) -> frozenset[int]:
    from fontTools.ttLib import TTFont

    with TTFont(face.path, lazy=True) as font:
        return frozenset(font.getBestCmap())


def missing(face: Face, characters: Iterable[str]) -> str:
    """Characters that the face has no glyph for, sorted, each once. Line breaks and tabs need no glyph."""
    return "".join(sorted({each for each in characters if each not in "\n\r\t" and ord(each) not in _coverage(face)}))


@cache
def _subset(face: Face, characters: str) -> bytes:
    """TrueType."""
    from fontTools import subset as cutting

    options = cutting.Options(
        hinting=False, layout_features=["kern", "liga"], name_IDs=[1, 2, 4, 6, 13, 14],
        notdef_outline=True, recalc_timestamp=False, drop_tables=["FFTM", "MATH", "DSIG", "kern"],
    )  # fmt: skip
    buffer = io.BytesIO()
    with cutting.load_font(io.BytesIO(face.path.read_bytes()), options) as font:
        cutter = cutting.Subsetter(options)
        cutter.populate(unicodes=map(ord, characters))
        cutter.subset(font)
        _drop_kerning_of_spaces(font)
        cutting.save_font(font, buffer, options)
    return buffer.getvalue()


@cache
def _packed(truetype: bytes) -> bytes:
    """WOFF2 of a TrueType font."""
    from fontTools.ttLib import TTFont

    buffer = io.BytesIO()
    with TTFont(io.BytesIO(truetype), recalcTimestamp=False) as font:
        font.flavor = "woff2"
        font.save(buffer, reorderTables=False)
    return buffer.getvalue()


def subset(face: Face, characters: Iterable[str], flavor: Literal["woff2"] | None = None) -> bytes:
    """
    The face with only the glyphs of `characters` (and the space); None is TrueType.

    Characters that it lacks are left out: ask `missing` for them.
    """
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it reports every table that it passes over
    cut = _subset(face, "".join(sorted({" ", *characters} - set(missing(face, characters)))))
    return _packed(cut) if flavor == "woff2" else cut


def _drop_kerning_of_spaces(font: Any) -> None:
    """A pair with the space moves words of justified lines apart (Kozea/WeasyPrint#2928): drop those pairs."""
    if "GPOS" not in font or font["GPOS"].table.LookupList is None:
        return
    for lookup in font["GPOS"].table.LookupList.Lookup:
        for table in lookup.SubTable:
            pairs = getattr(table, "ExtSubTable", table)
            if pairs.LookupType == 2:
                _drop_pairs(pairs)


def _drop_pairs(pairs: Any) -> None:
    if pairs.Format == 1:
        kept = [
            (first, row) for first, row in zip(pairs.Coverage.glyphs, pairs.PairSet, strict=True) if first not in SPACES
        ]
        pairs.Coverage.glyphs, pairs.PairSet = [first for first, _ in kept], [row for _, row in kept]
        pairs.PairSetCount = len(kept)
        for row in pairs.PairSet:
            row.PairValueRecord = [each for each in row.PairValueRecord if each.SecondGlyph not in SPACES]
            row.PairValueCount = len(row.PairValueRecord)
        return
    pairs.Coverage.glyphs = [first for first in pairs.Coverage.glyphs if first not in SPACES]
    for classes in (pairs.ClassDef1.classDefs, pairs.ClassDef2.classDefs):
        for glyph in SPACES & classes.keys():
            del classes[glyph]
