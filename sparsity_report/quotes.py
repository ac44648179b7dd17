"""
What an author's text quotes: numbers of the study, and literature.

    {{ perplexity | method=wanda, sparsity=0.5 }}                          a number, selected as in `[[expect]]`
    {{ stored_bytes | over=target, format=csr, sparsity=0.3, interval }}   with its 95 % interval
    {{ stored_bytes | format=csr, sparsity=0.3, relative_to=dense }}       as a ratio to dense
    [@han2015learning; @sun2024wanda]                                      literature, by key

This is data and no language: nothing is evaluated, so that there is nothing to break out of. `\\{{` and `\\[@` stand
for themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from . import selectors
from .errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Fact = str | int | float | Decimal

_MARK = re.compile(r"(?<!\\)(?:\{\{(?P<quote>.*?)(?P<end>\}\}|\Z)|\[@(?P<keys>[^\]\n]*)\])", re.DOTALL)
_OPTION = re.compile(r"""\s*(?P<key>[A-Za-z_]\w*)\s*(?:=\s*(?:"(?P<text>[^"\n]*)"|(?P<word>[^,"=]+?)))?\s*(?:,|\Z)""")
_METRIC = re.compile(r"[a-z][a-z0-9_]*")

CONDITIONS = (
    *("over", "component", "group", "corpus", "batch", "prompt", "decode", "phase", "part", "machine", "context"),
    *("task", "fewshot", "block"),
)
"""What the values of one cell differ in."""
EXAMPLE = "such as {{ perplexity | method=wanda, sparsity=0.5 }}; \\{{ stands for itself"


@dataclass(frozen=True)
class Quote:
    """A quoted number; `options` are properties of a cell and conditions of its value, as they were written."""

    text: str
    line: int
    metric: str = ""
    options: dict[str, Fact] = field(default_factory=dict)
    interval: bool = False
    relative: bool = False
    """As a ratio to dense."""
    problem: str = ""
    """What is wrong with how it is written."""

    def where(self, format_keys: frozenset[str]) -> dict[str, Fact]:
        """The properties that select cells; a format's own parameters are among them."""
        return {key: each for key, each in self.options.items() if key in selectors.KEYS or key in format_keys}

    def conditions(self, format_keys: frozenset[str]) -> dict[str, str | int | float]:
        rest = {key: each for key, each in self.options.items() if key not in self.where(format_keys)}
        return {key: float(each) if isinstance(each, Decimal) else each for key, each in rest.items()}

    def refused(self, why: str, hint: str = "") -> Problem:
        return Problem("", why, self.line, hint)


@dataclass(frozen=True)
class Citation:
    keys: tuple[str, ...]
    line: int


def _fact(text: str) -> Fact:
    """A whole number, a decimal as it was written, or text."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if not number.is_finite():
        return text
    return int(number) if re.fullmatch(r"[+-]?\d+", text) else number


def _quote(text: str, line: int) -> Quote:
    head, bar, rest = text.partition("|")
    metric, options, at = head.strip(), dict[str, Fact](), 0
    wrong = "" if _METRIC.fullmatch(metric) else "does not begin with the name of a quantity"
    while bar and at < len(rest.rstrip()) and not wrong:
        found = _OPTION.match(rest, at)
        if found is None:
            wrong = f"cannot be read from {rest[at:].strip()!r} on"
            break
        key, at = found["key"], found.end()
        flag = found["text"] is None and found["word"] is None
        if key in options:
            wrong = f"has {key!r} twice"
        elif flag != (key == "interval"):
            wrong = f"has no value for {key!r}" if flag else "has a value for 'interval', which is a word alone"
        elif key == "relative_to" and (found["text"] or found["word"]) != "dense":
            wrong = "is relative to something else than dense"
        options[key] = "" if flag else found["text"] if found["text"] is not None else _fact(found["word"])
    interval, relative = "interval" in options, "relative_to" in options
    own = {key: each for key, each in options.items() if key not in ("interval", "relative_to")}
    return Quote(" ".join(text.split()), line, metric, own, interval, relative, wrong)


def _read(found: re.Match[str]) -> Quote | Citation:
    line = found.string.count("\n", 0, found.start()) + 1
    if found["keys"] is not None:
        parts = re.split(r"[;,]", found["keys"])
        return Citation(tuple(part.strip().removeprefix("@") for part in parts), line)
    if not found["end"]:
        return Quote(found["quote"][:20].strip(), line, problem="is not closed by }}")
    return _quote(found["quote"], line)


def read(text: str) -> Iterator[Quote | Citation]:
    """All quotes of a text, in order."""
    return (_read(found) for found in _MARK.finditer(text))


def replaced(text: str, number: Callable[[Quote], str], cited: Callable[[Citation], str]) -> str:
    """The text with every quote written out."""

    def write(found: re.Match[str]) -> str:
        each = _read(found)
        return number(each) if isinstance(each, Quote) else cited(each)

    return _MARK.sub(write, text)
