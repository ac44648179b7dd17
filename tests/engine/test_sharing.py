"""Methods that look at the same dense inputs look once, and are none the worse for it."""

from __future__ import annotations

import pytest
import torch

from sparsity_report import registry
from sparsity_report.contracts import Stage
from sparsity_report.engine import sharing
from sparsity_report.engine.pruning import Sight, prune
from sparsity_report.engine.sharing import passes, prune_side_by_side, shares
from sparsity_report.engine.state import ModelState
from sparsity_report.models.anatomy import anatomy
from sparsity_report.models.blocks import ResidentBlocks

CALIBRATED = [
    name for name in registry.names("methods") if {"gram", "sq_sum"} & set(registry.get("methods", name).NEEDS)
]


def stage(method, **changes):
    module = registry.get("methods", method)
    given = {"pattern": "unstructured", "compat": "exact", "propagate": "dense", "sparsity": "0.5"}
    given |= {"scope": module.DEFAULT_SCOPE} | module.Params().model_dump(mode="json")
    return Stage("prune", method, given | changes)


@pytest.fixture
def llama(build_tiny):
    model = build_tiny("llama")
    parts = anatomy(model)
    state = ModelState(model, parts, tuple(matrix for matrix in parts.matrices if matrix.shape.block >= 0))
    ids = torch.randint(2, 96, (6, 12), generator=torch.Generator().manual_seed(1))
    return state, Sight(ResidentBlocks(model, parts.blocks_path), ids)


def test_a_shared_pass_gives_every_method_the_bits_that_it_gets_alone(llama):
    """Whatever the others ask for: Wanda's norms are not read off SparseGPT's Gram matrix."""
    state, sight = llama
    stages = [stage(method) for method in CALIBRATED]
    stages += [stage("wanda", scope="global"), stage("ria", scope="block"), stage("sparsegpt", pattern="2:4")]

    for wanted, made in zip(stages, prune_side_by_side(state, stages, sight), strict=True):
        alone = prune(state, wanted, sight)
        assert made.requested == alone.requested
        assert made.state.pattern == alone.state.pattern
        for matrix in state.targets:
            path = matrix.shape.path
            assert torch.equal(made.state.keep_masks[path], alone.state.keep_masks[path])
            assert torch.equal(made.state.weight_OI(matrix), alone.state.weight_OI(matrix))


def test_every_block_runs_once_for_all(llama, monkeypatch):
    state, sight = llama
    runs = []
    run = ResidentBlocks.run
    monkeypatch.setattr(ResidentBlocks, "run", lambda self, index, *rest: runs.append(index) or run(self, index, *rest))
    prune_side_by_side(state, [stage(method) for method in CALIBRATED], sight)

    assert runs == [0, 1]


def test_one_method_that_fails_leaves_the_others(llama, monkeypatch):
    state, sight = llama
    monkeypatch.setattr(registry.get("methods", "ria"), "score", lambda weight, *_: weight * torch.nan)
    first, failed, last = prune_side_by_side(state, [stage("wanda"), stage("ria"), stage("sparsegpt")], sight)

    assert failed is None
    assert first.state.keep_masks.keys() == last.state.keep_masks.keys() == {m.shape.path for m in state.targets}


def test_only_stages_that_look_at_dense_inputs_share_a_pass():
    assert shares(stage("wanda"))
    assert not shares(stage("wanda", propagate="pruned"))
    assert not shares(stage("wanda", within_block="in-order"))
    assert not shares(stage("taylor"))
    assert not shares(stage("magnitude"))


def test_a_pass_holds_no_more_states_than_memory_allows(monkeypatch):
    """Of 100 weights of 4 bytes a mask takes 100 bytes, and changed weights 400 more."""
    monkeypatch.setattr(sharing, "LIMIT_BYTES", 700)
    stages = [stage("wanda"), stage("ria"), stage("sparsegpt"), stage("sparsegpt"), stage("wanda")]

    assert [len(part) for part in passes(stages, 100, 4)] == [3, 2]


def test_a_study_shares_passes_and_comes_out_the_same(study, tmp_path, monkeypatch):
    calibrated = [
        'data.calibration={source="embedded", split="train", windows=4, length=64}',
        'variant.0={id="shared", method=["wanda", "ria"], sparsity=[0.3, 0.5], propagate="dense", format="masked"}',
        'metrics.use=["sparsity", "perplexity"]',
    ]
    together, events = study(tmp_path / "together", overrides=calibrated)
    monkeypatch.setattr(sharing, "LIMIT_BYTES", 0)
    alone, _ = study(tmp_path / "alone", overrides=calibrated)

    assert "4 states that look at the same dense inputs" in [getattr(event, "label", "") for event in events]
    assert [(cell.id, cell.value("perplexity")) for cell in together.cells] == [
        (cell.id, cell.value("perplexity")) for cell in alone.cells
    ]
