"""First-order Taylor saliency against the loss itself."""

from __future__ import annotations

import pytest
import torch
from tiny_tasks import inputs_of, task_of, weight_of

from sparsity_report.methods import taylor


def test_by_hand():
    """|w·g|: the signs of neither matter."""
    weight, gradient = torch.tensor([[2.0, -1.0], [0.0, 3.0]]), torch.tensor([[-0.5, -4.0], [9.0, 0.0]])

    assert taylor.score(weight, task_of(weight, gradient_OI=gradient), taylor.Params()).tolist() == [
        [1.0, 4.0],
        [0.0, 0.0],
    ]


def test_it_predicts_what_removing_a_little_of_a_weight_costs():
    """L(W − εW_ij) − L(W) ≈ −ε·W_ij·g_ij for a cross-entropy, by finite differences in float64."""
    x, targets = inputs_of(5, windows=1, length=12, dtype=torch.float64)[0], torch.arange(12) % 4
    weight = weight_of(4, 5, dtype=torch.float64).requires_grad_()

    def loss(weight_OI):
        return torch.nn.functional.cross_entropy(x @ weight_OI.T, targets)

    loss(weight).backward()
    score = taylor.score(weight.detach(), task_of(weight.detach(), gradient_OI=weight.grad), taylor.Params())
    with torch.no_grad():
        for i in range(4):
            for j in range(5):
                less = weight.clone()
                less[i, j] *= 1 - 1e-6
                change = (loss(less) - loss(weight)) / 1e-6
                assert score[i, j].item() == pytest.approx(abs(change.item()), rel=1e-3, abs=1e-7)


def test_half_precision_weights_are_scored_in_float32():
    """T3."""
    weight = weight_of(8, 32, dtype=torch.bfloat16)
    task = task_of(weight)

    assert torch.equal(taylor.score(weight.float(), task, taylor.Params()), taylor.score(weight, task, taylor.Params()))


def test_without_a_gradient_it_says_so():
    weight = weight_of(2, 4)

    with pytest.raises(ValueError, match="a: no gradient"):
        taylor.score(weight, task_of(weight, gradient_OI=None), taylor.Params())
