"""Markdown as code hosts show it, from plain text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NOTE = "<!-- Written by docs/generate.py: change the code that it reads, not this page. -->"

CODE = re.compile(r"(`[^`]*`)")


def document(title: str, *parts: str) -> str:
    """A page from its title and parts; empty parts are left out."""
    return "\n\n".join([NOTE, f"# {title}", *(part.strip("\n") for part in parts if part)]) + "\n"


def text(plain: str) -> str:
    """Plain text in one paragraph; what stands in backticks stays code, every other sign is meant as it is."""
    pieces = CODE.split(" ".join(plain.split()))
    return "".join(piece if CODE.fullmatch(piece) else _literal(piece) for piece in pieces)


def _literal(piece: str) -> str:
    return re.sub(r"([\\*\[\]$])", r"\\\1", piece).replace("<", "&lt;")


def sentence(plain: str) -> str:
    """`text` that begins with a capital and ends with a full stop, unless it ends with a sign of its own."""
    shown = text(plain)
    return f"{shown[:1].upper()}{shown[1:]}{'' if shown.endswith(('.', '!', '?', ':', '…')) else '.'}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns that are empty in every row are left out; "" without rows."""
    body = [tuple(row) for row in rows]
    used = [number for number in range(len(header)) if any(row[number] for row in body)]
    lines = [[header[number] for number in used], ["---"] * len(used)]
    lines += [[row[number].replace("|", "\\|") for number in used] for row in body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if body else ""


def code(value: object) -> str:
    """A value as code, "" as nothing."""
    return f"`{value}`" if str(value) else ""


def toml(value: object) -> str:
    """A default as a spec would write it; "" for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {toml(each)}" for key, each in value.items() if each is not None)
        return f"{{ {inner} }}" if inner else "{}"
    return str(value)
