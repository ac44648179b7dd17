"""The specs that ship, from themselves: title, question, and the comment at their head."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from sparsity_report.resources import folder

from .markdown import document, sentence

if TYPE_CHECKING:
    from pathlib import Path

LEAD = """\
`sparsity-report run NAME` runs one of these; `sparsity-report plan NAME` says before what it will compute and how long
that takes here."""


def page() -> str:
    files = sorted(folder("specs").rglob("*.toml"))
    return document("Studies that ship", LEAD, *map(_section, files))


def _section(file: Path) -> str:
    source = file.read_text(encoding="utf-8")
    inside = file.relative_to(folder("specs")).with_suffix("")
    study = tomllib.loads(source).get("study", {})
    question = f"*{sentence(study['question'])}*" if study.get("question") else ""
    link = f"[`specs/{inside}.toml`](../../specs/{inside}.toml)"
    parts = [f"## `{inside}`", f"**{study.get('title', inside)}** – {link}", question, head(source)]
    return "\n\n".join(part for part in parts if part)


def head(source: str) -> str:
    """The comment at the head of a spec as paragraphs; indented lines of it are code."""
    found: list[str] = []
    for line in source.splitlines():
        if line.startswith("#:"):
            continue
        if not line.startswith("#"):
            break
        found.append(line.removeprefix("#").removeprefix(" "))
    blocks: list[list[str]] = []
    for line in found:
        if not blocks or line.startswith("    ") != blocks[-1][-1].startswith("    ") or not line:
            blocks.append([])
        if line:
            blocks[-1].append(line)
        elif not blocks[-1]:
            blocks.pop()
    return "\n\n".join(_block(block) for block in blocks if block)


def _block(lines: list[str]) -> str:
    if lines[0].startswith("    "):
        return "```text\n" + "\n".join(line.strip() for line in lines) + "\n```"
    return sentence(" ".join(lines))
