"""
The line of each key in a TOML text, because `tomllib` gives values without places.

Works on text that `tomllib` has accepted, so it only has to walk and never to judge.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Loc = tuple[str | int, ...]

BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
KEY = re.compile(r"""[ \t]*("(?:\\.|[^"\\])*"|'[^']*'|[A-Za-z0-9_-]+)[ \t]*""")
STRING = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}(?!")|\'\'\'.*?\'{3,5}(?!\')|"(?:\\.|[^"\\])*"|\'[^\']*\'', re.DOTALL)
SCALAR = re.compile(r"[^,\]}#\n]*")


class Walk:
    """One pass over a TOML text that notes the line of every table, key and array element."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.counted = (0, 1)
        self.lines: dict[Loc, int] = {}
        self.tables: dict[Loc, int] = {}
        """How many `[[…]]` of a path were seen: the last one is meant by what follows."""

    def run(self) -> dict[Loc, int]:
        here: Loc = ()
        self._skip(BLANK)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                here = self._header()
            else:
                self._pair(here)
            self._skip(BLANK)
        return self.lines

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise ValueError(f"line {self._line()}: not TOML")
        self.at = found.end()
        return found[0]

    def _line(self) -> int:
        """Counted on from where it was last asked: the walk only goes forward."""
        place, line = self.counted
        self.counted = (self.at, line + self.text.count("\n", place, self.at))
        return self.counted[1]

    def _note(self, loc: Loc) -> None:
        """The first mention of a path is its place, and that of every table that it implies."""
        for end in range(1, len(loc) + 1):
            self.lines.setdefault(loc[:end], self._line())

    def _keys(self) -> list[str]:
        """The parts of a dotted key: `a."b.c"` has two."""
        parts = [self._key()]
        while self.text[self.at : self.at + 1] == ".":
            self.at += 1
            parts.append(self._key())
        return parts

    def _key(self) -> str:
        raw = self._skip(KEY).strip()
        return str(tomllib.loads(f"key = {raw}")["key"]) if raw[0] in "\"'" else raw

    def _header(self) -> Loc:
        """`[a.b]` or `[[a.b]]`; a part that is an array of tables means its last element."""
        array = self.text.startswith("[[", self.at)
        self.at += 2 if array else 1
        parts = self._keys()
        here: Loc = ()
        for number, part in enumerate(parts, start=1):
            here = (*here, part)
            if array and number == len(parts):
                self.tables[here] = self.tables.get(here, 0) + 1
            if here in self.tables:
                here = (*here, self.tables[here] - 1)
        self._note(here)
        self.at += 2 if array else 1
        return here

    def _pair(self, here: Loc) -> None:
        loc = (*here, *self._keys())
        self._note(loc)
        self.at += 1  # the equals sign
        self._value(loc)

    def _value(self, loc: Loc) -> None:
        self._skip(BLANK)
        opening = self.text[self.at]
        if opening == "[":
            self._items(loc, "]")
        elif opening == "{":
            self._items(loc, "}")
        else:
            self._skip(STRING if opening in "\"'" else SCALAR)

    def _items(self, loc: Loc, closing: str) -> None:
        """The elements of an array, or the pairs of an inline table."""
        self.at += 1
        number = 0
        self._skip(BLANK)
        while self.text[self.at] != closing:
            if closing == "]":
                self._note((*loc, number))
                self._value((*loc, number))
            else:
                self._pair(loc)
            number += 1
            self._skip(BLANK)
            if self.text[self.at] == ",":
                self.at += 1
                self._skip(BLANK)
        self.at += 1


def lines_of(text: str) -> dict[Loc, int]:
    """Path → line (from 1) of everything in a TOML text: `("variant", 1, "sparsity")` → 7."""
    return Walk(text).run()


def locate(loc: Sequence[str | int], lines: Mapping[Loc, int]) -> tuple[int, int]:
    """
    The line of the deepest part of `loc` that the text mentions, and how deep that is; (0, 0) if there is none.

    A key that is missing is so placed at its table's header.
    """
    for depth in range(len(loc), 0, -1):
        if tuple(loc[:depth]) in lines:
            return lines[tuple(loc[:depth])], depth
    return 0, 0
