"""Tables for a paper: LaTeX that nothing from outside can break, with the numbers of the report."""

from __future__ import annotations

import re

import pytest
from pypdf import PdfReader

from sparsity_report.report import latex, pdf
from sparsity_report.report.document import Column, Entry, Numbering, Row, RowGroup, Table
from sparsity_report.report.markup import cite, code, see
from sparsity_report.report.render import render

NUMBERS = Numbering({"fig:a": "1"}, {"fig:a": "Figure 1"}, ("han2015learning",), lambda tex, spoken: "")


def test_a_table_is_written_by_booktabs():
    columns = (Column("Cell", code=True), Column("Size", "MiB", "counted", numeric=True))
    rows = (Row((Entry("a_b"), Entry("1.5", pad="0"))), Row((Entry("c"), Entry("2.25", below="0.5×", best=True))))
    made = latex.table(Table("tab:x", "All of it.", columns, (RowGroup(rows, "Group"),), ("100 %",)), NUMBERS)

    assert r"\begin{tabular}{@{}lr@{}}" in made
    assert r"Cell & Size (MiB) counted \\" in made
    assert r"\texttt{a\_b} & 1.5\phantom{0} \\" in made
    assert r"\texttt{c} & \textbf{2.25} {\scriptsize 0.5$\times$} \\" in made
    assert r"\multicolumn{2}{@{}l}{\emph{Group}} \\" in made
    assert r"\footnotesize 100 \%" in made


def test_marks_become_commands():
    text = f"As{cite('han2015learning')} says of {code('x_1')}{see('fig:a', 'fig:none')}."

    assert latex.prose(text, NUMBERS) == r"As \cite{han2015learning} says of \texttt{x\_1} (Figure 1)."


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (r"\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("50 % & $x$ #1 ~ ^", r"50 \% \& \$x\$ \#1 \textasciitilde{} \textasciicircum{}"),
        ("3.1\u00a0·\u00a010⁻⁵", r"3.1~$\cdot$~10$^{-5}$"),
    ],
)
def test_no_text_is_a_command(text, written):
    assert latex.escape(text) == written


@pytest.mark.parametrize("name", ["course", "hardest"])
def test_every_table_of_a_report_is_sound(report, name):
    """Every row has all its columns, braces close, and no sign is left that LaTeX would act upon."""
    found = latex.tables(report(name))

    assert "headline.tex" in found
    for text in found.values():
        bare = re.sub(r"\\[\\{}$&#%_]", "", text.split("\n", 1)[1])
        assert bare.count("{") == bare.count("}")
        columns = len(re.search(r"\{@\{\}([lr]+)@\{\}\}", text)[1])
        rows = [line for line in text.splitlines() if line.endswith(r" \\") and "multicolumn" not in line]
        assert rows
        for row in rows:
            assert len(re.findall(r"(?<!\\)&", row)) == columns - 1, row
        assert not re.search(r"(?<!\\)[#%]", bare)


def test_what_a_paper_includes_is_written_beside_the_report(results, drawn_as, tmp_path):
    """Vector figures of the size of their SVG, one page each."""
    if (missing := pdf.problem()) is not None:
        pytest.skip(missing)
    drawn_as("course")
    written = {path.relative_to(tmp_path).as_posix() for path in render(results("course"), tmp_path, ("latex",))}

    assert {"tables/headline.tex", "references.bib", "figures/headline.svg", "figures/headline.pdf"} <= written
    assert not {"report.html", "report.pdf"} & written
    [page] = PdfReader(tmp_path / "figures" / "headline.pdf").pages
    svg = (tmp_path / "figures" / "headline.svg").read_text(encoding="utf-8")
    assert float(page.mediabox.width) == pytest.approx(float(re.search(r'width="([\d.]+)pt"', svg)[1]), abs=0.5)
    assert not page.images
