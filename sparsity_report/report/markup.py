"""
Marks inside prose: citations, cross-references, code, formulas.

Prose is plain text; a mark is written by the functions here and resolved when numbers are known. The delimiters are
private-use characters, so that no text of an author or of an error message can contain a mark by accident, and all
that is not a mark is escaped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_OPEN, _SPLIT, _CLOSE = "\ue000", "\ue001", "\ue002"
_MARK = re.compile(f"{_OPEN}([a-z]+){_SPLIT}([^{_CLOSE}]*){_CLOSE}")


def _mark(kind: str, *parts: str) -> str:
    return f"{_OPEN}{kind}{_SPLIT}{_SPLIT.join(parts)}{_CLOSE}"


def plain(text: str) -> str:
    """Text from outside, as part of prose: it cannot contain marks."""
    return re.sub(f"[{_OPEN}{_SPLIT}{_CLOSE}]", "", text)


def cite(*keys: str) -> str:
    """References by key; empty keys are dropped, and no key at all is no text."""
    known = [key for key in keys if key]
    return f" {_mark('cite', *known)}" if known else ""


def ref(target: str) -> str:
    """A cross-reference, "Figure 3": `target` must be in the document."""
    return _mark("ref", target)


def see(*targets: str) -> str:
    """Cross-references in brackets, " (Figure 3, Table 2)", naming only those targets that the document has."""
    return _mark("see", *targets)


def code(text: str) -> str:
    return _mark("code", plain(text))


def strong(text: str) -> str:
    return _mark("strong", text)


def emphasis(text: str) -> str:
    return _mark("em", text)


def formula(tex: str, spoken: str) -> str:
    """Inline mathematics."""
    return _mark("formula", tex, spoken)


def quoted(text: str) -> str:
    """A number that an author's text quotes."""
    return _mark("span", plain(text))


class Numbering(Protocol):
    """What marks resolve to."""

    def label(self, target: str) -> str:
        """What a cross-reference prints, "Figure 3". Raises KeyError."""

    def has(self, target: str) -> bool: ...

    def citation(self, key: str) -> int: ...

    def formula(self, tex: str, spoken: str) -> Markup: ...


def cited(text: str) -> Iterator[str]:
    """Keys in the order in which a text cites them."""
    for kind, body in _MARK.findall(text):
        if kind == "cite":
            yield from body.split(_SPLIT)


def _link(target: str, numbering: Numbering) -> Markup:
    return Markup('<a class="xref" href="#{}">{}</a>').format(target, numbering.label(target).replace(" ", "\u00a0"))


def _html(kind: str, parts: list[str], numbering: Numbering) -> Markup:
    if kind == "cite":
        links = (Markup('<a href="#ref-{}">{}</a>').format(key, numbering.citation(key)) for key in parts)
        return Markup('<span class="nobr">[{}]</span>').format(Markup(", ").join(links))
    if kind == "ref":
        return _link(parts[0], numbering)
    if kind == "see":
        found = [_link(target, numbering) for target in parts if numbering.has(target)]
        return Markup(" ({})").format(Markup(", ").join(found)) if found else Markup("")
    if kind == "formula":
        return numbering.formula(*parts)
    return Markup("<{0}>{1}</{0}>").format(kind, parts[0])


def to_html(text: str, numbering: Numbering) -> Markup:
    """Escaped HTML in which every mark is resolved."""
    if _OPEN not in text:  # most cells of tables
        return escape(text)
    pieces, position = [], 0
    for found in _MARK.finditer(text):
        before, resolved = text[position : found.start()], _html(found[1], found[2].split(_SPLIT), numbering)
        if before.endswith(" ") and resolved:
            # WeasyPrint 70 breaks a line too early where a text ends in a space before an inline element.
            before, resolved = before[:-1], Markup("<span> {}</span>").format(resolved)
        pieces += [escape(before), resolved]
        position = found.end()
    return Markup("").join([*pieces, escape(text[position:])])


def resolved(html: Markup, numbering: Numbering) -> Markup:
    """HTML that has marks in its text, such as an author's, with every mark resolved."""

    def replace(found: re.Match[str]) -> str:
        return _html(found[1], Markup(found[2]).unescape().split(_SPLIT), numbering)

    return Markup(_MARK.sub(replace, html))


def mapped(text: str, plain_text: Callable[[str], str], mark: Callable[[str, list[str]], str]) -> str:
    """The text in another language: what stands between marks by one function, marks by kind and parts by another."""
    pieces, position = [], 0
    for found in _MARK.finditer(text):
        pieces += [plain_text(text[position : found.start()]), mark(found[1], found[2].split(_SPLIT))]
        position = found.end()
    return "".join([*pieces, plain_text(text[position:])])


def to_text(text: str) -> str:
    """Plain text: formulas in words; citations and cross-references, which need the paper around them, dropped."""

    def replace(found: re.Match[str]) -> str:
        parts = found[2].split(_SPLIT)
        return {"cite": "", "ref": "the report", "see": "", "formula": parts[-1]}.get(found[1], parts[0])

    return _MARK.sub(replace, text).replace(" .", ".").replace(" ,", ",")
