"""keep_masks: exact counts, ties, scopes, N:M, against hand-computed cases and NumPy."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
import torch

from sparsity_report.contracts import Pattern
from sparsity_report.selection import keep_masks, nm_mask, prune_count, smallest_masks

UNSTRUCTURED = Pattern()


def masks(*scores: torch.Tensor, sparsity: str, scope: str = "layer", compat: str = "exact") -> list[torch.Tensor]:
    return keep_masks(scores, pattern=UNSTRUCTURED, scope=scope, sparsity=Decimal(sparsity), compat=compat)


def pruned(mask: torch.Tensor) -> int:
    return int((~mask).sum())


@pytest.mark.parametrize(("sparsity", "count"), [("0", 0), ("0.01", 1), ("0.29", 29), ("0.5", 50), ("0.99", 99)])
@pytest.mark.parametrize("scope", ["global", "layer", "row"])
def test_counts_are_exact_when_all_scores_are_equal(sparsity, count, scope):
    """T1: ties never push the count over, and 100 · 0.29 is 29, not 28."""
    (mask,) = masks(torch.ones(10, 10), sparsity=sparsity, scope=scope)

    assert count == pruned(mask)


def test_ties_are_broken_by_position():
    """Of equal scores the earlier position goes first, across matrices too."""
    first, second = masks(torch.ones(2, 2), torch.ones(2, 2), sparsity="0.625", scope="global")

    assert first.tolist() == [[False, False], [False, False]]
    assert second.tolist() == [[False, True], [True, True]]


def test_reference_rule_prunes_one_more_and_every_tie():
    """T1: the papers' `<=` rule: k + 1 distinct scores, or all equal ones; one weight even at sparsity 0."""
    distinct = torch.arange(10.0).view(2, 5)

    assert pruned(masks(distinct, sparsity="0.3", compat="reference")[0]) == 4
    assert pruned(masks(distinct, sparsity="0", compat="reference")[0]) == 1
    assert pruned(masks(torch.ones(2, 5), sparsity="0.3", compat="reference")[0]) == 10


def test_reference_rule_per_row_truncates_in_binary_floats():
    """Wanda's int(cols · s): int(100 · 0.29) is 28."""
    (mask,) = masks(torch.rand(3, 100), sparsity="0.29", scope="row", compat="reference")

    assert (~mask).sum(1).tolist() == [28, 28, 28]


def test_half_precision_is_ranked_exactly_and_never_over_pruned():
    """T2, T3: float16 and bfloat16 weights have many ties; the count stays ⌊n·s⌋."""
    weight = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    for dtype in (torch.float16, torch.bfloat16):
        (mask,) = masks(weight.to(dtype).float().abs(), sparsity="0.3")

        assert prune_count(4096, Decimal("0.3")) == pruned(mask)


@pytest.mark.parametrize("count", [1, 777_777, 10_000_001])
def test_global_selection_over_twenty_million_scores_equals_numpy(count):
    """T4: exact beyond 2²⁴ elements, where torch.quantile refuses; against numpy.partition."""
    scores = torch.rand(20_000_000, generator=torch.Generator().manual_seed(count))
    kept = smallest_masks([scores[:7_000_000], scores[7_000_000:]], count)
    threshold = np.partition(scores.numpy(), count - 1)[count - 1]

    result = torch.cat(kept)

    assert count == pruned(result)
    assert scores[~result].max() <= threshold <= scores[result].min()


def test_negative_and_signed_zero_scores_are_ordered():
    """Scores may be negative (first-order saliency); −0.0 and 0.0 are equal, so position decides."""
    (mask,) = smallest_masks([torch.tensor([[3.0, -0.0, 0.0, -2.0]])], 2)

    assert mask.tolist() == [[True, False, True, False]]


def test_nan_scores_are_refused():
    """A NaN has no rank: guessing one would hide a broken model."""
    with pytest.raises(ValueError, match="NaN"):
        masks(torch.tensor([[1.0, float("nan")]]), sparsity="0.5")


def test_scopes_differ():
    """T5: global, layer and row are different comparison groups; hand-computed."""
    small, large = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[10.0, 20.0], [0.5, 40.0]])

    everywhere = masks(small, large, sparsity="0.5", scope="global")
    each = masks(small, large, sparsity="0.5", scope="layer")
    rows = masks(small, large, sparsity="0.5", scope="row")

    assert [mask.tolist() for mask in everywhere] == [[[False, False], [False, True]], [[True, True], [False, True]]]
    assert [mask.tolist() for mask in each] == [[[False, False], [True, True]], [[False, True], [False, True]]]
    assert [mask.tolist() for mask in rows] == [[[False, True], [False, True]], [[False, True], [False, True]]]


@pytest.mark.parametrize(
    ("rows", "cols", "sparsity"), [(7, 10, "0.33"), (3, 5, "0.5"), (5, 1, "0.4"), (768, 768, "0.3")]
)
def test_row_counts_differ_by_at_most_one_and_sum_exactly(rows, cols, sparsity):
    """Design §7: with scope row the matrix total is ⌊n·s⌋ by largest remainder."""
    (mask,) = masks(torch.rand(rows, cols), sparsity=sparsity, scope="row")

    per_row = (~mask).sum(1)

    assert prune_count(rows * cols, Decimal(sparsity)) == int(per_row.sum())
    assert per_row.max() - per_row.min() <= 1


@pytest.mark.parametrize(("pattern", "density"), [("1:4", 0.25), ("3:4", 0.75), ("2:4", 0.5), ("4:8", 0.5)])
def test_n_of_m_counts_the_kept_along_in_features(pattern, density):
    """T6: N is kept, groups are consecutive in_features of one row."""
    parsed = Pattern.parse(pattern)
    mask = nm_mask(torch.rand(6, 16), parsed)

    groups = mask.view(6, -1, parsed.m).sum(-1)

    assert torch.equal(torch.full_like(groups, parsed.n), groups)
    assert density == mask.float().mean().item()


def test_n_of_m_keeps_the_largest_of_each_group():
    """Hand-computed: the two largest of four; equal scores lose by position."""
    mask = nm_mask(torch.tensor([[4.0, 1.0, 3.0, 2.0, 5.0, 5.0, 5.0, 5.0]]), Pattern(2, 4))

    assert mask.tolist() == [[True, False, True, False, False, False, True, True]]


def test_tail_group_keeps_the_ceiling():
    """T7: 10 columns of 2:4 leave a tail of two, which keeps ⌈2·2/4⌉ = 1; 11 leave three, which keep ⌈6/4⌉ = 2."""
    assert nm_mask(torch.rand(1, 10), Pattern(2, 4)).sum(1).tolist() == [5]
    assert nm_mask(torch.rand(1, 11), Pattern(2, 4)).sum(1).tolist() == [6]
    assert [Pattern(2, 4).kept(cols) for cols in (10, 11)] == [5, 6]


@pytest.mark.parametrize("text", ["2", "4:2", "0:4", "4:4", "a:b", "2:400", "-1:4", ""])
def test_patterns_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match=r"N:M|not a pattern"):
        Pattern.parse(text)
