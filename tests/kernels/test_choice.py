"""Which loop runs for how many tokens."""

from __future__ import annotations

import pytest

from sparsity_report.kernels import bfloat16, bitmask, nm


@pytest.mark.parametrize(
    ("tokens", "percent", "expected"),
    [
        (1, 50, ("few", 1)),
        (3, 50, ("few", 4)),
        (8, 10, ("few", 8)),
        (16, 70, ("few", 8)),
        (16, 50, ("many", 1)),
        (16, 10, ("many", 1)),
        (32, 50, ("many", 2)),
        (32, 10, ("many", 2)),
        (64, 50, ("many", 4)),
        (256, 30, ("many", 4)),
        (12, 100, ("few", 8)),
    ],
)
def test_zeros_are_skipped_where_that_is_faster(monkeypatch, tokens, percent, expected):
    """Few tokens, or few zeros: tiles; many of both: blocks that skip them."""
    monkeypatch.setattr(bitmask, "few_tokens", lambda dtype, count: ("few", count))
    monkeypatch.setattr(bitmask, "many_tokens", lambda dtype, vectors: ("many", vectors))

    assert expected == bitmask.choose.__wrapped__("float32", tokens, percent)


@pytest.mark.parametrize(
    ("tokens", "percent", "expected"),
    [(1, 50, "dots"), (16, 50, "dots"), (16, 5, "skip"), (64, 50, "unpack"), (512, 50, "unpack"), (256, 5, "skip")],
)
def test_bfloat16_is_unpacked_where_tokens_are_many(tokens, percent, expected):
    """Pairs for few tokens, PyTorch's own product for many, and skipping where next to nothing is stored."""
    assert expected == bfloat16.choose(tokens, percent)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [(1, ("few", 1)), (7, ("few", 8)), (32, ("pairs", 2)), (64, ("pairs", 4)), (512, ("pairs", 4))],
)
def test_pairs_of_2_4_are_multiplied_for_many_tokens(monkeypatch, tokens, expected):
    """Inputs are picked for few tokens; a table of pairs pays from 24 or so."""
    monkeypatch.setattr(bfloat16, "few_picks", lambda count: ("few", count))
    monkeypatch.setattr(bfloat16, "many_pairs", lambda vectors: ("pairs", vectors))

    assert expected == bfloat16.choose_for_2_4.__wrapped__(tokens)


def test_later_processes_load_the_loops():
    """Numba finds a loop again by its constants; a compiled function among them is another one in each process."""
    loops = [
        *(bitmask.few_tokens("float32", 1), bitmask.many_tokens("float32", 4)),
        *(bfloat16.few_dots(1), bfloat16.few_picks(1), bfloat16.many_pairs(4), bfloat16.unpacking()),
        *(nm.few_tokens("float32", 2, 2, 1), nm.unpacking()),
    ]

    for loop in loops:
        constants = [cell.cell_contents for cell in loop.py_func.__closure__ or ()]
        assert all(isinstance(each, int | str | tuple) for each in constants), loop.py_func.__qualname__
