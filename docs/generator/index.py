"""The table of contents of `docs/reference/`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .markdown import document

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAD = """\
Generated from the spec's schema, the registries and the command line; `sparsity-report list NAME` prints the same of
one entry. [How to read the figures](../figures.md) · [What the numbers mean](../numbers.md)"""


def page(pages: Mapping[str, str]) -> str:
    """A line for each page: its title, and the names of its sections."""
    return document("Reference", LEAD, "\n".join(f"- {_line(name, text)}" for name, text in pages.items()))


def _line(name: str, text: str) -> str:
    title = re.findall(r"^# (.+)$", text, re.MULTILINE)[0]
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    return f"[{title}]({name}): {' · '.join(sections)}"
