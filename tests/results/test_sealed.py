"""Entries of the cache know what was written: whatever changes in a file, it is noticed."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open

from sparsity_report.engine import artifacts
from sparsity_report.errors import EnvironmentProblem
from sparsity_report.results import sealed, store

ENTRY = {"value": 1.25, "words": ["é", "\u2028", None], "nested": {"b": [1, 2], "a": True}}


def test_an_entry_reads_back_equal(tmp_path):
    sealed.write_entry(tmp_path / "a.json", ENTRY | {3: (1, 2)})

    assert sealed.read_entry(tmp_path / "a.json") == ENTRY | {"3": [1, 2]}
    assert sealed.read_entry(tmp_path / "none.json") is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("1.25", "1.26"),  # still JSON, and another number
        lambda text: text.replace('"a"', '"c"'),
        lambda text: text[: len(text) // 2],
        lambda _: "",
        lambda _: "[]",
        lambda text: json.dumps(json.loads(text)["entry"]),  # as earlier versions wrote it
    ],
    ids=["number", "key", "cut", "empty", "list", "bare"],
)
def test_an_entry_that_was_changed_is_none(tmp_path, damage):
    file = tmp_path / "a.json"
    sealed.write_entry(file, ENTRY)
    file.write_text(damage(file.read_text("utf-8")), "utf-8")

    assert sealed.read_entry(file) is None


@pytest.fixture
def tensors(tmp_path):
    file = tmp_path / "a.safetensors"
    artifacts.save_tensors(file, {"w": torch.arange(6.0), "m": torch.ones(3, dtype=torch.uint8)}, {"note": "{}"})
    return file


def test_a_sealed_file_is_an_ordinary_one(tensors):
    assert sealed.is_sound(tensors)
    found = artifacts.load_tensors(tensors)
    assert found is not None
    assert torch.equal(found["w"], torch.arange(6.0))
    with safe_open(tensors, "pt") as opened:
        assert opened.metadata()["note"] == "{}"
        assert opened.metadata()[sealed.SEAL] != sealed.UNSEALED


def test_every_flipped_bit_of_a_file_is_noticed(tensors):
    """Also where safetensors would read on: in a value, in the note, in a name."""
    whole = tensors.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        if json_of(damaged) == json_of(whole):  # a blank in the header that became no other sign
            continue
        tensors.write_bytes(damaged)
        assert not sealed.is_sound(tensors), place
        assert artifacts.load_tensors(tensors) is None
    tensors.write_bytes(whole)
    assert sealed.is_sound(tensors)


def json_of(data):
    """All that a safetensors file says; None where its header cannot be read."""
    length = int.from_bytes(data[:8], "little")
    try:
        return json.loads(bytes(data[8 : 8 + length])), bytes(data[8 + length :])
    except ValueError:
        return None


@pytest.mark.parametrize("data", [b"", b"\xff" * 8, b"\x02" + b"\0" * 7 + b"[]", b"\x02" + b"\0" * 7 + b"{}"])
def test_what_is_no_file_of_ours_is_not_sound(tmp_path, data):
    """Among them a header that claims to be 2^64 bytes long: nothing is reserved for it."""
    (tmp_path / "a").write_bytes(data)

    assert not sealed.is_sound(tmp_path / "a")
    assert not sealed.is_sound(tmp_path / "none")


def test_a_full_disk_says_so_through_safetensors_too(tmp_path, monkeypatch):
    """Its errors carry the system's number in their text only."""
    full = artifacts.SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    def save_file(*_):
        raise full

    monkeypatch.setattr(artifacts, "save_file", save_file)
    with pytest.raises(EnvironmentProblem, match="No space left") as problem:
        artifacts.save_tensors(tmp_path / "a", {})
    assert "disk is full" in problem.value.remedy


def test_leavings_of_the_dead_are_swept_and_those_of_the_living_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "is_alive", lambda process: process == "77")
    for name in (".a.json.99.partial", ".b.json.77.partial", "c.json", ".lock"):
        (tmp_path / name).write_text("", "utf-8")

    assert store.sweep(tmp_path) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == [".b.json.77.partial", ".lock", "c.json"]


@pytest.mark.parametrize(("process", "expected"), [("1", True), ("x", False), ("99999999", False)])
def test_who_is_alive(process, expected):
    assert store.is_alive(process) is expected
