"""Labels of printed figures are text at the places of their letters."""

from __future__ import annotations

import re

from sparsity_report.report import style
from sparsity_report.report.labels import as_text

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'


def label(words, *uses):
    return as_text(f'{HEAD}<g aria-label="{words}">{"".join(uses)}</g></svg>')


def test_letters_become_text_at_their_own_places():
    svg = label("ab", '<use xlink:href="#R13"/>', '<use xlink:href="#R14" x="44.5"/>')

    assert 'x="0 44.5"' in svg
    assert ">ab</text>" in svg
    assert "<use" not in svg


def test_the_letters_of_a_ligature_stand_behind_each_other():
    """It is one outline: its second letter stands the width of an f behind its first."""
    svg = label("fia", '<use xlink:href="#R8f6"/>', '<use xlink:href="#R14" x="55.6"/>')

    assert 'x="0 33.3 55.6"' in svg
    assert ">fia</text>" in svg


def test_what_is_not_a_plain_line_keeps_its_outlines():
    """Fewer outlines than letters are no letters; another face and raised letters are not the text's."""
    assert "<text" not in label("ab", '<use xlink:href="#R13"/>')
    assert "<text" not in label("a", '<use xlink:href="#DejaVuSans-13"/>')
    assert "<text" not in label("a", '<use xlink:href="#R13" y="30"/>')


def test_every_label_of_a_real_figure_becomes_text():
    def paint(figure):
        figure.subplots().set(xlabel="Sparsity – at 30\u00a0% & “more”", ylabel='turned < "é"')
        figure.suptitle("bold", fontweight="bold")

    svg = as_text(style.render("labels", 40, paint))

    assert "Sparsity – at 30 % &amp; “more”" in svg
    assert 'turned &lt; "é"' in svg
    assert re.search(r'font-weight="700"[^>]*>bold<', svg)
    assert re.findall(r'href="#[RBI]', svg) == []
