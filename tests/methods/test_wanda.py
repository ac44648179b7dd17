"""Wanda and its variant with a share of each row: hand-computed scores, an independent oracle, known bugs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracle import methods
from tiny_tasks import inputs_of, statistics_of, task_of, weight_of

from sparsity_report import registry
from sparsity_report.contracts import Pattern
from sparsity_report.methods import wanda, wanda_alpha
from sparsity_report.selection import keep_masks
from sparsity_report.tasks import Statistics

EXACT = torch.float64


def masked(module, weight_OI, task, scope):
    score = module.score(weight_OI, task, module.Params())
    (keep_mask,) = keep_masks(
        [score], pattern=task.pattern, scope=scope, counts=[task.count], sparsity=task.sparsity, compat=task.compat
    )
    return keep_mask


def test_four_weights_by_hand():
    """
    T36: |w|·‖x‖ of the textbook's four weights are 0.5, 0.08, 0.6 and 2; Wanda removes −0.8, magnitude 0.01 and −0.05.

    The norms belong to one token, so that the score is the norm itself: not its square, not the mean of x.
    """
    weight, norms = torch.tensor([[0.01, -0.8, 0.3, -0.05]]), torch.tensor([50.0, 0.1, 2.0, 40.0])
    task = task_of(weight, -norms.view(1, 1, 4), sparsity="0.25")
    magnitude = registry.get("methods", "magnitude")

    assert wanda.score(weight, task, wanda.Params())[0].tolist() == pytest.approx([0.5, 0.08, 0.6, 2.0])
    assert masked(wanda, weight, task, "row").tolist() == [[True, False, True, True]]
    halved = task_of(weight, -norms.view(1, 1, 4))
    assert masked(magnitude, weight, halved, "row").tolist() == [[False, True, True, False]]


@pytest.mark.parametrize("windows", [1, 3])
def test_scores_of_the_oracle(windows):
    """T22, T36: the norm over all tokens, over √T; any number of windows."""
    weight, x = weight_of(5, 9, dtype=EXACT), inputs_of(9, windows=windows, dtype=EXACT)
    found = wanda.score(weight, task_of(weight, x), wanda.Params()).double().numpy()
    tokens = x.flatten(0, 1).numpy()

    assert np.allclose(found, methods.wanda(weight.numpy(), tokens) / np.sqrt(len(tokens)), rtol=1e-6)


def test_scores_do_not_depend_on_the_number_of_tokens():
    """T15: the same inputs twice, or cut into other windows, give the same scores: matrices compare."""
    weight, x = weight_of(4, 6), inputs_of(6, windows=2, length=8)
    once = wanda.score(weight, task_of(weight, x), wanda.Params())
    for other in (torch.cat([x, x]), x.view(4, 4, 6), x.view(1, 16, 6)):
        assert torch.allclose(once, wanda.score(weight, task_of(weight, other), wanda.Params()), rtol=1e-6)


def test_every_output_row_loses_the_same():
    """T5: the comparison group is the row, whatever the rows' sizes; over the layer rows lose different numbers."""
    weight = weight_of(6, 20) * torch.tensor([1.0, 1, 1, 5, 5, 25])[:, None]
    task = task_of(weight)

    assert wanda.DEFAULT_SCOPE == "row"
    assert masked(wanda, weight, task, wanda.DEFAULT_SCOPE).sum(1).unique().tolist() == [10]
    assert len(masked(wanda, weight, task, "layer").sum(1).unique()) > 1


def test_half_precision_weights_are_scored_in_float32():
    """T3: bfloat16 products would tie where the weights do not."""
    weight = weight_of(16, 64, dtype=torch.bfloat16)
    task = task_of(weight)

    assert torch.equal(wanda.score(weight.float(), task, wanda.Params()), wanda.score(weight, task, wanda.Params()))


def test_the_diagonal_of_the_hessian_serves_as_well():
    """Σxxᵀ holds Σx²: a method next to one that needs the Gram matrix scores alike."""
    weight, x = weight_of(3, 5, dtype=EXACT), inputs_of(5, dtype=EXACT)
    whole = statistics_of(x)
    gram = Statistics(whole.tokens, whole.windows, gram_II=whole.gram_II)

    expected = wanda.score(weight, task_of(weight, x), wanda.Params())
    assert torch.allclose(expected, wanda.score(weight, task_of(weight, statistics=gram), wanda.Params()))


def test_without_statistics_it_says_so():
    weight = weight_of(2, 4)

    with pytest.raises(ValueError, match="a: no calibration statistics"):
        wanda.score(weight, task_of(weight, statistics=None), wanda.Params())


class TestAlpha:
    def test_shares_by_hand(self):
        """Scores 1, 2, 5 of a row are 1/8, 3/8 and all of its sum; a row of equal scores goes by position."""
        weight = torch.tensor([[2.0, -1.0, 5.0], [3.0, 3.0, 3.0]])
        task = task_of(weight, torch.ones(1, 1, 3))
        score = wanda_alpha.score(weight, task, wanda_alpha.Params())

        assert score[0].tolist() == pytest.approx([3 / 8, 1 / 8, 1.0])
        assert score[1].tolist() == pytest.approx([1 / 3, 2 / 3, 1.0])

    @pytest.mark.parametrize("sparsity", ["0.3", "0.5", "0.8"])
    def test_it_is_the_rule_with_a_bisected_alpha(self, sparsity):
        """Rows lose all scores whose running sum stays within α of theirs; the count is exact."""
        weight, x = weight_of(7, 30, dtype=EXACT), inputs_of(30, dtype=EXACT)
        task = task_of(weight, x, sparsity=sparsity)
        keep_mask = masked(wanda_alpha, weight, task, wanda_alpha.DEFAULT_SCOPE)
        expected = methods.wanda_alpha(methods.wanda(weight.numpy(), x.flatten(0, 1).numpy()), task.count)

        assert int((~keep_mask).sum()) == task.count
        assert keep_mask.numpy().tolist() == expected.tolist()

    def test_rows_lose_different_numbers(self):
        """What sets it apart: an even row keeps more of its weights than one that a few weights make up."""
        even, peaked = torch.ones(1, 20), torch.cat([torch.full((1, 2), 100.0), torch.ones(1, 18)], 1)
        keep_mask = masked(wanda_alpha, torch.cat([even, peaked]), task_of(torch.ones(2, 20)), "layer")

        assert int((~keep_mask[1]).sum()) > int((~keep_mask[0]).sum())

    def test_smaller_scores_of_a_row_go_before_larger_ones(self):
        """However far up the running sum is, order within a row is Wanda's."""
        weight = weight_of(4, 500)
        task = task_of(weight, sparsity="0.9")
        keep_mask, own = masked(wanda_alpha, weight, task, "layer"), wanda.score(weight, task, wanda.Params())
        largest_removed = own.masked_fill(keep_mask, 0).amax(1)

        assert (own.masked_fill(~keep_mask, torch.inf).amin(1) > largest_removed).all()

    def test_a_row_of_zeros_is_no_trouble(self):
        weight = torch.cat([torch.zeros(1, 6), weight_of(1, 6)])

        assert wanda_alpha.score(weight, task_of(weight), wanda_alpha.Params())[0].tolist() == [0.0] * 6

    @pytest.mark.parametrize(("pattern", "scope"), [("2:4", "layer"), ("unstructured", "row"), ("column", "layer")])
    def test_where_nothing_can_be_spread_it_is_refused(self, pattern, scope):
        assert '"wanda-alpha"' in wanda_alpha.refuses(Pattern.parse(pattern), scope)
        assert wanda_alpha.refuses(Pattern(), "layer") == ""
