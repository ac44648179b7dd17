"""Which loop runs for how many tokens."""

from __future__ import annotations

import pytest

from sparsity_report.kernels import bitmask


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
