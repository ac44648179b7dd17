"""Auto takes what is fastest, says so, and measures once."""

from __future__ import annotations

import pytest
import torch

from sparsity_report.contracts import Pattern
from sparsity_report.formats import auto


@pytest.fixture(autouse=True)
def _own_file(tmp_path, monkeypatch):
    monkeypatch.setattr(auto, "file", lambda: tmp_path / "machine.json")


def times(**seconds):
    """A stand-in for the clock: seconds of each format, the same at every number of tokens."""
    return lambda encoded, shape, pattern, x: {name: [seconds[name]] for name in encoded}


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({"dense": 2e-3, "bitmask": 1e-3, "csr": 3e-3, "nm": 4e-3}, "bitmask"),
        ({"dense": 2e-3, "bitmask": 3e-3, "csr": 1e-3, "nm": 4e-3}, "csr"),
        ({"dense": 2e-3, "bitmask": 3e-3, "csr": 4e-3, "nm": 1e-3}, "nm"),
        ({"dense": 1e-3, "bitmask": 2e-3, "csr": 3e-3, "nm": 4e-3}, "dense"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_the_fastest_is_taken_and_dense_where_dense_wins(monkeypatch, seconds, expected):
    monkeypatch.setattr(auto, "_interleaved", times(**seconds))
    weight = torch.tensor([[1.0, 0.0, 2.0, 0.0]]).repeat(4, 4)

    tensors = auto.encode(weight, Pattern(2, 4), auto.Params())

    assert auto.entry_of(tensors) == expected
    assert torch.equal(weight, auto.decode(tensors, (4, 16), Pattern(2, 4)))


def test_the_product_of_times_decides_over_several_numbers_of_tokens(monkeypatch):
    """4 × faster with one token and 2 × slower with many: on the whole faster."""
    by_tokens = {1: {"dense": 4.0, "bitmask": 1.0, "csr": 9.0}, 64: {"dense": 1.0, "bitmask": 2.0, "csr": 9.0}}
    monkeypatch.setattr(auto, "_interleaved", lambda e, s, p, x: {name: [by_tokens[len(x)][name]] for name in e})

    tensors = auto.encode(torch.eye(8), Pattern(), auto.Params(tokens=(1, 64)))

    assert auto.entry_of(tensors) == "bitmask"


def test_the_record_says_what_was_picked_and_why(monkeypatch):
    monkeypatch.setattr(auto, "_interleaved", times(dense=3e-3, bitmask=1e-3, csr=2e-3))
    layers = [auto.encode(torch.eye(8), Pattern(), auto.Params()) for _ in range(2)]
    monkeypatch.setattr(auto, "_interleaved", times(dense=1e-3, bitmask=2e-3, csr=2e-3))
    layers.append(auto.encode(torch.ones(8, 8), Pattern(), auto.Params()))

    what, why, count = auto.fallback("cpu", "float32", layers, Pattern())

    assert what == "picked bitmask in 2 layers, dense in 1 layer"
    assert why == "bitmask measured at 3.0 × dense with 1 token, 3.0 × dense with 64 tokens"
    assert count == 3


def test_formats_that_unpack_for_many_tokens_are_timed_like_others(monkeypatch):
    """In bfloat16: what they win with one token counts."""
    monkeypatch.setattr(auto, "_interleaved", times(dense=3e-3, bitmask=1e-3, csr=2e-3))

    tensors = auto.encode(torch.eye(64).bfloat16(), Pattern(), auto.Params())

    assert auto.entry_of(tensors) == "bitmask"


def test_an_equal_matrix_is_not_measured_again(monkeypatch):
    monkeypatch.setattr(auto, "_interleaved", times(dense=3e-3, bitmask=1e-3, csr=2e-3))
    first = auto.encode(torch.eye(8), Pattern(), auto.Params())
    monkeypatch.setattr(auto, "measured", None)  # calling it would fail

    again = auto.encode(torch.eye(8) * 2, Pattern(), auto.Params())

    assert first.keys() == again.keys()
    size = auto.stored_bytes(8, 8, 8, 4, Pattern(), auto.Params())
    assert size == {component: tensor.nbytes for component, tensor in again.items()}


def test_a_damaged_file_is_measured_anew():
    auto.file().write_text("{", encoding="utf-8")

    assert auto.known() == {}
    assert auto.entry_of(auto.encode(torch.eye(8), Pattern(), auto.Params())) in auto.CANDIDATES
    assert len(auto.known()) == 1
