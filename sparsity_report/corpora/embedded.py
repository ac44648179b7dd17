"""
Text that every Python carries: the help topics of the standard library (`pydoc_data.topics`).

Topics are split by their names, so that the bundled model was trained on some of them and is evaluated on others.
The wording differs a little between Python versions; the fingerprint of the text tells them apart.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pydoc_data.topics import topics
from typing import TYPE_CHECKING

from ..contracts import Info
from .text import join

if TYPE_CHECKING:
    from ..contracts import CorpusRequest, Text

INFO = Info(
    name="embedded",
    summary="help topics of Python's standard library; needs no download",
    cite="python_topics",
)

SPLITS = ("test", "train")

BUCKETS = 5
HELD_OUT_BUCKET = 0

REFERENCE_SHA256 = "af8d046bec6a5d85900e298951c38f97474323c3fcc6eaa230c5d923a5d7b605"
"""Of the held-out text with which the bundled model's published figures were made (CPython 3.11)."""


def bucket(name: str) -> int:
    """sha256 of the topic's name, modulo 5: 0 is held out, 1 to 4 are for training."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % BUCKETS


def split_topics(split: str) -> tuple[str, ...]:
    """The texts of one side of the split ("train" or "test"), in order of their names."""
    held_out = split == "test"
    return tuple(topics[name] for name in sorted(topics) if (bucket(name) == HELD_OUT_BUCKET) is held_out)


def read(request: CorpusRequest) -> Text:
    """Topics joined by a blank line; split "test" (held out) unless the spec says "train"."""
    split = request.split or "test"
    text = join(split_topics(split), split)
    if split == "test" and text.sha256 != REFERENCE_SHA256:
        alert = (
            "The embedded text is that of another Python version than the one with which the published figures "
            "of the bundled model were made: perplexities on it are not comparable with them."
        )
        return replace(text, alerts=(alert,))
    return text
