"""
C4 (English) from the Hugging Face hub, of a pinned revision (Raffel et al., 2020): the field's usual calibration text.

SparseGPT, Wanda and those after them draw documents of the first training shard that are longer than a window and crop
a window out of each. Here the first documents are joined and cut, as every other text is, so that no window depends on
how often a sampler has to try, and short documents count as well; the windows are others than theirs.
"""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING

from ..contracts import Info
from . import _hub

if TYPE_CHECKING:
    from ..contracts import CorpusRequest, Text

INFO = Info(
    name="c4",
    summary="web pages, the field's usual calibration text; from the Hugging Face hub (0.3 GB)",
    cite="raffel2020exploring",
)

SPLITS = ("train", "validation")

REPOSITORY = "allenai/c4"
REVISION = "1588ec454efa1a09f29cd18ddd04fe05fc8653a2"
FILES = {"train": "en/c4-train.00000-of-01024.json.gz", "validation": "en/c4-validation.00000-of-00008.json.gz"}

DOCUMENTS = {"train": 5000, "validation": 1100}
"""
How many of the shard's documents are read, from its start. Validation: as SparseGPT evaluates on C4. Train: at C4's
mean of some 430 tokens a document, a thousand windows of 2048 tokens, of which a seed draws its 128.
"""
LONGEST_LINE = 2**24
"""Characters, many times the longest page: what a few bytes can unpack to is bounded."""
JOINERS = {"train": "\n\n", "validation": " "}
"""Validation as SparseGPT joins it; train as every other text here."""


def read(request: CorpusRequest) -> Text:
    """
    The first documents of the split's first shard, joined. Split "train" unless the spec says another.

    Evaluated on "validation", 256 windows are the field's protocol. Raises EnvironmentProblem when the hub is out of
    reach and the file is not in its local cache, or when the file is broken.
    """
    split = request.split or "train"
    file = _hub.fetch(f"c4 ({split})", REPOSITORY, FILES[split], REVISION, offline=request.offline)
    return _hub.joined(first_documents(file.path, DOCUMENTS[split]), JOINERS[split], split, file.commit)


def first_documents(file: str, count: int) -> list[str]:
    """The "text" of the first lines of gzipped JSON lines. Raises EnvironmentProblem when they cannot be read."""
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            found: list[str] = []
            while len(found) < count and (line := lines.readline(LONGEST_LINE)):
                if len(line) == LONGEST_LINE:
                    raise ValueError("a line of it has no end")
                found.append(json.loads(line)["text"])
            return found
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as problem:
        raise _hub.broken(file, "no shard of C4", problem) from None
