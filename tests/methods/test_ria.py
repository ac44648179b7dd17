"""RIA: a hand-computed matrix, an independent oracle, and matrices with nothing in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracle import methods
from tiny_tasks import inputs_of, task_of, weight_of

from sparsity_report.methods import ria


def test_two_by_two_by_hand():
    """
    T37: sums of |W| down columns are 4 and 6, along rows 3 and 7; rms(x) is 4 and 1, of which a = ½ takes the root.

    Signs must not cancel in the sums: with signed sums the second row's would be 1.
    """
    weight = torch.tensor([[1.0, 2.0], [-3.0, 4.0]])
    task = task_of(weight, torch.tensor([[[4.0, -1.0], [-4.0, 1.0]]]))
    expected = [[(1 / 4 + 1 / 3) * 2, 2 / 6 + 2 / 3], [(3 / 4 + 3 / 7) * 2, 4 / 6 + 4 / 7]]

    assert ria.score(weight, task, ria.Params()).tolist() == [pytest.approx(row) for row in expected]


@pytest.mark.parametrize("a", [0.0, 0.5, 1.0])
def test_scores_of_the_oracle(a):
    """T37: rows and columns of different lengths; the norm over all tokens is rms(x)·√T."""
    weight, x = weight_of(4, 11, dtype=torch.float64), inputs_of(11, dtype=torch.float64)
    found = ria.score(weight, task_of(weight, x), ria.Params(a=a)).double().numpy()
    tokens = x.flatten(0, 1).numpy()

    assert np.allclose(found, methods.ria(weight.numpy(), tokens, a) / len(tokens) ** (a / 2), rtol=1e-5)


def test_the_comparison_group_is_the_matrix():
    """T5: layer-wide in the authors' code unless asked otherwise."""
    assert ria.DEFAULT_SCOPE == "layer"


@pytest.mark.parametrize("a", [0.0, 0.5])
def test_zero_rows_columns_and_inputs_are_no_trouble(a):
    """0/0 is a share of nothing: 0, not NaN."""
    weight, x = weight_of(4, 6), inputs_of(6)
    weight[1], weight[:, 2], x[..., 3] = 0.0, 0.0, 0.0
    score = ria.score(weight, task_of(weight, x), ria.Params(a=a))

    assert torch.isfinite(score).all()
    assert (score[1] == 0).all()
    assert (score[:, 2] == 0).all()
    assert torch.isfinite(ria.score(torch.zeros(3, 6), task_of(torch.zeros(3, 6)), ria.Params(a=a))).all()


def test_half_precision_weights_are_scored_in_float32():
    """T3: sums and shares of bfloat16 weights are those of their float32 values."""
    weight = weight_of(16, 64, dtype=torch.bfloat16)
    task = task_of(weight)

    assert torch.equal(ria.score(weight.float(), task, ria.Params()), ria.score(weight, task, ria.Params()))
