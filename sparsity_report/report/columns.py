"""Entries of tables: a measured value with its interval, a missing one with a dash, decimal points in one column."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from . import numbers
from .document import Entry, Row, RowGroup, Table

if TYPE_CHECKING:
    from ..results.model import Measurement

_DECIMAL = re.compile(rf"^{numbers.MINUS}?[\d,]+(?:\.(\d+))?")
NONE = Entry(numbers.DASH)


def text(value: str, below: str = "") -> Entry:
    return Entry(value, below=below)


def plain_number(value: float | None, decimals: int = 0) -> Entry:
    return NONE if value is None else Entry(numbers.number(value, decimals), sort=value)


def share(value: float | None, decimals: int = 2) -> Entry:
    """A fraction in per cent; the unit stands in the header."""
    return NONE if value is None else Entry(numbers.number(value * 100, decimals), sort=value)


def size(value: float | None, below: str = "") -> Entry:
    """Bytes in MiB; the unit stands in the header."""
    if value is None:
        return NONE
    shown = numbers.mebibytes(value).removesuffix(f"{numbers.NBSP}MiB")
    return Entry(shown, below=below, sort=value)


def measured(measurement: Measurement | None, scale: float = 1.0, fallback: int = 2) -> Entry:
    """The value with as many decimals as its interval supports, the interval below."""
    if measurement is None:
        return NONE
    if measurement.value is None:
        return Entry("not finite", sort=float("inf"))
    places = numbers.decimals_for(measurement, scale, fallback)
    value = measurement.value * scale
    return Entry(numbers.number(value, places), below=numbers.interval(measurement, scale, places), sort=value)


def decimals(entry: Entry) -> int | None:
    """Decimals of a number, None for text."""
    found = _DECIMAL.match(entry.text)
    return len(found[1] or "") if found else None


def _padding(own: int | None, widest: int) -> str:
    if own is None or own == widest:
        return ""
    return ("." if own == 0 else "") + "0" * (widest - own)


def aligned(table: Table) -> Table:
    """The table whose numeric columns have their decimal points below each other."""
    widest = [
        max((decimals(row.entries[place]) or 0 for row in table.rows), default=0) for place in range(len(table.columns))
    ]

    def pad(row: Row) -> Row:
        entries = (
            replace(entry, pad=_padding(decimals(entry), most)) if column.numeric else entry
            for entry, most, column in zip(row.entries, widest, table.columns, strict=True)
        )
        return replace(row, entries=tuple(entries))

    groups = (RowGroup(tuple(map(pad, group.rows)), group.heading) for group in table.groups)
    return replace(table, groups=tuple(groups))


def without_empty(table: Table) -> Table:
    """The table without numeric columns in which no row has anything."""
    kept = [
        place
        for place, column in enumerate(table.columns)
        if not column.numeric or any(row.entries[place] != NONE for row in table.rows)
    ]
    groups = tuple(
        replace(
            group, rows=tuple(replace(row, entries=tuple(row.entries[each] for each in kept)) for row in group.rows)
        )
        for group in table.groups
    )
    return replace(table, columns=tuple(table.columns[each] for each in kept), groups=groups)
