"""keep_masks: exact counts, ties, scopes, N:M, against hand-computed cases and NumPy."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsity_report.contracts import Pattern
from sparsity_report.counting import prune_count, refuses
from sparsity_report.selection import keep_masks, nm_mask, smallest_masks, tiles

UNSTRUCTURED = Pattern()


def masks(*scores: torch.Tensor, sparsity: str, scope: str = "layer", compat: str = "exact") -> list[torch.Tensor]:
    asked = Decimal(sparsity)
    return keep_masks(
        scores,
        pattern=UNSTRUCTURED,
        scope=scope,
        counts=[prune_count(score.numel(), asked) for score in scores],
        total=prune_count(sum(score.numel() for score in scores), asked),
        sparsity=asked,
        compat=compat,
    )


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


@pytest.mark.parametrize("count", [1, 10_000_001])
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


def units(*scores: torch.Tensor, pattern: str, counts: list[int], scope: str = "layer") -> list[torch.Tensor]:
    return keep_masks(
        scores,
        pattern=Pattern.parse(pattern),
        scope=scope,
        counts=counts,
        total=sum(counts),
        sparsity=None,
        compat="exact",
    )


class TestUnits:
    """Rows, columns and tiles go whole, in the order of the mean of their squared scores."""

    SCORE = torch.tensor([[1.0, 2.0, 9.0, 1.0], [1.0, 2.0, 1.0, 1.0], [3.0, 3.0, 1.0, 2.0], [3.0, 3.0, 2.0, 2.0]])

    def test_rows(self):
        """By hand: mean squares 21.75, 1.75, 5.75, 6.5: row 1 goes, then row 2."""
        (one,) = units(self.SCORE, pattern="row", counts=[4])
        (two,) = units(self.SCORE, pattern="row", counts=[8])

        assert one.all(1).tolist() == [True, False, True, True]
        assert two.all(1).tolist() == [True, False, False, True]

    def test_columns(self):
        """By hand: sums of squares 20, 26, 87, 10: column 3 goes, then column 0."""
        (two,) = units(self.SCORE, pattern="column", counts=[8])

        assert two.any(0).tolist() == [False, True, True, False]

    def test_tiles(self):
        """By hand: sums of squares 10, 84 above, 36, 13 below: the tile of rows 0–1, columns 0–1 goes first."""
        (one,) = units(self.SCORE, pattern="block:2x2", counts=[4])

        assert (~one).nonzero().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]

    def test_never_more_weights_than_asked(self):
        """Seven weights are one tile of four: the second would take one too many."""
        (mask,) = units(self.SCORE, pattern="block:2x2", counts=[7])

        assert pruned(mask) == 4

    def test_a_smaller_tile_at_the_edge_competes_by_its_mean(self):
        """A sum would remove the edge tile because it has fewer weights, not because they matter less."""
        score = torch.tensor([[1.0, 1.0, 1.2]])
        (mask,) = units(score, pattern="block:1x2", counts=[2])

        assert mask.tolist() == [[False, False, True]]
        assert tiles(score, Pattern.parse("block:1x2"))[1].tolist() == [[2, 1]]

    def test_globally_units_of_all_matrices_compete(self):
        low, high = torch.ones(4, 2), 2 * torch.ones(3, 4)
        first, second = units(low, high, pattern="row", counts=[4, 6], scope="global")

        assert (pruned(first), pruned(second)) == (8, 0)

    def test_in_every_band_of_rows_as_many(self):
        """Scope row with tiles: each band of rows loses its share, however large its scores are."""
        score = torch.cat([torch.rand(2, 8), 100 + torch.rand(2, 8)])
        (mask,) = units(score, pattern="block:2x2", counts=[16], scope="row")

        assert (~mask).sum(1).tolist() == [4, 4, 4, 4]

    def test_in_bands_the_total_is_within_one_unit(self):
        """Each of 3 bands of 4 tiles owes 10 of 16 weights: two tiles, three, two, so that 7 go and not 3 · 2."""
        (mask,) = units(torch.rand(6, 8), pattern="block:2x2", counts=[30], scope="row")

        assert (~mask).sum(1).tolist() == [4, 4, 6, 6, 4, 4]

    def test_ties_are_broken_by_position(self):
        (mask,) = units(torch.ones(4, 4), pattern="row", counts=[8])

        assert mask.all(1).tolist() == [False, False, True, True]

    @pytest.mark.parametrize("factor", [1e-30, 1e30])
    def test_squares_neither_vanish_nor_overflow(self, factor):
        """Gradient scores are tiny: their squares are no float32 any more."""
        score = torch.rand(6, 8, generator=torch.Generator().manual_seed(0))
        plain, scaled = (units(each, pattern="row", counts=[24])[0] for each in (score, score * factor))

        assert torch.equal(plain, scaled)
        assert pruned(scaled) == 24

    def test_a_score_that_is_nan_is_refused(self):
        with pytest.raises(ValueError, match="NaN"):
            units(torch.full((2, 2), torch.nan), pattern="column", counts=[2])

    @settings(max_examples=40, deadline=None)
    @given(st.data())
    def test_they_go_in_order_while_they_fit(self, data):
        """Against a loop over all units of all matrices; few different scores, so that many are equal."""
        height, width = data.draw(st.tuples(st.integers(1, 4), st.integers(2, 4)))
        sides = data.draw(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=3))
        generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
        scores = [torch.randint(0, 3, side, generator=generator).float() for side in sides]
        total = data.draw(st.integers(0, sum(score.numel() for score in scores)))

        found = keep_masks(
            scores,
            pattern=Pattern.parse(f"block:{height}x{width}"),
            scope="global",
            counts=[0] * len(scores),
            total=total,
            sparsity=None,
            compat="exact",
        )

        corners = [
            (number, row, col)
            for number, (rows, cols) in enumerate(sides)
            for row in range(0, rows, height)
            for col in range(0, cols, width)
        ]
        tile = {(n, i, j): scores[n][i : i + height, j : j + width] for n, i, j in corners}
        expected, left = [torch.ones_like(score, dtype=torch.bool) for score in scores], total
        for n, i, j in sorted(corners, key=lambda corner: (tile[corner].square().double().mean().item(), corner)):
            left -= tile[n, i, j].numel()
            if left < 0:
                break
            expected[n][i : i + height, j : j + width] = False
        assert [mask.tolist() for mask in found] == [mask.tolist() for mask in expected]

    @pytest.mark.parametrize("unit", ["row", "column"])
    def test_a_whole_unit_has_no_choice_within_a_row(self, unit):
        assert f'pattern "{unit}"' in refuses(Pattern.parse(unit), "row")
        assert not refuses(Pattern.parse("block:2x2"), "row")


SENSIBLE = [
    (pattern, scope)
    for pattern in ("unstructured", "row", "column", "block:2x3")
    for scope in ("global", "layer", "row")
    if not refuses(Pattern.parse(pattern), scope)
]


@pytest.mark.parametrize(("pattern", "scope"), SENSIBLE)
def test_sparsity_zero_leaves_everything(pattern, scope):
    """T1: the papers' rule removes one weight even then."""
    parsed = Pattern.parse(pattern)
    (mask,) = keep_masks(
        [torch.zeros(4, 7)], pattern=parsed, scope=scope, counts=[0], sparsity=Decimal(0), compat="exact"
    )

    assert mask.all()


def test_matrices_that_compete_lose_the_sum_of_their_counts_unless_a_total_is_given():
    """⌊N·s⌋ of both is 1 more than Σ⌊n·s⌋: nine weights each at one half."""
    low, high = torch.arange(9.0).view(3, 3), torch.arange(9.0, 18.0).view(3, 3)

    def lost(**more):
        made = keep_masks(
            [low, high], pattern=UNSTRUCTURED, scope="global", counts=[4, 4], sparsity=None, compat="exact", **more
        )
        return [pruned(mask) for mask in made]

    assert lost() == [8, 0]
    assert lost(total=9) == [9, 0]


def test_the_reference_rule_needs_a_sparsity():
    with pytest.raises(ValueError, match="counts from a sparsity"):
        keep_masks(
            [torch.ones(2, 2)], pattern=UNSTRUCTURED, scope="layer", counts=[2], sparsity=None, compat="reference"
        )


def test_scopes_give_different_masks():
    """T5: per matrix and per row are different comparison groups; a row's mask has constant row sums."""
    score = torch.rand(8, 16, generator=torch.Generator().manual_seed(0))
    (by_layer,), (by_row,) = masks(score, sparsity="0.5", scope="layer"), masks(score, sparsity="0.5", scope="row")

    assert set((~by_row).sum(1).tolist()) == {8}
    assert set((~by_layer).sum(1).tolist()) != {8}
