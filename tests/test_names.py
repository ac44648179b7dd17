"""Names that a study gives to files are the same on every system; paths that Windows writes are understood as paths."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sparsity_report.errors import SpecError
from sparsity_report.models.loading import kind_of
from sparsity_report.paths import LONGEST_NAME, slug
from sparsity_report.planning import plan_cells
from sparsity_report.results.environment import spellings
from sparsity_report.spec.load import load_spec
from sparsity_report.spec.model import Model

SPEC = """
spec_version = 1
[study]
title = "Named"
MODELS
[data]
evaluation = { source = "embedded", length = 16, windows = 1 }
calibration = { source = ["embedded", "text:C:\\\\Texte\\\\a b.txt"], length = 16, windows = 1 }
[[variant]]
id = "CON"
method = ["magnitude", "wanda"]
sparsity = [0.5, 0.375]
format = ["masked", "csr"]
"""
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³")}


def is_portable(name: str) -> bool:
    """What Microsoft documents of file names, and that they fit everywhere with what comes before and after them."""
    return (
        bool(name)
        and name == PureWindowsPath(name).name == PurePosixPath(name).name
        and not set(name) & {*'<>:"/\\|?*', *map(chr, range(32))}
        and not name.endswith((".", " "))
        and name.partition(".")[0].lower() not in DEVICES
        and len(name.encode()) <= LONGEST_NAME + 20
    )


@given(st.text())
@example("con")
@example("NUL.toml")
@example("com¹")
@example("..")
@example("a. . ")
@example("C:\\x")
@example("\u202eabc\u2028")
@example("é" * 200)
@example("e\u0301")
@example(" - ")
def test_a_slug_is_a_name_everywhere(text):
    found = slug(text)

    assert found == "" or is_portable(found)
    assert slug(found) == found


def test_names_that_are_good_stay():
    for name in ("quickstart", "smollm2_135m", "opt-125m.v2", "数学", "مرحبا", "magnitude-layer-37.5-csr"):
        assert slug(name) == name
    assert slug("my study (2)") == "my-study-2"


def loaded(tmp_path: Path, models: list[str], name: str = "named.toml", **study: str):
    text = SPEC.replace("MODELS", "\n".join(f"[[model]]\n{each}" for each in models))
    text = text.replace("[study]", "\n".join(["[study]", *(f'{key} = "{each}"' for key, each in study.items())]))
    (tmp_path / name).write_text(text, encoding="utf-8")
    return load_spec(tmp_path / name)


ODD = (
    "C:/Modelle/opt",
    r"C:\\Modelle\\gpt",
    r".\\a b\\",
    "..",
    "./CON",
    "./é 👩 \u202ex",
    "./A",
    "./a",
    "./" + "long" * 60,
)


def test_every_cell_of_oddly_named_models_has_a_name_everywhere(tmp_path):
    """Also where case does not count. Files of cells are named by their ids."""
    spec = loaded(tmp_path, [f'source = "{source}"' for source in ODD]).spec
    ids = [cell.id for cell in plan_cells(spec)]

    assert len({each.casefold() for each in ids}) == len(ids) == len(spec.model) * (1 + 4 + 2 * 4)
    assert [each for each in ids if not is_portable(f"{each}.json.gz")] == []


@pytest.mark.parametrize(
    ("source", "kind", "name"),
    [
        ("C:\\models\\opt", "directory", "opt"),
        ("C:/models/opt/", "directory", "opt"),
        ("\\\\server\\share\\opt\\", "directory", "opt"),
        (".\\opt", "directory", "opt"),
        ("models\\opt", "directory", "opt"),
        ("C:\\models\\opt.gguf", "gguf", "opt"),
        ("facebook/opt-125m", "hub", "opt-125m"),
        ("bundled:tiny-opt", "bundled", "tiny-opt"),
        ("package:llm/opt.gguf", "package", "opt"),
        (".", "directory", "model"),
        ("../", "directory", "model"),
    ],
)
def test_a_models_source_is_known_by_its_spelling(source, kind, name):
    assert kind_of(source) == kind
    assert Model(source=source).name == name


@pytest.mark.parametrize("slug", ["con", "Nul.v2", "a.", "a" * 200])
def test_a_short_name_that_names_no_folder_everywhere_is_refused(tmp_path, slug):
    with pytest.raises(SpecError, match="cannot name a folder on every system"):
        loaded(tmp_path, ['source = "bundled:tiny-opt"'], slug=slug)


@pytest.mark.parametrize(
    ("file", "expected"),
    [("my study.toml", "my-study"), ("数学.toml", "数学"), ("ص \u202ex.toml", "ص-x"), ("aux.toml", "_aux")],
)
def test_a_study_is_named_by_its_file(tmp_path, file, expected):
    assert loaded(tmp_path, ['source = "bundled:tiny-opt"'], file).slug == expected


def test_a_study_whose_file_has_no_letter_has_a_name_of_its_own(tmp_path):
    found = loaded(tmp_path, ['source = "bundled:tiny-opt"'], "👩.toml")

    assert found.slug == f"study-{found.sha256[:6]}"


def test_a_spec_from_windows_is_the_same_spec(tmp_path):
    """Its lines end otherwise; what it says, and its hash, do not."""
    here = loaded(tmp_path, ['source = "bundled:tiny-opt"'])
    (tmp_path / "named.toml").write_bytes((tmp_path / "named.toml").read_bytes().replace(b"\n", b"\r\n"))
    there = load_spec(tmp_path / "named.toml")

    assert (here.sha256, here.text, here.spec) == (there.sha256, there.text, there.spec)


def test_a_home_is_hidden_however_it_is_spelt():
    home = PureWindowsPath("C:\\Users\\somebody")

    for message in (rf"{home}\model is gone", f"{str(home / 'model')!r} is gone", f"{home.as_posix()}/model is gone"):
        assert any(each in message for each in spellings(home))


def test_one_model_under_two_names_is_refused(tmp_path):
    """Its cells would be the same states, measured twice under keys that are equal."""
    with pytest.raises(SpecError, match="is the model 'tiny-opt' again"):
        loaded(tmp_path, ['source = "bundled:tiny-opt"', 'source = "bundled:tiny-opt"\nid = "other"'])
    other = 'source = "bundled:tiny-opt"\nid = "other"\ndtype = "bfloat16"'
    assert len(loaded(tmp_path, ['source = "bundled:tiny-opt"', other]).spec.model) == 2
