"""Dynamic sparse no training: hand-made swaps, an independent oracle, and what must not change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracle import methods
from tiny_tasks import inputs_of, statistics_of, task_of, weight_of

from sparsity_report import registry
from sparsity_report.contracts import Pattern
from sparsity_report.methods import dsnot
from sparsity_report.selection import keep_masks

EXACT = torch.float64
ONE_TOKEN_WINDOWS = torch.tensor([[[0.0]], [[2.0]]], dtype=EXACT)
"""Two windows of one token, of any number of in_features: every mean is 1, every variance is 1."""


def refine(rows, kept, pattern="unstructured", **params):
    """Mask and errors after swaps, for weights and a mask given as lists, on inputs of mean 1."""
    keep_mask = torch.tensor(kept, dtype=torch.bool)
    error = dsnot.refine_(
        keep_mask,
        torch.tensor(rows, dtype=EXACT),
        statistics_of(ONE_TOKEN_WINDOWS.expand(-1, -1, len(rows[0]))),
        Pattern.parse(pattern),
        dsnot.Params(**params),
    )
    return keep_mask.int().tolist(), error.tolist()


def initial(weight_OI, task, name="wanda"):
    module = registry.get("methods", name)
    score = module.score(weight_OI, task, module.Params())
    (keep_mask,) = keep_masks(
        [score], pattern=task.pattern, scope=task.scope, counts=[task.count], sparsity=task.sparsity, compat="exact"
    )
    return keep_mask


def expected_error(weight_OI, keep_mask, x_NLI):
    """Σ_removed W_j·E[Σ_t x_j] of each row, in float64."""
    return (weight_OI.double() * ~keep_mask) @ x_NLI.double().sum(1).mean(0)


class TestByHand:
    def test_the_largest_pull_grows_and_the_cheapest_counter_pull_goes(self):
        """
        T39: e = 2 + ½ > 0: 2 grows back; among the kept only −1 pulls the other way and goes: e = −½.

        Then ½ would grow, and 3 (the only one left that pulls the other way) would go: |e| = 2, refused.
        """
        assert refine([[3.0, -1.0, 2.0, 0.5]], [[1, 1, 0, 0]]) == ([[1, 0, 1, 0]], [-0.5])

    def test_signs_are_mirrored(self):
        """T39: the same row with its signs turned round makes the same swap."""
        assert refine([[-3.0, 1.0, -2.0, -0.5]], [[1, 1, 0, 0]]) == ([[1, 0, 1, 0]], [0.5])

    def test_a_swap_that_would_not_help_is_not_made(self):
        """T39: growing ½ and losing −1 would turn e = ½ into −1."""
        assert refine([[3.0, -1.0, 0.5, 0.0]], [[1, 1, 0, 0]]) == ([[1, 1, 0, 0]], [0.5])

    def test_without_a_counter_pull_nothing_goes(self):
        assert refine([[3.0, 1.0, 2.0, 0.5]], [[1, 1, 0, 0]]) == ([[1, 1, 0, 0]], [2.5])

    def test_a_small_error_is_left_alone(self):
        """The threshold is compared with |e|, the expected sum over a window."""
        assert refine([[3.0, -1.0, 2.0, 0.5]], [[1, 1, 0, 0]], update_threshold=2.5)[0] == [[1, 1, 0, 0]]
        assert refine([[3.0, -1.0, 2.0, 0.5]], [[1, 1, 0, 0]], update_threshold=2.4)[0] == [[1, 0, 1, 0]]

    def test_a_row_is_done_once_its_error_is_small(self):
        """2 grows for −0.02: e = 0.06 is left alone, though growing 0.05 for −0.03 would make it −0.02."""
        row, kept = [[2.0, 0.05, 0.03, -0.02, -0.03]], [[0, 0, 0, 1, 1]]

        assert refine(row, kept) == ([[1, 0, 0, 0, 1]], [pytest.approx(0.06)])
        assert refine(row, kept, update_threshold=0) == ([[1, 1, 0, 0, 0]], [pytest.approx(-0.02)])

    def test_a_weight_grows_once(self):
        """T39: 2 grows for −1; with e = −1 now it must not be grown a second time for 3: the count would change."""
        assert refine([[3.0, -1.0, 2.0]], [[1, 1, 0]]) == ([[1, 0, 1]], [-1.0])

    def test_no_cycle_is_no_change(self):
        assert refine([[3.0, -1.0, 2.0, 0.5]], [[1, 1, 0, 0]], max_cycle=0)[0] == [[1, 1, 0, 0]]

    def test_in_a_group_the_cheapest_goes_whatever_its_sign(self):
        """T39: 1:2: 2 grows, so that 1.5 of the same pair goes though it pulls the same way; the other pair stays."""
        assert refine([[1.5, 2.0, -4.0, 0.25]], [[1, 0, 1, 0]], pattern="1:2") == ([[0, 1, 1, 0]], [1.75])

    def test_variance_steadies_the_choice(self):
        """Of two weights that pull alike the one on the steadier input grows; with p = 0 the position decides."""
        x = torch.tensor([[[1.0, 5.0, 1.0]], [[1.0, -3.0, 1.5]], [[1.0, 1.0, 0.5]]], dtype=EXACT)
        for power, grown in ((1.0, 2), (0.0, 1)):
            keep_mask = torch.tensor([[True, False, False]])
            weight = torch.tensor([[-0.1, 1.0 if power else 1.01, 1.0]], dtype=EXACT)
            params = dsnot.Params(pow_of_var_regrowing=power)
            dsnot.refine_(keep_mask, weight, statistics_of(x), Pattern(), params)
            assert keep_mask[0].nonzero().flatten().tolist() == [grown]


def test_the_variance_includes_what_differs_between_windows():
    """The authors pool the windows' own variances; over all tokens it is larger where windows have other means."""
    x = inputs_of(6, windows=4, dtype=EXACT) + torch.arange(4, dtype=EXACT)[:, None, None]
    found = dsnot.variance(statistics_of(x))

    assert np.allclose(found.numpy(), x.flatten(0, 1).numpy().var(axis=0), rtol=1e-10)
    assert (found > 1.2 * x.var(1, unbiased=False).mean(0)).all()


@pytest.mark.parametrize("dtype", [torch.float32, EXACT])
def test_constant_and_dead_inputs_have_a_variance(dtype):
    """Dividing by it must not make NaN of a mean of 0, nor of rounding below 0."""
    x = torch.full((2, 50, 3), 0.1, dtype=dtype)
    x[..., 1] = 0.0

    assert (dsnot.variance(statistics_of(x)) > 0).all()
    weight = weight_of(5, 3, dtype=dtype)
    (outcome,) = dsnot.prune([weight], [task_of(weight, x, scope="row", sparsity="0.34")], dsnot.Params())
    assert np.isfinite(outcome.loss)


@pytest.mark.parametrize("name", ["wanda", "magnitude", "ria"])
@pytest.mark.parametrize("pattern", ["unstructured", "2:4", "1:4"])
def test_masks_of_the_oracle(name, pattern):
    """T39: every row, by loops, from each initial mask; with and without a tail group."""
    weight, x = weight_of(9, 26, dtype=EXACT), inputs_of(26, dtype=EXACT)
    task = task_of(weight, x, pattern=pattern, scope="row")
    (outcome,) = dsnot.prune([weight], [task], dsnot.Params(initial=name, update_threshold=0.01))
    groups = (task.pattern.n, task.pattern.m) if task.pattern.is_nm else None
    expected, errors = methods.dsnot(
        weight.numpy(), x.numpy(), initial(weight, task, name).numpy(), threshold=0.01, pattern=groups
    )

    assert outcome.keep_mask.numpy().tolist() == expected.tolist()
    assert outcome.loss == pytest.approx(np.abs(errors).sum(), rel=1e-9)


@pytest.mark.parametrize("pattern", ["unstructured", "2:4", "1:4"])
def test_counts_stay_and_the_expected_error_does_not_grow(pattern):
    """T39: per row, and per group of N:M; each row's |e| as measured on the inputs, and all of them together less."""
    weight, x = weight_of(40, 64), inputs_of(64)
    task = task_of(weight, x, pattern=pattern, scope="row")
    before = initial(weight, task)
    (outcome,) = dsnot.prune([weight], [task], dsnot.Params())
    was, now = (expected_error(weight, keep_mask, x).abs() for keep_mask in (before, outcome.keep_mask))

    assert torch.equal(before.sum(1), outcome.keep_mask.sum(1))
    assert (now <= was + 1e-4).all()
    assert now.sum() < 0.8 * was.sum()
    assert outcome.weight_OI is None
    assert outcome.loss == pytest.approx(float(now.sum()), rel=1e-3)
    if task.pattern.is_nm:
        assert outcome.keep_mask.view(40, 16, 4).sum(2).unique().tolist() == [task.pattern.n]


@pytest.mark.parametrize(("pattern", "scope"), [("unstructured", "layer"), ("unstructured", "global"), ("row", "row")])
def test_what_makes_no_sense_is_refused_by_name(pattern, scope):
    assert '"dsnot"' in dsnot.refuses(Pattern.parse(pattern), scope)
    assert dsnot.refuses(Pattern(), "row") == dsnot.refuses(Pattern.parse("2:4"), "layer") == ""
