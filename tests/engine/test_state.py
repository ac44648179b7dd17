"""A state's weights: what is pruned is +0, and zeros that were there before are counted apart."""

from __future__ import annotations

import pytest
import torch
from tiny_models import build_model

from sparsity_report.contracts import FormatChoice
from sparsity_report.engine.state import ModelState
from sparsity_report.engine.structure import count, zeros_by_parameter
from sparsity_report.engine.variant import build
from sparsity_report.models.anatomy import anatomy


@pytest.fixture
def state():
    model = build_model("llama")
    parts = anatomy(model)
    target = next(matrix for matrix in parts.matrices if matrix.shape.name == "mlp.up_proj")
    return ModelState(model, parts, (target,))


def masked(state, keep_mask):
    return ModelState(state.model, state.anatomy, state.targets, keep_masks={state.targets[0].shape.path: keep_mask})


def test_pruned_weights_are_positive_zeros(state):
    """T9: negative weights, too: −0.0 would be another bit pattern, and a nonzero to a format that compares bits."""
    weight = state.weight_OI(state.targets[0])
    after = masked(state, torch.zeros_like(weight, dtype=torch.bool)).weight_OI(state.targets[0])

    assert (weight < 0).any()
    assert not after.any()
    assert not torch.signbit(after).any()


def test_zeros_of_before_and_pruned_weights_are_counted_apart(state):
    """T9: five zeros before; ten weights pruned, two of them zero already: 10 pruned, 13 zeros."""
    weight = state.weight_OI(state.targets[0])
    weight[0, :5] = 0.0
    keep_mask = torch.ones_like(weight, dtype=torch.bool)
    keep_mask[0, 3:13] = False
    pruned = masked(state, keep_mask)
    found = count(pruned, build(pruned, FormatChoice("masked")), zeros_by_parameter(state.model))

    assert found.pruned == 10
    assert found.target_zeros == 13


def test_changed_weights_stand_for_the_dense_ones(state):
    weight = state.weight_OI(state.targets[0])
    path = state.targets[0].shape.path
    changed = ModelState(
        state.model,
        state.anatomy,
        state.targets,
        keep_masks={path: torch.ones_like(weight, dtype=torch.bool)},
        changed_weights={path: weight + 1},
    )

    assert torch.equal(changed.module_weight_OI(state.targets[0].module), weight + 1)
    assert torch.equal(state.module_weight_OI(state.targets[0].module), weight)
