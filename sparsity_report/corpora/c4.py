"""
C4 (English) from the Hugging Face hub, of a pinned revision (Raffel et al., 2020): the field's usual calibration text.

SparseGPT, Wanda and those after them draw documents of the first training shard that are longer than a window and crop
a window out of each. Here the first documents are joined and cut, as every other text is, so that no window depends on
how often a sampler has to try, and short documents count as well; the windows are others than theirs.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import zlib
from typing import TYPE_CHECKING

from ..contracts import Info, Text
from ..errors import EnvironmentProblem

if TYPE_CHECKING:
    from ..contracts import CorpusRequest

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
JOINERS = {"train": "\n\n", "validation": " "}
"""Validation as SparseGPT joins it; train as every other text here."""


def read(request: CorpusRequest) -> Text:
    """
    The first documents of the split's first shard, joined. Split "train" unless the spec says another.

    Evaluated on "validation", 256 windows are the field's protocol. Raises EnvironmentProblem when the hub is out of
    reach and the file is not in its local cache, or when the file is broken.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    split = request.split or "train"
    try:
        file = hf_hub_download(
            REPOSITORY, FILES[split], repo_type="dataset", revision=REVISION, local_files_only=request.offline
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as problem:
        raise EnvironmentProblem(
            f"the text c4 ({split}) is not in the local cache and the Hugging Face hub is out of reach "
            f"({type(problem).__name__}).",
            remedy='without a network: source = "embedded", "package:NAME/GLOB" or "text:PATH"',
        ) from None
    documents = first_documents(file, DOCUMENTS[split])
    text = JOINERS[split].join(documents)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return Text(
        text=text, documents=len(documents), joiner=JOINERS[split], split=split, sha256=sha256, revision=REVISION
    )


def first_documents(file: str, count: int) -> list[str]:
    """The "text" of the first lines of gzipped JSON lines. Raises EnvironmentProblem when they cannot be read."""
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            return [json.loads(line)["text"] for line in itertools.islice(lines, count)]
    except (OSError, EOFError, zlib.error, ValueError, KeyError) as problem:
        raise EnvironmentProblem(
            f"the file {file} is no shard of C4 ({type(problem).__name__}): its download may have broken off",
            remedy="delete it, and the file that it is a link to: it is then fetched again",
        ) from None
