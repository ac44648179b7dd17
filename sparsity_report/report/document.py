"""
The paper as data: sections of blocks, and their numbers.

Numbers are given here, once, in reading order; both media print the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import markup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from markupsafe import Markup


@dataclass(frozen=True)
class Paragraph:
    text: str
    heading: str = ""
    """A run-in heading."""


@dataclass(frozen=True)
class Bullets:
    items: tuple[str, ...]


@dataclass(frozen=True)
class Author:
    """Author's Markdown, sanitised to HTML already; numbers and citations are marks in it."""

    html: Markup


@dataclass(frozen=True)
class Equation:
    """A displayed formula; one with an id is numbered."""

    id: str
    tex: str
    spoken: str


@dataclass(frozen=True)
class Listing:
    id: str
    text: str
    label: str = ""


@dataclass(frozen=True)
class Figure:
    """A drawing in its place; `drawing` is a `report.drawing.Drawing`."""

    id: str
    drawing: Any
    note: str = ""


@dataclass(frozen=True)
class Entry:
    """
    A table cell. `pad` are digits that hold the place of missing decimals so that decimal points stand in a column;
    `below` is a second, smaller line (an interval, a ratio); `sort` is what sorting uses; `best` is set in bold.
    """

    text: str
    below: str = ""
    pad: str = ""
    sort: float | None = None
    best: bool = False


@dataclass(frozen=True)
class Column:
    """`numeric` columns are aligned at the decimal point. `kind` is counted, measured, modelled or nothing."""

    title: str
    unit: str = ""
    kind: str = ""
    numeric: bool = False
    code: bool = False


@dataclass(frozen=True)
class Row:
    """A row with an `id` can be linked to in the HTML."""

    entries: tuple[Entry, ...]
    muted: bool = False
    id: str = ""


@dataclass(frozen=True)
class RowGroup:
    rows: tuple[Row, ...]
    heading: str = ""


@dataclass(frozen=True)
class Table:
    """
    `long` tables may break over pages; the PDF shows their first `PRINTED_ROWS` rows. `tall` ones, whose rows have
    many lines, may break however few rows they have.
    """

    id: str
    caption: str
    columns: tuple[Column, ...]
    groups: tuple[RowGroup, ...]
    notes: tuple[str, ...] = ()
    long: bool = False
    tall: bool = False
    small: bool = False

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(row for group in self.groups for row in group.rows)

    @property
    def lines(self) -> int:
        """Lines of the table's body: two for a row with a second line that does not stand beside the first."""
        beside = self.beside
        places = [place for place in _all(self) if not (beside and self.columns[place].numeric)]
        return sum(1 + any(row.entries[place].below for place in places) for row in self.rows)

    @property
    def beside(self) -> tuple[float, ...]:
        """
        Where there is room for second lines (intervals) beside the numbers, their widths by column in em; else nothing.

        So a table has half as many lines.
        """
        seconds = tuple(max((_ems(row.entries[place].below) for row in self.rows), default=0.0) for place in _all(self))
        if not any(width for width, column in zip(seconds, self.columns, strict=True) if column.numeric):
            return ()
        firsts = (max((_ems(row.entries[place].text) for row in self.rows), default=0.0) for place in _all(self))
        needed = sum(first + SECOND_LINE * second + PADDING for first, second in zip(firsts, seconds, strict=True))
        return seconds if needed <= (SMALL_WIDTH if self.small else WIDTH) else ()


WIDTH, SMALL_WIDTH = 45.0, 54.0
"""Em of its own type that a table has in print."""
SECOND_LINE, PADDING = 0.86, 0.8


def _ems(text: str) -> float:
    """About the width of a text with its marks, in em."""
    return sum(0.27 if each in ".,[]()  " else 0.52 for each in markup.to_text(text))


def _all(table: Table) -> range:
    return range(len(table.columns))


Block = Paragraph | Bullets | Author | Equation | Listing | Figure | Table


@dataclass(frozen=True)
class Section:
    """`sections` are one level below. An `appendix` is lettered; an unnumbered section has neither."""

    id: str
    title: str
    blocks: tuple[Block, ...] = ()
    sections: tuple[Section, ...] = ()
    appendix: bool = False

    @property
    def empty(self) -> bool:
        return not self.blocks and all(each.empty for each in self.sections)


def blocks_of(sections: tuple[Section, ...]) -> Iterator[Block]:
    """All blocks in reading order."""
    for section in sections:
        yield from section.blocks
        yield from blocks_of(section.sections)


def texts_of(block: Block) -> Iterator[str]:
    """The marked-up texts of a block, in reading order."""
    match block:
        case Paragraph():
            yield block.text
        case Bullets():
            yield from block.items
        case Author():
            yield block.html
        case Figure():
            yield from (block.drawing.caption, block.drawing.how_to_read, block.note)
        case Table():
            yield block.caption
            for row in block.rows:
                yield from (text for entry in row.entries for text in (entry.text, entry.below))
            yield from block.notes


def section_numbers(sections: tuple[Section, ...], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(id, number): 1, 1.1, 2 … and A, B for appendices."""
    counters = {False: 0, True: 0}
    for section in sections:
        counters[section.appendix] += 1
        place = counters[section.appendix]
        own = prefix + (chr(ord("A") + place - 1) if section.appendix else str(place))
        yield section.id, own
        yield from section_numbers(section.sections, f"{own}.")


@dataclass(frozen=True)
class Numbering:
    """Numbers of everything that has one, by id; resolves the marks of prose."""

    numbers: dict[str, str]
    labels: dict[str, str]
    citations: tuple[str, ...]
    draw: Callable[[str, str], Markup] = field(compare=False)

    def label(self, target: str) -> str:
        return self.labels[target]

    def has(self, target: str) -> bool:
        return target in self.labels

    def citation(self, key: str) -> int:
        return self.citations.index(key) + 1

    def formula(self, tex: str, spoken: str) -> Markup:
        return self.draw(tex, spoken)


def number(sections: tuple[Section, ...], before: tuple[str, ...], draw: Callable[[str, str], Markup]) -> Numbering:
    """
    Number sections, figures, tables, equations and citations.

    `before` are texts that stand before the first section (abstract). `draw` makes an inline formula.
    Raises ValueError for an id that occurs twice.
    """
    numbers: dict[str, str] = {}
    labels: dict[str, str] = {}

    def add(target: str, value: str, label: str) -> None:
        if target in numbers:
            raise ValueError(f"the id {target!r} occurs twice in the report")
        numbers[target], labels[target] = value, label

    for target, value in section_numbers(sections):
        add(target, value, f"{'Section' if value[0].isdigit() else 'Appendix'} {value}")
    kinds = {Figure: ("Figure {}", 0), Table: ("Table {}", 0), Equation: ("Eq. ({})", 0)}
    citations = [key for text in before for key in markup.cited(text)]
    for block in blocks_of(sections):
        if type(block) in kinds and not isinstance(block, Paragraph | Bullets | Author | Listing):
            form, last = kinds[type(block)]
            kinds[type(block)] = (form, last + 1)
            add(block.id, str(last + 1), form.format(last + 1))
        citations += [key for text in texts_of(block) for key in markup.cited(text)]
    return Numbering(numbers, labels, tuple(dict.fromkeys(citations)), draw)
