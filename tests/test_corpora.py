"""Texts of files and packages: where they are looked for, and what is said when they cannot be had."""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from typing import TYPE_CHECKING, Any

import huggingface_hub
import pyarrow
import pyarrow.parquet
import pytest

from sparsity_report import registry
from sparsity_report.contracts import CorpusRequest
from sparsity_report.corpora import c4, package, ptb, text, wikitext_2
from sparsity_report.errors import EnvironmentProblem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def speeches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An importable package "speeches" with two texts."""
    (tmp_path / "speeches" / "years").mkdir(parents=True)
    (tmp_path / "speeches" / "__init__.py").touch()
    (tmp_path / "speeches" / "years" / "1790.txt").write_text("Fellow citizens", encoding="utf-8")
    (tmp_path / "speeches" / "years" / "1791.txt").write_text("again", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize("argument", ["speeches", "speeches/**/*.txt", "speeches/years/179?.txt"])
def test_a_packages_texts_are_joined_by_a_blank_line(argument: str, speeches: None) -> None:
    found = package.read(CorpusRequest(argument))

    assert (found.text, found.documents) == ("Fellow citizens\n\nagain", 2)


@pytest.mark.parametrize("pattern", ["**.txt", "/etc/*", "*.txt"])
def test_a_glob_that_finds_nothing_or_is_none_says_how_to_write_one(pattern: str, speeches: None) -> None:
    """pathlib refuses the first (before Python 3.13) and the second with errors of its own."""
    with pytest.raises(EnvironmentProblem) as refused:
        package.read(CorpusRequest(f"speeches/{pattern}"))

    assert pattern in refused.value.message
    assert "package:speeches/**/*.txt" in refused.value.remedy


def test_a_text_in_the_home_is_found_from_any_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "mine.txt").write_text("words", encoding="utf-8")

    assert text.read(CorpusRequest("~/mine.txt", folder="specs")).text == "words"


def test_a_corpus_without_its_package_names_a_study_that_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # what importlib takes for "not installed"

    with pytest.raises(EnvironmentProblem, match="needs the package 'pyarrow'") as refused:
        registry.need("corpora", "wikitext-2")

    assert "pip install 'sparsity-report[all]'" in refused.value.remedy
    assert "sparsity-report run quickstart" in refused.value.remedy


@pytest.fixture
def shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Stands in for the hub: one shard of 6,000 documents, "0", "1" and so on. Holds what was asked for."""
    file = tmp_path / "shard.json.gz"
    with gzip.open(file, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps({"text": f"{number}", "url": "", "timestamp": ""}) + "\n" for number in range(6000))
    asked: list[tuple[str, dict[str, Any]]] = []

    def download(repository: str, name: str, **more: Any) -> str:
        asked.append((name, {"repository": repository, **more}))
        return str(file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(huggingface_hub.HfApi, "repo_info", lambda *_, **__: None)
    return asked


def test_c4_trains_on_the_first_documents_of_its_first_shard(shard: list[tuple[str, dict[str, Any]]]) -> None:
    found = c4.read(CorpusRequest())

    assert shard[0][0] == "en/c4-train.00000-of-01024.json.gz"
    assert (found.documents, found.joiner, found.split) == (5000, "\n\n", "train")
    assert found.text.startswith("0\n\n1\n\n2\n\n")
    assert found.text.endswith("\n\n4999")
    assert found.sha256 == hashlib.sha256(found.text.encode()).hexdigest()


def test_c4_validates_on_1100_documents_joined_by_a_space(shard: list[tuple[str, dict[str, Any]]]) -> None:
    """SparseGPT's protocol."""
    found = c4.read(CorpusRequest(split="validation"))

    assert shard[0][0] == "en/c4-validation.00000-of-00008.json.gz"
    assert found.text == " ".join(map(str, range(1100)))
    assert (found.documents, found.joiner, found.split) == (1100, " ", "validation")


def test_c4_is_asked_for_at_one_commit_and_offline_only_from_the_cache(
    shard: list[tuple[str, dict[str, Any]]],
) -> None:
    found = c4.read(CorpusRequest(offline=True))

    assert shard[0][1] == {
        "repository": "allenai/c4",
        "repo_type": "dataset",
        "revision": found.revision,
        "local_files_only": True,
    }
    assert len(found.revision) == 40


def test_c4_out_of_reach_names_texts_that_need_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client itself refuses: nothing is in this cache, and the network is not asked."""

    def download(repository: str, name: str, **more: Any) -> str:
        return real(repository, name, **more, cache_dir=tmp_path)

    real = huggingface_hub.hf_hub_download
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)

    with pytest.raises(EnvironmentProblem, match="the hub was not asked") as refused:
        c4.read(CorpusRequest(offline=True))

    assert "c4 (train)" in refused.value.message
    assert "without --offline" in refused.value.remedy
    assert "embedded" in refused.value.remedy


CUT_OFF = gzip.compress(b'{"text": "a"}\n' * 9000, mtime=0)[:60]
WITHOUT_TEXT = gzip.compress(b"{}\n", mtime=0)


NO_TABLE = gzip.compress(b"[]\n", mtime=0)
BOMB = gzip.compress(b'{"text": "' + b"a" * 2**25, mtime=0)
"""Of 33 kB, and a thousand times that when it is unpacked; with more of it, a thousand times as much as anybody has."""


@pytest.mark.parametrize(
    "content",
    [b"no gzip", CUT_OFF, WITHOUT_TEXT, NO_TABLE, BOMB],
    ids=["no gzip", "cut off", "no text", "no table", "bomb"],
)
def test_a_broken_shard_of_c4_says_how_to_fetch_it_again(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "shard.json.gz"
    file.write_bytes(content)

    with pytest.raises(EnvironmentProblem, match="no shard of C4") as refused:
        c4.first_documents(str(file), 5000)

    assert "delete it" in refused.value.remedy


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """
    A cache of the hub's client as a download leaves it: refs/<branch> names a commit, snapshots/<commit>/ has files.

    The client itself reads it; only the place is ours.
    """
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

    def add(repository: str, file: str, column: str, lines: list[str], *, commit: str, branch: str = "") -> Path:
        folder = tmp_path / f"datasets--{repository.replace('/', '--')}"
        path = folder / "snapshots" / commit / file
        path.parent.mkdir(parents=True)
        pyarrow.parquet.write_table(pyarrow.table({column: lines}), path)
        if branch:
            (folder / "refs" / branch).parent.mkdir(parents=True)
            (folder / "refs" / branch).write_text(commit, encoding="utf-8")
        return path

    return add


LINES = ["", " = Title = \n", "", " Some words .\n"]


def test_wikitext_2_is_read_offline_from_a_cache_at_its_pinned_commit(hub_cache: Callable[..., Path]) -> None:
    """T42, T50: parquet, no script; all lines, the empty ones too, joined by a blank line."""
    hub_cache(
        "Salesforce/wikitext",
        "wikitext-2-raw-v1/test-00000-of-00001.parquet",
        "text",
        LINES,
        commit=wikitext_2.REVISION,
    )

    found = wikitext_2.read(CorpusRequest(offline=True))

    assert found.text == "\n\n = Title = \n\n\n\n\n Some words .\n"
    assert (found.documents, found.split, found.revision) == (4, "test", wikitext_2.REVISION)
    assert found.sha256 == hashlib.sha256(found.text.encode()).hexdigest()


def test_another_commit_of_wikitext_2_is_not_taken_for_the_pinned_one(hub_cache: Callable[..., Path]) -> None:
    """T25: what lies in the cache from another project may be another text."""
    hub_cache(
        *("Salesforce/wikitext", "wikitext-2-raw-v1/test-00000-of-00001.parquet", "text", LINES),
        commit=COMMIT,
        branch="main",
    )

    with pytest.raises(EnvironmentProblem, match="not in the local cache"):
        wikitext_2.read(CorpusRequest(offline=True))


def test_ptb_is_read_from_the_hubs_own_parquet_and_the_commit_found_is_recorded(
    hub_cache: Callable[..., Path],
) -> None:
    """T50: the loading script no longer runs; the hub's conversion has a "sentence" a row."""
    sentences = ["no it was n't black monday", "but while the new york stock exchange did n't fall apart"]
    hub_cache(
        *("ptb-text-only/ptb_text_only", "penn_treebank/test/0000.parquet", "sentence", sentences),
        commit=COMMIT,
        branch="refs/convert/parquet",
    )

    found = ptb.read(CorpusRequest(offline=True))

    assert found.text == " ".join(sentences)
    assert (found.joiner, found.split, found.revision) == (" ", "test", COMMIT)


@pytest.mark.parametrize("corpus", ["wikitext-2", "ptb", "c4"])
def test_a_corpus_of_the_hub_that_is_not_there_says_how_to_get_it(corpus: str, hub_cache: Callable[..., Path]) -> None:
    """T50: offline and with an empty cache."""
    with pytest.raises(EnvironmentProblem, match=corpus) as refused:
        registry.need("corpora", corpus).read(CorpusRequest(offline=True))

    assert "without --offline" in refused.value.remedy
    assert '"embedded"' in refused.value.remedy


def test_a_parquet_file_of_another_layout_is_no_text(hub_cache: Callable[..., Path]) -> None:
    file = hub_cache(
        *("ptb-text-only/ptb_text_only", "penn_treebank/test/0000.parquet", "words", ["a"]),
        commit=COMMIT,
        branch="refs/convert/parquet",
    )
    with pytest.raises(EnvironmentProblem, match="no parquet file with a column 'sentence'"):
        ptb.read(CorpusRequest(offline=True))

    file.write_bytes(b"PAR1 broken off")
    with pytest.raises(EnvironmentProblem, match="download may have broken off"):
        ptb.read(CorpusRequest(offline=True))
