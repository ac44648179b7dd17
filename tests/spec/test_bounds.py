"""Hostile and broken TOML is refused in words and at once, before anything looks at what it says."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sparsity_report.errors import SpecError, UsageError
from sparsity_report.paths import beside, is_dir, is_file
from sparsity_report.spec import bounds
from sparsity_report.spec.load import load_spec

SPEC = """\
spec_version = 1
[study]
title = "A"
[[model]]
source = "bundled:tiny-opt"
[data]
evaluation = { source = "embedded", length = 16, windows = 1 }
calibration = { source = "embedded", length = 16, windows = 1, seeds = [0] }
[[variant]]
method = "wanda"
sparsity = 0.5
format = "masked"
"""
AT_ONCE = 10.0
"""Seconds, also on a busy machine; what is refused here took from a minute to for ever."""


def refusal(tmp_path: Path, text: str) -> str:
    file = tmp_path / "spec.toml"
    file.write_text(text, "utf-8")
    started = time.monotonic()
    with pytest.raises(SpecError) as refused:
        load_spec(file)
    assert time.monotonic() - started < AT_ONCE
    return str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format =", f"x = {'[' * 5000}{']' * 5000}\nformat =", "nested too deeply"),
        ("format =", f"x = {'{a=' * 3000}1{'}' * 3000}\nformat =", "nested too deeply"),
        ("[study]", f"[{'.'.join('a' * 5000)}]\n[study]", "nested deeper than 20 levels"),
        ("windows = 1", f"windows = {'9' * 5000}", "too long to be read"),
        ("windows = 1", f"windows = 0x{'f' * 5000}", "larger than any number that is exact"),
        ("sparsity = 0.5", "sparsity = 1e-999999999", "more than 40 digits"),
        ("sparsity = 0.5", f"sparsity = 0.{'3' * 10000}", "more than 40 digits"),
        ("sparsity = 0.5", f"sparsity = {[number / 1000 for number in range(600)]}", "has 600 elements"),
        ("seeds = [0]", f"seeds = {list(range(100_000))}", "spec.toml:8: data.calibration.seeds: has 100000 elements"),
        ('title = "A"', f'title = "{"A" * 30_000}"', "has 30000 characters"),
        ('title = "A"', 'title = "A\\u0000"', "spec.toml:3: study.title: holds the control character U+0000"),
        ('title = "A"', 'title = "A\\u001B[31m"', "control character U+001B"),
        ('title = "A"', '"ti\\u0007tle" = "A"', "the key 'ti\\x07tle' holds the control character U+0007"),
        ("bundled:tiny-opt", "./a\\u0000b", "control character"),
        (
            "[data]",
            "[hardware]\nthreads = 100000\n[data]",
            "must be at most 1024",
        ),  # it would end in a segmentation fault
    ],
    ids=lambda each: each[:24],
)
def test_what_no_honest_spec_has(tmp_path, old, new, message):
    assert message in refusal(tmp_path, SPEC.replace(old, new))


def test_a_file_of_any_size_is_refused_before_it_is_read(tmp_path):
    assert "larger than 1,048,576 bytes" in refusal(tmp_path, SPEC + "#" * 2**20)


def test_more_cells_than_anybody_runs_are_counted_and_not_planned(tmp_path):
    lists = SPEC.replace("seeds = [0]", f"seeds = {list(range(400))}").replace(
        "sparsity = 0.5", f"sparsity = {[number / 100 for number in range(30)]}"
    )

    assert "spec.toml:9: variant[0]: the study has more than 10000 cells" in refusal(tmp_path, lists)
    file = tmp_path / "spec.toml"
    file.write_text(lists.replace('"wanda"', '"magnitude"'), "utf-8")  # which looks at no seed
    assert len(load_spec(file).spec.variant) == 1


def test_as_many_variants_as_there_may_be_are_read_at_once(tmp_path):
    file = tmp_path / "spec.toml"
    more = "".join(
        f'[[variant]]\nmethod = "magnitude"\nsparsity = 0.{number:04}\nformat = "masked"\n' for number in range(1, 500)
    )
    file.write_text(SPEC + more, "utf-8")
    started = time.monotonic()

    assert len(load_spec(file).spec.variant) == bounds.LONGEST_ARRAY
    assert time.monotonic() - started < AT_ONCE


@pytest.mark.parametrize(
    "value", ["study.title=\x1b[31m", f"data.evaluation.windows={'9' * 5000}", "study.seed=1e999999"]
)
def test_overrides_are_held_to_the_same(tmp_path, value):
    file = tmp_path / "spec.toml"
    file.write_text(SPEC, "utf-8")
    with pytest.raises(SpecError):
        load_spec(file, overrides=(value,))


def test_an_override_of_any_depth_is_refused(tmp_path):
    file = tmp_path / "spec.toml"
    file.write_text(SPEC, "utf-8")
    with pytest.raises(UsageError, match="lies that deep"):
        load_spec(file, overrides=(".".join("a" * 5000) + "=1",))


def test_what_cannot_be_a_path_is_not_there(tmp_path):
    for name in ("a" * 5000, "a\0b"):
        assert not is_file(tmp_path / name)
        assert not is_dir(tmp_path / name)
    assert beside(tmp_path, "~nobody-of-this-name/x") == tmp_path / "~nobody-of-this-name/x"
    assert beside(tmp_path, "~/x") == Path.home() / "x"


@pytest.mark.parametrize("kind", ["extends", "style", "templates", "question"])
def test_a_name_that_no_file_system_takes_is_not_there(tmp_path, kind):
    name = "a" * 5000
    tail = {"question": f'notes = {{ question = "{name}" }}'}.get(kind, f'{kind} = "{name}"')
    text = f'extends = "{name}"\n{SPEC}' if kind == "extends" else f"{SPEC}[report]\n{tail}\n"

    assert "aaaa" in refusal(tmp_path, text)
