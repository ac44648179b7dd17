"""Control characters that no page, figure or XML may hold: a model's tokens and a system's messages can have them."""

from __future__ import annotations

import re
from typing import Any

from ..results.model import Results

FORBIDDEN = re.compile("[^\t\n\r\u0020-\u007e\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may contain, not even escaped, and what HTML calls a parse error."""
ESCAPED = re.compile(r"\\u(?:00[01]|d[89a-f]|fff[ef])|[\x7f-\x9f\ufffe\uffff]", re.IGNORECASE)
"""The same in JSON."""


def text(plain: str) -> str:
    """With U+FFFD for each of them: seen, and harmless."""
    return FORBIDDEN.sub("\ufffd", plain)


def everywhere(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {text(key): everywhere(each) for key, each in plain.items()}
    if isinstance(plain, list):
        return [everywhere(each) for each in plain]
    return text(plain) if isinstance(plain, str) else plain


def results(made: Results) -> Results:
    """The same results, unless a text in them cannot be printed."""
    if ESCAPED.search(made.model_dump_json()) is None:
        return made
    return Results.model_validate(everywhere(made.model_dump(mode="json")))
