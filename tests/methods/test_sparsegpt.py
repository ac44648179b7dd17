"""SparseGPT: identities of the optimal brain surgeon, an independent float64 solver, and known bugs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from oracle import methods
from tiny_tasks import inputs_of, output_error, statistics_of, task_of, weight_of

from sparsity_report.contracts import Pattern
from sparsity_report.errors import SpecError
from sparsity_report.methods import sparsegpt

EXACT = torch.float64


def prune(weight_OI, x_NLI=None, blocksize=128, percdamp=0.01, **task):
    """One matrix pruned by itself."""
    asked = task_of(weight_OI, x_NLI, **task)
    (outcome,) = sparsegpt.prune([weight_OI], [asked], sparsegpt.Params(blocksize=blocksize, percdamp=percdamp))
    return outcome


def with_gram(task, gram_II):
    return replace(task, statistics=replace(task.statistics, gram_II=gram_II))


def solve(weight_OI, hessian_II, keep_mask, blocksize=4, panel=2):
    """Ŵ and the loss for a mask that is given."""
    lower_II, _ = sparsegpt.inverse_factor(hessian_II, 0.0, "a")
    weight_IO = weight_OI.t().clone()

    def choose(score_BO, start):
        return keep_mask.t()[start : start + len(score_BO)]

    _, loss_O = sparsegpt.solve_(weight_IO, lower_II, choose, blocksize, blocksize, panel)
    return weight_IO.t(), float(loss_O.sum())


class TestIdentities:
    @pytest.mark.parametrize("pattern", ["unstructured", "2:4", "block:2x3", "column"])
    @pytest.mark.parametrize("windows", [1, 3])
    def test_without_damping_the_loss_is_the_output_error(self, pattern, windows):
        """T15, T22, T30: ½ Σ err² = ‖(W − Ŵ)X‖² / N, whatever the number N of windows."""
        weight, x = weight_of(6, 12, dtype=EXACT), inputs_of(12, windows=windows, dtype=EXACT)
        outcome = prune(weight, x, blocksize=4, percdamp=0.0, pattern=pattern)

        assert outcome.loss > 0
        assert outcome.loss == pytest.approx(output_error(weight, outcome.weight_OI, x), rel=1e-9)

    def test_removing_one_column_is_least_squares(self):
        """T31: column 0 alone, undamped: the others are the least-squares solution."""
        weight, x = weight_of(5, 8, dtype=EXACT), inputs_of(8, dtype=EXACT)
        keep_mask = torch.ones(5, 8, dtype=torch.bool)
        keep_mask[:, 0] = False
        found, _ = solve(weight, statistics_of(x).hessian_II, keep_mask)
        x_TI = x.flatten(0, 1).numpy()
        best = np.linalg.lstsq(x_TI[:, 1:], x_TI @ weight.numpy().T, rcond=None)[0].T

        assert found[:, 0].tolist() == [0.0] * 5
        assert np.abs(found[:, 1:].numpy() - best).max() < 1e-12

    def test_each_removal_is_the_constrained_minimum_over_later_columns(self):
        """T31: one row of six, columns 1, 2 and 4 removed left to right, each by normal equations."""
        weight, hessian = weight_of(1, 6, dtype=EXACT), statistics_of(inputs_of(6, dtype=EXACT)).hessian_II
        keep_mask = torch.tensor([[True, False, False, True, False, True]])
        expected, h = weight[0].clone().numpy(), hessian.numpy()
        for j in (1, 2, 4):
            expected[j + 1 :] += np.linalg.solve(h[j + 1 :, j + 1 :], h[j + 1 :, j]) * expected[j]
            expected[j] = 0.0

        assert solve(weight, hessian, keep_mask)[0][0].tolist() == pytest.approx(expected.tolist(), abs=1e-12)

    @pytest.mark.parametrize("scale", [1.0, 0.003])
    def test_independent_inputs_leave_the_weights_alone(self, scale):
        """T31: with H = c·I nothing can be made up for; the mask is magnitude's, block by block."""
        weight = weight_of(6, 8, dtype=EXACT)
        task = with_gram(task_of(weight), scale * torch.eye(8, dtype=EXACT))
        (outcome,) = sparsegpt.prune([weight], [task], sparsegpt.Params(blocksize=4))

        assert torch.equal(outcome.weight_OI, weight * outcome.keep_mask)
        for block in (slice(0, 4), slice(4, 8)):
            threshold = weight[:, block].abs().flatten().sort().values[12]
            assert torch.equal(outcome.keep_mask[:, block], weight[:, block].abs() >= threshold)

    @pytest.mark.parametrize("pattern", ["unstructured", "2:4"])
    def test_the_scale_of_the_hessian_changes_the_loss_and_nothing_else(self, pattern):
        """T15: H × 77."""
        weight = weight_of(6, 12, dtype=EXACT)
        task = task_of(weight, pattern=pattern)
        scaled = with_gram(task, 77 * task.statistics.gram_II)
        (once,), (more,) = (sparsegpt.prune([weight], [each], sparsegpt.Params()) for each in (task, scaled))

        assert torch.equal(once.keep_mask, more.keep_mask)
        assert torch.allclose(once.weight_OI, more.weight_OI, rtol=1e-12, atol=1e-13)
        assert more.loss == pytest.approx(77 * once.loss, rel=1e-12)

    def test_the_factor_is_the_upper_cholesky_factor_of_the_inverse(self):
        """T32: H⁻¹ = UᵀU with U upper triangular: neither U·Uᵀ nor the inverse of H's own factor."""
        hessian = statistics_of(inputs_of(9, dtype=EXACT)).hessian_II
        lower, retries = sparsegpt.inverse_factor(hessian, 0.01, "a")
        upper, damped = lower.t(), hessian + 0.01 * hessian.diagonal().mean() * torch.eye(9, dtype=EXACT)

        assert retries == 0
        assert torch.equal(upper, upper.triu())
        assert (upper.diagonal() > 0).all()
        assert torch.allclose(upper.t() @ upper, torch.linalg.inv(damped), rtol=1e-10, atol=1e-13)


class TestOracle:
    @pytest.mark.parametrize("blocksize", [1, 5, 8, 128])
    @pytest.mark.parametrize("sparsity", ["0.1", "0.37", "0.8"])
    def test_single_weights(self, blocksize, sparsity):
        """T22, T29: masks, weights and loss of the explicit-inverse solver, on three windows."""
        weight, x = weight_of(7, 13, dtype=EXACT), inputs_of(13, dtype=EXACT)
        outcome = prune(weight, x, blocksize, sparsity=sparsity)
        hessian = 2 / 3 * x.flatten(0, 1).numpy().T @ x.flatten(0, 1).numpy()
        gone, expected, loss = methods.sparsegpt(
            weight.numpy(), hessian, percdamp=0.01, blocksize=blocksize, count=int(7 * 13 * float(sparsity))
        )

        assert (~outcome.keep_mask).numpy().tolist() == gone.tolist()
        assert np.abs(outcome.weight_OI.numpy() - expected).max() < 1e-11
        assert outcome.loss == pytest.approx(loss, rel=1e-10)

    @pytest.mark.parametrize("pattern", ["1:4", "2:4", "3:4", "4:8", "1:2"])
    @pytest.mark.parametrize("cols", [12, 13, 14])
    def test_groups_with_and_without_a_tail(self, pattern, cols):
        """T6, T7: N kept of M, and the tail's share."""
        weight, x = weight_of(5, cols, dtype=EXACT), inputs_of(cols, dtype=EXACT)
        outcome = prune(weight, x, pattern=pattern)
        parsed = Pattern.parse(pattern)
        gone, expected, loss = methods.sparsegpt(
            weight.numpy(),
            statistics_of(x).hessian_II.numpy(),
            percdamp=0.01,
            blocksize=0,
            pattern=(parsed.n, parsed.m),
        )

        assert (~outcome.keep_mask).numpy().tolist() == gone.tolist()
        assert np.abs(outcome.weight_OI.numpy() - expected).max() < 1e-11
        assert outcome.loss == pytest.approx(loss, rel=1e-10)

    def test_with_dead_columns(self):
        """T18: the explicit-inverse solver agrees where inputs are zero."""
        weight, x = weight_of(4, 9, dtype=EXACT), inputs_of(9, dtype=EXACT)
        x[..., [2, 7]] = 0.0
        outcome = prune(weight, x, blocksize=4)
        gone, expected, _ = methods.sparsegpt(
            weight.numpy(), statistics_of(x).hessian_II.numpy(), percdamp=0.01, blocksize=4, count=18
        )

        assert (~outcome.keep_mask).numpy().tolist() == gone.tolist()
        assert np.abs(outcome.weight_OI.numpy() - expected).max() < 1e-11


class TestSelection:
    @pytest.mark.parametrize("sparsity", ["0.29", "0.5", "0.77"])
    @pytest.mark.parametrize("blocksize", [3, 16, 128])
    def test_the_count_of_a_matrix_is_exact(self, sparsity, blocksize):
        """Block by block by running floors: 0.29 of 700 weights are 203, however they are cut."""
        outcome = prune(weight_of(20, 35), blocksize=blocksize, sparsity=sparsity)

        assert int((~outcome.keep_mask).sum()) == int(700 * float(sparsity) + 1e-9)

    def test_equal_scores_do_not_change_the_count(self):
        """T1: a constant matrix on independent inputs is nothing but ties."""
        weight = torch.ones(10, 10)
        task = with_gram(task_of(weight, sparsity="0.29"), torch.eye(10))
        (outcome,) = sparsegpt.prune([weight], [task], sparsegpt.Params(blocksize=4))

        assert int((~outcome.keep_mask).sum()) == 29

    def test_weights_of_a_block_compete_across_rows(self):
        """T29: rows of small weights lose more: the comparison group is neither the row nor the whole matrix."""
        weight = weight_of(6, 16, dtype=EXACT) * torch.tensor([1.0, 1, 1, 1, 9, 9], dtype=EXACT)[:, None]
        keep_4, keep_8 = (prune(weight, blocksize=size).keep_mask for size in (4, 8))

        assert len(set(keep_8.sum(1).tolist())) > 1
        assert [int(part.sum()) for part in keep_8.split(8, 1)] == [24, 24]
        assert not torch.equal(keep_4, keep_8)

    @pytest.mark.parametrize("pattern", ["2:4", "1:4"])
    def test_groups_do_not_depend_on_the_block_size(self, pattern):
        """T7, T29: blocks of 6 are blocks of 8 for groups of 4, and blocks of 4 or 128 prune alike."""
        weight = weight_of(6, 22, dtype=EXACT)
        first, *others = (prune(weight, blocksize=size, pattern=pattern) for size in (8, 4, 6, 128))

        for other in others:
            assert torch.equal(first.keep_mask, other.keep_mask)
            assert torch.allclose(first.weight_OI, other.weight_OI, rtol=1e-11, atol=1e-13)

    def test_groups_lie_along_in_features_and_count_the_kept(self):
        """T6: 1:4 keeps one of four neighbours of every row; a tail of two keeps one."""
        keep_mask = prune(weight_of(5, 10), pattern="1:4").keep_mask

        assert keep_mask[:, :8].view(5, 2, 4).sum(2).unique().tolist() == [1]
        assert keep_mask[:, 8:].sum(1).unique().tolist() == [1]

    def test_a_group_is_chosen_on_weights_that_earlier_columns_have_changed(self):
        """T29: scores of the weights as they were give another mask."""
        weight = weight_of(16, 24, dtype=EXACT)
        outcome = prune(weight, pattern="2:4")
        task = task_of(weight, pattern="2:4")
        lower, _ = sparsegpt.inverse_factor(task.inputs.hessian_II, 0.01, "a")
        at_once = (weight / lower.diagonal()).abs().view(16, 6, 4)
        kept = torch.zeros_like(at_once, dtype=torch.bool).scatter_(2, at_once.topk(2, dim=2).indices, True)

        assert torch.equal(outcome.keep_mask[:, :4], kept.view(16, 24)[:, :4])
        assert not torch.equal(outcome.keep_mask, kept.view(16, 24))

    @pytest.mark.parametrize("blocksize", [1, 5, 64])
    def test_tiles_go_as_a_whole(self, blocksize):
        """Tiles of 2 × 3, at the edges smaller: all kept or all removed, and less than a tile short of the count."""
        keep_mask = prune(weight_of(7, 20), blocksize=blocksize, pattern="block:2x3", sparsity="0.6").keep_mask
        for row in range(0, 7, 2):
            for col in range(0, 20, 3):
                assert len(keep_mask[row : row + 2, col : col + 3].unique()) == 1

        assert 0 <= 84 - int((~keep_mask).sum()) < 6

    def test_the_columns_of_least_damage_go(self):
        """Σ_i W_ij² / [H⁻¹]_jj, by an explicit inverse; three of ten columns for a third of the weights."""
        weight, x = weight_of(6, 10, dtype=EXACT), inputs_of(10, dtype=EXACT)
        keep_mask = prune(weight, x, blocksize=4, pattern="column", sparsity="0.333").keep_mask
        hessian = statistics_of(x).hessian_II.numpy()
        inverse = np.linalg.inv(hessian + 0.01 * np.trace(hessian) / 10 * np.eye(10))
        damage = (weight.numpy() ** 2).sum(0) / np.diag(inverse)

        assert (~keep_mask).all(0).nonzero().flatten().tolist() == sorted(np.argsort(damage)[:3].tolist())
        assert int((~keep_mask).sum()) == 18

    def test_matrices_of_one_input_are_pruned_as_each_by_itself(self):
        """One factorisation, one column loop; every matrix has its own count, mask, weights and loss."""
        weights = [weight_of(rows, 12, seed=rows, dtype=EXACT) for rows in (3, 8, 5)]
        tasks = [task_of(weight, sparsity=each) for weight, each in zip(weights, ("0.2", "0.5", "0.7"), strict=True)]
        together = sparsegpt.prune(weights, tasks, sparsegpt.Params(blocksize=8))
        for weight, task, found in zip(weights, tasks, together, strict=True):
            (alone,) = sparsegpt.prune([weight], [task], sparsegpt.Params(blocksize=8))
            assert torch.equal(alone.keep_mask, found.keep_mask)
            assert torch.allclose(alone.weight_OI, found.weight_OI, rtol=1e-11, atol=1e-13)
            assert alone.loss == pytest.approx(found.loss, rel=1e-11)


class TestNumbers:
    def test_kept_weights_change_and_the_output_is_closer(self):
        """T30: a method that returns its mask on the old weights is not SparseGPT."""
        weight, x = weight_of(16, 32), inputs_of(32)
        outcome = prune(weight, x)
        kept = outcome.keep_mask

        assert ((outcome.weight_OI != weight) & kept).sum() > 0.9 * kept.sum()
        assert output_error(weight, outcome.weight_OI, x) < 0.9 * output_error(weight, weight * kept, x)

    def test_half_precision_is_written_once_at_the_end(self):
        """T33: bfloat16 weights are pruned as their float32 values, then cast; removed ones are 0 after the cast."""
        weight, x = weight_of(12, 40, dtype=torch.bfloat16), inputs_of(40)
        half, full = prune(weight, x, blocksize=8), prune(weight.float(), x, blocksize=8)

        assert half.weight_OI.dtype == torch.bfloat16
        assert torch.equal(half.keep_mask, full.keep_mask)
        assert torch.equal(half.weight_OI, full.weight_OI.bfloat16())

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
    def test_removed_weights_are_positive_zero(self, dtype):
        """T9: bitwise +0, also where the weight was negative: not −0.0, not a rounding."""
        outcome = prune(-weight_of(8, 24).abs().to(dtype))
        removed = outcome.weight_OI[~outcome.keep_mask]

        assert (removed == 0).all()
        assert not torch.signbit(removed).any()

    def test_zeros_in_the_weights_are_counted_apart(self):
        """T9: a weight that is 0 already counts only if the mask removes it; a kept one may become non-zero."""
        weight = weight_of(10, 20)
        weight[:, 3] = 0.0
        outcome = prune(weight, sparsity="0.4")

        assert int((~outcome.keep_mask).sum()) == 80
        assert int((outcome.weight_OI == 0).sum()) == 80 + int((outcome.keep_mask & (outcome.weight_OI == 0)).sum())

    def test_dead_columns_are_zero_and_go_first(self):
        """T18: an input that is always 0: its column becomes 0, everything else is finite, and it is recorded."""
        weight, x = weight_of(6, 16), inputs_of(16)
        weight[:, 5] *= 100  # the largest weights: only their input says that they do not matter
        x[..., 5] = 0.0
        outcome = prune(weight, x)

        assert not outcome.keep_mask[:, 5].any()
        assert (outcome.weight_OI[:, 5] == 0).all()
        assert torch.isfinite(outcome.weight_OI).all()
        assert int((~outcome.keep_mask).sum()) == 48
        assert outcome.fallbacks == {"dead columns": 1}

    def test_dead_columns_beyond_the_count_are_zero_and_kept(self):
        """T9, T18: the mask says what was asked for, the weights that the column is dead."""
        weight, x = weight_of(6, 8), inputs_of(8)
        x[..., 1] = 0.0
        outcome = prune(weight, x, sparsity="0.1")

        assert int((~outcome.keep_mask).sum()) == 4
        assert not outcome.keep_mask[:4, 1].any()
        assert (outcome.weight_OI[:, 1] == 0).all()

    def test_a_hessian_of_rank_two_passes_with_damping(self):
        """T19: two tokens for eight in_features."""
        outcome = prune(weight_of(4, 8), inputs_of(8, windows=1, length=2))

        assert torch.isfinite(outcome.weight_OI).all()
        assert outcome.fallbacks == {}

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_without_damping_it_is_damped_after_all_and_recorded(self, dtype):
        """T19: the result is that of percdamp 0.01, not that of an identity, and it says so."""
        weight, x = weight_of(4, 8, dtype=dtype), inputs_of(8, windows=1, length=2, dtype=dtype)
        retried, damped = prune(weight, x, percdamp=0.0), prune(weight, x, percdamp=0.01)

        assert retried.fallbacks == {"Cholesky retries with more damping": 1}
        assert torch.equal(retried.weight_OI, damped.weight_OI)
        assert torch.equal(retried.keep_mask, damped.keep_mask)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_a_pivot_that_is_rounding_is_no_pivot(self, dtype):
        """T19: two equal in_features are singular, though the factorisation of some passes with 10⁻¹⁶ for a pivot."""
        for seed in range(12):
            x = inputs_of(8, seed=seed, dtype=dtype)
            x[..., 6] = x[..., 2]
            outcome = prune(weight_of(4, 8, dtype=dtype), x, percdamp=0.0)

            assert outcome.fallbacks == {"Cholesky retries with more damping": 1}

    def test_every_retry_damps_ten_times_as_much(self):
        """T19: with a smallest eigenvalue of −0.5, damping 0.001 fails three times: 0.01, 0.1 and 1 are tried."""
        weight, hessian = weight_of(4, 2, dtype=EXACT), torch.tensor([[1.0, 1.5], [1.5, 1.0]], dtype=EXACT)
        task = with_gram(task_of(weight), hessian)
        (outcome,) = sparsegpt.prune([weight], [task], sparsegpt.Params(percdamp=0.001))
        (direct,) = sparsegpt.prune([weight], [task], sparsegpt.Params(percdamp=1.0))

        assert outcome.fallbacks == {"Cholesky retries with more damping": 3}
        assert torch.allclose(outcome.weight_OI, direct.weight_OI, rtol=1e-12, atol=0)

    @pytest.mark.parametrize("gram", [-torch.eye(4), torch.full((4, 4), torch.nan)])
    def test_a_hessian_that_cannot_be_factorised_is_an_error(self, gram):
        """T19: never an identity in its place; the message names the matrix and what to do."""
        weight = weight_of(3, 4)
        task = replace(with_gram(task_of(weight), gram), path="model.layers.3.mlp.up_proj")

        with pytest.raises(SpecError, match=r"model\.layers\.3\.mlp\.up_proj.*not positive definite") as error:
            sparsegpt.prune([weight], [task], sparsegpt.Params())
        assert "percdamp" in str(error.value)

    def test_retries_of_a_group_are_counted_once(self):
        """T19, T65: q, k and v share one factorisation; dead columns are counted in each."""
        x = inputs_of(8, windows=1, length=2)
        x[..., 6] = 0.0
        weights = [weight_of(4, 8, seed=seed) for seed in range(3)]
        outcomes = sparsegpt.prune(weights, [task_of(each, x) for each in weights], sparsegpt.Params(percdamp=0.0))

        assert [dict(each.fallbacks) for each in outcomes] == [
            {"dead columns": 1, "Cholesky retries with more damping": 1},
            {"dead columns": 1},
            {"dead columns": 1},
        ]

    def test_runs_and_threads_agree(self):
        """T35: bitwise over two runs; over one and two threads to 1e-6, with at most a handful of other choices."""
        weight, x = weight_of(96, 200), inputs_of(200, length=300)
        before = torch.get_num_threads()
        try:
            found = []
            for threads in (1, 1, 2):
                torch.set_num_threads(threads)
                found.append(prune(weight, x))
        finally:
            torch.set_num_threads(before)
        first, again, threaded = found
        hamming = int((first.keep_mask ^ threaded.keep_mask).sum())

        assert torch.equal(first.keep_mask, again.keep_mask)
        assert torch.equal(first.weight_OI, again.weight_OI)
        assert hamming <= 4
        if hamming == 0:
            assert torch.allclose(first.weight_OI, threaded.weight_OI, rtol=1e-4, atol=1e-6)
        assert threaded.loss == pytest.approx(first.loss, rel=1e-3)

    def test_the_statistics_are_left_alone(self):
        """Several methods look at one Hessian."""
        weight, x = weight_of(4, 8), inputs_of(8)
        x[..., 1] = 0.0
        task = task_of(weight, x)
        before = task.statistics.gram_II.clone()
        sparsegpt.prune([weight], [task], sparsegpt.Params())

        assert torch.equal(before, task.statistics.gram_II)


@pytest.mark.parametrize(
    ("pattern", "scope", "reason"),
    [
        ("row", "layer", "leaves it none"),
        ("unstructured", "row", 'scope "row"'),
        ("unstructured", "global", 'scope "global"'),
        ("unstructured", "block", 'scope "block"'),
        ("block:4x4", "global", 'scope "global"'),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(pattern, scope, reason):
    found = sparsegpt.refuses(Pattern.parse(pattern), scope)

    assert '"sparsegpt"' in found
    assert reason in found


@pytest.mark.parametrize("pattern", ["unstructured", "2:4", "block:4x4", "column"])
def test_everything_else_is_not_refused(pattern):
    assert sparsegpt.refuses(Pattern.parse(pattern), "layer") == ""
