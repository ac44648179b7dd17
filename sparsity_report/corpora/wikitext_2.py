"""WikiText-2 (raw) from the Hugging Face hub, as one parquet file of a pinned revision (Merity et al., 2016)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info
from . import _hub

if TYPE_CHECKING:
    from ..contracts import CorpusRequest, Text

INFO = Info(
    name="wikitext-2",
    summary="Wikipedia articles, the field's usual test text; from the Hugging Face hub",
    cite="merity2016pointer",
    requires=("pyarrow",),
)

SPLITS = ("train", "validation", "test")

REPOSITORY = "Salesforce/wikitext"
REVISION = "b08601e04326c79dfdd32d625aee71d232d685c3"
FILES = {split: f"wikitext-2-raw-v1/{split}-00000-of-00001.parquet" for split in SPLITS}


def read(request: CorpusRequest) -> Text:
    """
    The split's lines joined by a blank line, as SparseGPT and Wanda do. Split "test" unless the spec says another.

    Raises EnvironmentProblem when the hub is out of reach and the file is not in its local cache.
    """
    split = request.split or "test"
    file = _hub.fetch(f"wikitext-2 ({split})", REPOSITORY, FILES[split], REVISION, offline=request.offline)
    return _hub.joined(_hub.parquet_lines(file.path, "text"), "\n\n", split, file.commit)
