"""WikiText-2 (raw) from the Hugging Face hub, as one parquet file of a pinned revision (Merity et al., 2016)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ..contracts import Info, Text
from ..errors import EnvironmentProblem

if TYPE_CHECKING:
    from ..contracts import CorpusRequest

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
    import pyarrow.parquet
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    split = request.split or "test"
    try:
        file = hf_hub_download(
            REPOSITORY, FILES[split], repo_type="dataset", revision=REVISION, local_files_only=request.offline
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as problem:
        raise EnvironmentProblem(
            f"the text wikitext-2 ({split}) is not in the local cache and the Hugging Face hub is out of reach "
            f"({type(problem).__name__}).",
            remedy='without a network: sparsity-report run quickstart, or source = "embedded" or "text:PATH"',
        ) from None
    lines = pyarrow.parquet.read_table(file, columns=["text"]).column("text").to_pylist()
    text = "\n\n".join(lines)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return Text(text=text, documents=len(lines), joiner="\n\n", split=split, sha256=sha256, revision=REVISION)
