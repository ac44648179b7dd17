"""Files of data sets on the Hugging Face hub, at one commit; no code of a data set is ever run (T50)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..contracts import Text
from ..errors import EnvironmentProblem
from ..network import faults, obstacle, through

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT_S = 10.0
REMEDY = (
    "fetch it once with a network: the same command without --offline (the local cache is kept, HF_HOME says where). "
    'Without a network: source = "embedded", "package:NAME/GLOB" or "text:PATH", or sparsity-report run quickstart'
)


@dataclass(frozen=True)
class Fetched:
    """A file of the hub in the local cache, and the commit that it is of."""

    path: str
    commit: str


def fetch(corpus: str, repository: str, file: str, revision: str, *, offline: bool) -> Fetched:
    """
    The file, from the local cache or the hub. Where `revision` is a branch, the commit that it was resolved to is said.

    Raises EnvironmentProblem when the hub is out of reach and the file is not in the cache.
    """
    from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache

    why = "the hub was not asked" if offline else obstacle()
    try:
        if not why and not try_to_load_from_cache(repository, file, repo_type="dataset", revision=revision):
            # A hub out of reach is known at once by this; a download tries again for minutes before it says so.
            HfApi().repo_info(repository, repo_type="dataset", revision=revision, timeout=TIMEOUT_S)
        path = hf_hub_download(repository, file, repo_type="dataset", revision=revision, local_files_only=bool(why))
    except faults() as problem:
        raise EnvironmentProblem(
            f"the text {corpus} ({repository}, {file}) is not in the local cache and "
            f"{why or f'the Hugging Face hub is out of reach{through()} ({type(problem).__name__})'}.",
            remedy=REMEDY,
        ) from None
    return Fetched(path, commit_of(path) or revision)


def commit_of(path: str) -> str:
    """The commit under which the cache keeps a file (…/snapshots/<commit>/…); "" elsewhere."""
    found = re.search(r"/snapshots/([0-9a-f]{40})/", Path(path).as_posix())
    return found[1] if found else ""


def parquet_lines(path: str, column: str) -> list[str]:
    """A column of texts. Raises EnvironmentProblem when the file is no such parquet file."""
    import pyarrow
    import pyarrow.parquet

    try:
        lines: list[str] = pyarrow.parquet.read_table(path, columns=[column]).column(column).to_pylist()
    except (pyarrow.ArrowException, KeyError, OSError) as problem:
        raise broken(path, f"no parquet file with a column {column!r}", problem) from None
    return lines


def broken(path: str, what: str, problem: Exception) -> EnvironmentProblem:
    """A file that does not hold what it should."""
    return EnvironmentProblem(
        f"the file {path} is {what} ({type(problem).__name__}): its download may have broken off",
        remedy="delete it, and the file that it is a link to: it is then fetched again",
    )


def joined(documents: Sequence[str], joiner: str, split: str, commit: str) -> Text:
    """The documents as one text with its fingerprint."""
    text = joiner.join(documents)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return Text(text=text, documents=len(documents), joiner=joiner, split=split, sha256=sha256, revision=commit)
