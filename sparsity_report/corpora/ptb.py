"""
Penn Treebank, text only, from the Hugging Face hub (Marcus et al., 1993): the parquet files that the hub itself made.

The data set is a loading script, which `datasets` no longer runs (T50); its conversion to parquet stands on a branch of
the hub's own, of which no commit is pinned here: the one found at first use is recorded with the results, and the
fingerprint of the text tells any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info
from . import _hub

if TYPE_CHECKING:
    from ..contracts import CorpusRequest, Text

INFO = Info(
    name="ptb",
    summary="newspaper sentences in lower case with <unk> for rare words; from the Hugging Face hub",
    cite="marcus1993building",
    requires=("pyarrow",),
)

SPLITS = ("train", "validation", "test")

REPOSITORY = "ptb-text-only/ptb_text_only"
REVISION = "refs/convert/parquet"
FILES = {split: f"penn_treebank/{split}/0000.parquet" for split in SPLITS}


def read(request: CorpusRequest) -> Text:
    """
    The split's sentences joined by a space, as SparseGPT does. Split "test" unless the spec says another.

    Raises EnvironmentProblem when the hub is out of reach and the file is not in its local cache.
    """
    split = request.split or "test"
    file = _hub.fetch(f"ptb ({split})", REPOSITORY, FILES[split], REVISION, offline=request.offline)
    return _hub.joined(_hub.parquet_lines(file.path, "sentence"), " ", split, file.commit)
