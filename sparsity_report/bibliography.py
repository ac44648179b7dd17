"""
Literature as data: `report/references.toml`, and an author's own .toml (of the same shape) or .bib file.

A reference is its BibTeX fields in order, and `type`, the kind of its entry.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache
from pathlib import Path

from .errors import Problem, SpecError

SHIPPED = Path(__file__).parent / "report" / "references.toml"
KEY = re.compile(r"[A-Za-z0-9][\w:.+/-]*")
NEEDED = ("title", "author")
ACCENTS = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", '"': "\u0308", "=": "\u0304", ".": "\u0307",
    "u": "\u0306", "v": "\u030c", "H": "\u030b", "c": "\u0327", "k": "\u0328", "r": "\u030a",
}  # fmt: skip
LETTERS = {
    "ss": "ß", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ae": "æ", "AE": "Æ", "aa": "å", "AA": "Å", "i": "i",
}  # fmt: skip
_ACCENT = re.compile(r"""\{?\\(?:([`'^~"=.])\s*|([uvHckr])(?:\s+|(?=\{)))\{?\\?([A-Za-z])\}?\}?""")
_LETTER = re.compile(r"\{?\\(ss|ae|AE|aa|AA|o|O|l|L|i)(?![A-Za-z])\s*\}?")
_ENTRY = re.compile(r"@(?P<type>\w+)\s*\{")

Fields = dict[str, str]


@cache
def shipped() -> dict[str, Fields]:
    return of_toml(SHIPPED.read_text(encoding="utf-8"))


def read(text: str, name: str) -> dict[str, Fields]:
    """The references of an author's file, by key. Raises SpecError with file and line."""
    try:
        found = of_bibtex(text) if name.endswith(".bib") else of_toml(text)
        for key, fields in found.items():
            line = text[: max(text.find(key), 0)].count("\n") + 1
            missing = [each for each in NEEDED if not fields.get(each)]
            if missing or not KEY.fullmatch(key):
                why = f"has no {' and no '.join(missing)}" if missing else "is no key that a text can cite"
                raise _Wrong(f"{key!r} {why}", line)
    except tomllib.TOMLDecodeError as problem:
        place = re.search(r"at line (\d+)", str(problem))
        raise SpecError(Problem("", f"not valid TOML: {problem}", int(place[1]) if place else 0), file=name) from None
    except _Wrong as problem:
        raise SpecError(Problem("", problem.why, problem.line), file=name, text=text) from None
    return found


class _Wrong(Exception):
    def __init__(self, why: str, line: int) -> None:
        super().__init__(why)
        self.why, self.line = why, line


def of_toml(text: str) -> dict[str, Fields]:
    tables = tomllib.loads(text)
    if wrong := next((key for key, table in tables.items() if not isinstance(table, dict)), None):
        raise _Wrong(f"{wrong!r} is no table: write [key] above the fields of a reference", 1)
    return {
        key: {"type": "misc"} | {name: str(value) for name, value in table.items()} for key, table in tables.items()
    }


def of_bibtex(text: str) -> dict[str, Fields]:
    """Entries of a .bib file, their LaTeX written out; @comment and @preamble are passed over, @string is refused."""
    found: dict[str, Fields] = {}
    at = 0
    while entry := _ENTRY.search(text, at):
        line = text.count("\n", 0, entry.start()) + 1
        at = _closing(text, entry.end(), line)
        kind, body = entry["type"].lower(), text[entry.end() : at]
        if kind in ("comment", "preamble"):
            continue
        if kind == "string":
            raise _Wrong("@string is not known here: write the words out", line)
        key, _, rest = body.partition(",")
        if key.strip() in found:
            raise _Wrong(f"the key {key.strip()!r} is taken already", line)
        found[key.strip()] = {"type": kind} | _fields(rest, line + key.count("\n"))
    return found


def _closing(text: str, at: int, line: int) -> int:
    """The place of the brace that closes the one before `at`."""
    depth = 1
    for place in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0) if text[place - 1] != "\\" else 0
        if not depth:
            return place
    raise _Wrong("a brace that is opened here is not closed", line)


def _fields(body: str, line: int) -> Fields:
    fields: Fields = {}
    at = 0
    while name := re.compile(r"[\s,]*([A-Za-z][\w-]*)\s*=\s*").match(body, at):
        here, at = line + body.count("\n", 0, name.end()), name.end()
        opening = body[at : at + 1]
        if opening == "{":
            end = _closing(body, at + 1, here)
            value, at = body[at + 1 : end], end + 1
        elif opening == '"':
            end = body.find('"', at + 1)
            if end < 0:
                raise _Wrong("a quotation mark that is opened here is not closed", here)
            value, at = body[at + 1 : end], end + 1
        else:
            bare = re.compile(r"\w*").match(body, at)
            value, at = (bare[0], bare.end()) if bare else ("", at)
        fields[name[1].lower()] = people(value) if name[1].lower() == "author" else unlatex(value)
    if body[at:].strip(" \t\n\r,"):
        raise _Wrong(f"cannot be read from {body[at:].strip()[:20]!r} on", line + body.count("\n", 0, at))
    return fields


def unlatex(text: str) -> str:
    """The text that LaTeX would print: accents, dashes, special signs; grouping braces are dropped."""
    text = _LETTER.sub(lambda each: LETTERS[each[1]], text)
    text = _ACCENT.sub(lambda each: unicodedata.normalize("NFC", each[3] + ACCENTS[each[1] or each[2]]), text)
    text = re.sub(r"\\([&%$#_{}])", r"\1", re.sub(r"(?<!\\)[{}]", "", text))
    return " ".join(text.replace("~", " ").replace("---", "—").replace("--", "–").split())


def people(latex: str) -> str:
    """Authors as "First Last and First Last"; BibTeX also knows "Last, First". An institution keeps its braces."""
    return " and ".join(map(_person, re.split(r"\s+and\s+", latex.strip())))


def _person(latex: str) -> str:
    if latex.startswith("{") and latex.endswith("}"):
        return "{" + unlatex(latex) + "}"
    last, *first = (part.strip() for part in unlatex(latex).split(","))
    return " ".join([*first, last])
