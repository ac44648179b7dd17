"""
Tables for a paper: booktabs, one `tables/<id>.tex` each, to be read with \\input.

Texts are escaped; a citation becomes \\cite with the key of references.bib, and a cross-reference its number in this
report, because the paper has no such label.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from . import document, markup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .build import ReportModel
    from .document import Column, Entry, Row, Table

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "\u00a0": "~", "\u2002": " ", "\u202f": r"\,", "\u2212": "$-$",
    "×": r"$\times$", "–": "--", "—": "---", "·": r"$\cdot$", "≤": r"$\leq$", "≥": r"$\geq$", "±": r"$\pm$",
    "→": r"$\rightarrow$", "∞": r"$\infty$", "µ": r"$\mu$", "μ": r"$\mu$", "α": r"$\alpha$", "β": r"$\beta$",
    "…": r"\ldots{}", "“": "``", "”": "''", "‘": "`", "’": "'", "↑": r"$\uparrow$", "↓": r"$\downarrow$",
}  # fmt: skip
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
PREAMBLE = "% \\usepackage{booktabs} % and \\usepackage[utf8]{inputenc} before 2018's LaTeX\n"


def escape(text: str) -> str:
    """Text that LaTeX prints as it is."""
    text = "".join(SPECIAL.get(each, each) for each in text)
    return re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+", lambda found: f"$^{{{found[0].translate(SUPERSCRIPTS)}}}$", text)


def prose(text: str, numbering: document.Numbering) -> str:
    """Marked-up text as LaTeX."""

    def mark(kind: str, parts: list[str]) -> str:
        if kind == "cite":
            return f"\\cite{{{','.join(parts)}}}"
        if kind == "ref":
            return escape(numbering.label(parts[0]))
        if kind == "see":
            found = [escape(numbering.label(each)) for each in parts if numbering.has(each)]
            return f" ({', '.join(found)})" if found else ""
        if kind == "formula":
            return f"${parts[0]}$"
        wrap = {"code": "\\texttt{%s}", "strong": "\\textbf{%s}", "em": "\\emph{%s}"}.get(kind, "%s")
        return wrap % escape(parts[0])

    return markup.mapped(text, escape, mark)


def table(it: Table, numbering: document.Numbering) -> str:
    """The table as a LaTeX float with caption and label; all of its rows."""
    columns = "".join("r" if column.numeric else "l" for column in it.columns)
    lines = [
        PREAMBLE.rstrip(),
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{prose(it.caption, numbering)}}}",
        f"\\label{{{it.id}}}",
        f"\\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        "\\toprule",
        " & ".join(map(_head, it.columns)) + " \\\\",
        "\\midrule",
        *_body(it, numbering),
        "\\bottomrule",
        "\\end{tabular}",
        *(f"\\par\\smallskip\\footnotesize {prose(note, numbering)}" for note in it.notes),
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _head(column: Column) -> str:
    words = [column.title, f"({column.unit})" if column.unit else "", column.kind]
    return escape(" ".join(word for word in words if word))


def _body(it: Table, numbering: document.Numbering) -> Iterator[str]:
    for place, group in enumerate(it.groups):
        if place:
            yield "\\addlinespace"
        if group.heading:
            yield f"\\multicolumn{{{len(it.columns)}}}{{@{{}}l}}{{\\emph{{{prose(group.heading, numbering)}}}}} \\\\"
        yield from (_row(row, it, numbering) for row in group.rows)


def _row(row: Row, it: Table, numbering: document.Numbering) -> str:
    """Decimal points stand in a column: missing decimals are blanks of their width."""
    texts = (_entry(entry, column, numbering) for entry, column in zip(row.entries, it.columns, strict=True))
    return " & ".join(texts) + " \\\\"


def _entry(entry: Entry, column: Column, numbering: document.Numbering) -> str:
    words = f"\\texttt{{{escape(entry.text)}}}" if column.code else prose(entry.text, numbering)
    words = f"\\textbf{{{words}}}" if entry.best else words
    below = f" {{\\scriptsize {prose(entry.below, numbering)}}}" if entry.below else ""
    return words + (f"\\phantom{{{entry.pad}}}" if entry.pad else "") + below


def tables(report: ReportModel) -> dict[str, str]:
    """Every table of the report, by file name."""
    found = (each for each in document.blocks_of(report.sections) if isinstance(each, document.Table))
    return {f"{each.id.removeprefix('tab:')}.tex": table(each, report.numbering) for each in found}
