"""The golden matrix: published rules, value by value, by the package and by the oracle."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
import torch
from oracle import golden, methods
from tiny_tasks import output_error, task_of

from sparsity_report import registry
from sparsity_report.selection import keep_masks

WEIGHT, INPUTS = torch.from_numpy(golden.WEIGHT), torch.from_numpy(golden.INPUTS)[None]


def pruned_by_sparsegpt(name, dtype=torch.float64):
    """Of a golden case: (outcome, loss, error, error without update) – the last three as published."""
    blocksize, compat, pattern, rows, *numbers = golden.SPARSEGPT[name]
    sparsegpt = registry.get("methods", "sparsegpt")
    task = task_of(WEIGHT.to(dtype), INPUTS.to(dtype), pattern=pattern or "unstructured", compat=compat)
    (outcome,) = sparsegpt.prune([WEIGHT.to(dtype)], [task], sparsegpt.Params(blocksize=blocksize))
    assert (~outcome.keep_mask).numpy().tolist() == golden.removed(rows).tolist()
    return outcome, *numbers


@pytest.mark.parametrize("name", golden.SPARSEGPT)
def test_sparsegpt_in_float64(name):
    """T29, T30: masks, loss and output error to the digits that are printed; the update beats the mask alone."""
    outcome, loss, error, without_update = pruned_by_sparsegpt(name)

    assert outcome.loss == pytest.approx(loss, rel=1e-8)
    assert output_error(WEIGHT, outcome.weight_OI, INPUTS) == pytest.approx(error, rel=1e-8)
    assert output_error(WEIGHT, WEIGHT * outcome.keep_mask, INPUTS) == pytest.approx(without_update, rel=1e-8)
    assert error < without_update


@pytest.mark.parametrize("name", golden.SPARSEGPT)
def test_sparsegpt_in_float32(name):
    """What a study computes in: the same masks, and the same losses to five digits."""
    outcome, loss, error, _ = pruned_by_sparsegpt(name, torch.float32)

    assert outcome.loss == pytest.approx(loss, rel=1e-5)
    assert output_error(WEIGHT, outcome.weight_OI.double(), INPUTS) == pytest.approx(error, rel=1e-5)


@pytest.mark.parametrize("name", golden.SPARSEGPT_ROW_3)
def test_sparsegpt_changes_the_kept_weights(name):
    """T30: the updated weights are the outcome, not the old ones under a mask."""
    outcome, *_ = pruned_by_sparsegpt(name)

    assert outcome.weight_OI[3].tolist() == pytest.approx(golden.SPARSEGPT_ROW_3[name], abs=5e-7)


@pytest.mark.parametrize("name", golden.SPARSEGPT)
def test_the_oracle_agrees_with_the_published_values(name):
    blocksize, compat, pattern, rows, loss, error, _ = golden.SPARSEGPT[name]
    how = {"pattern": (2, 4)} if pattern else {"reference": 0.5} if compat == "reference" else {"count": 16}
    hessian = 2 * golden.INPUTS.T @ golden.INPUTS
    gone, weight, found = methods.sparsegpt(golden.WEIGHT, hessian, percdamp=0.01, blocksize=blocksize, **how)

    assert gone.tolist() == golden.removed(rows).tolist()
    assert found == pytest.approx(loss, rel=1e-8)
    assert np.sum(((golden.WEIGHT - weight) @ golden.INPUTS.T) ** 2) == pytest.approx(error, rel=1e-8)


@pytest.mark.parametrize(("method", "scope", "pattern"), golden.SCORED)
def test_scores_and_scopes(method, scope, pattern):
    """T5, T36: Wanda by row and 2:4; magnitude by layer and by row, which differ."""
    rows, error = golden.SCORED[method, scope, pattern]
    module = registry.get("methods", method)
    task = task_of(WEIGHT, INPUTS, pattern=pattern, scope=scope)
    score = module.score(WEIGHT, task, module.Params())
    (keep_mask,) = keep_masks(
        [score], pattern=task.pattern, scope=scope, counts=[16], sparsity=Decimal("0.5"), compat="exact"
    )

    assert (~keep_mask).numpy().tolist() == golden.removed(rows).tolist()
    assert output_error(WEIGHT, WEIGHT * keep_mask, INPUTS) == pytest.approx(error, rel=1e-8)


def test_the_authors_rule_removes_a_weight_per_block_at_sparsity_zero():
    """T1: `<=` the smallest score removes it; the exact rule removes nothing and changes nothing."""
    sparsegpt = registry.get("methods", "sparsegpt")

    def prune(compat):
        task = task_of(WEIGHT, INPUTS, sparsity=0, compat=compat)
        return sparsegpt.prune([WEIGHT], [task], sparsegpt.Params(blocksize=4))[0]

    assert int((~prune("reference").keep_mask).sum()) == 2
    assert prune("exact").keep_mask.all()
    assert torch.equal(WEIGHT, prune("exact").weight_OI)
