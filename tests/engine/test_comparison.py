"""Reconstruction errors, mask overlap and the sensitivity scan, against computations on whole models."""

from __future__ import annotations

from decimal import Decimal

import pytest
import torch
from torch.nn.functional import cross_entropy

from sparsity_report.contracts import FormatChoice, Node, Stage
from sparsity_report.engine import scan as scans
from sparsity_report.engine.comparison import comparable, overlap, reconstruction_errors
from sparsity_report.engine.pruning import Sight, prune
from sparsity_report.engine.scan import cost, pruned_alone, scan, scanned
from sparsity_report.engine.state import ModelState
from sparsity_report.engine.variant import build
from sparsity_report.models.anatomy import anatomy
from sparsity_report.models.blocks import ResidentBlocks


def stage(method="magnitude", sparsity="0.5", seed=0, **params):
    given = {"pattern": "unstructured", "compat": "exact", "sparsity": sparsity, "scope": "layer"}
    return Stage("prune", method, given | params, seed)


@pytest.fixture
def dense(build_tiny):
    model = build_tiny("llama")
    parts = anatomy(model)
    return ModelState(model, parts, tuple(matrix for matrix in parts.matrices if matrix.shape.block >= 0))


@pytest.fixture
def source(dense):
    return ResidentBlocks(dense.model, dense.anatomy.blocks_path)


@pytest.fixture
def ids():
    return torch.randint(2, 96, (4, 16), generator=torch.Generator().manual_seed(1))


def test_reconstruction_errors_are_differences_of_outputs(dense, source, ids):
    """‖(W − Ŵ)X‖² / ‖WX‖² with X from a forward of the dense model, matrix by matrix, in float64."""
    states = {name: prune(dense, stage(name), Sight(source)).state for name in ("magnitude", "random")}
    found = reconstruction_errors(dense, states, source, ids)

    for number, matrix in enumerate(dense.targets):
        seen = []
        handle = dense.model.get_submodule(matrix.module).register_forward_pre_hook(
            lambda module, args, seen=seen: seen.append(args[0].flatten(0, -2).double())
        )
        with torch.inference_mode():
            dense.model(input_ids=ids)
        handle.remove()
        x_TI, weight_OI = torch.cat(seen), dense.weight_OI(matrix).double()
        for name, state in states.items():
            error, whole = found[name][number]
            expected = (x_TI @ (weight_OI - state.weight_OI(matrix).double()).T).square().sum() / len(x_TI)
            assert error == pytest.approx(float(expected), rel=1e-4)
            assert whole == pytest.approx(float((x_TI @ weight_OI.T).square().sum() / len(x_TI)), rel=1e-4)


def test_the_dense_state_reconstructs_itself(dense, source, ids):
    found = reconstruction_errors(dense, {"dense": dense}, source, ids)["dense"]

    assert all(error == 0 for error, _ in found)


def test_overlap_is_the_jaccard_index_of_what_is_removed(dense, source):
    """Counted by hand from the masks; equal states overlap wholly, and chance is s / (2 − s) at equal sparsity."""
    states = [prune(dense, stage(name, "0.4"), Sight(source)).state for name in ("magnitude", "random")]
    nodes = [Node(name, "m", (stage(name, "0.4"),)) for name in ("magnitude", "random")]
    found = overlap(nodes[0], nodes[1], (states[0], states[1]))
    removed = [torch.cat([~state.keep_masks[m.shape.path].flatten() for m in dense.targets]) for state in states]

    both, either = (removed[0] & removed[1]).sum().item(), (removed[0] | removed[1]).sum().item()
    assert found.total == pytest.approx(both / either)
    assert found.chance == pytest.approx(0.4 / 1.6, abs=1e-3)
    assert abs(found.total - found.chance) < 0.05
    assert overlap(nodes[0], nodes[0], (states[0], states[0])).total == 1
    assert len(found.jaccard) == len(dense.targets)


def test_states_are_compared_where_they_were_asked_for_the_same():
    def node(key, *stages):
        return Node(key, "m", stages)

    first, second = ({"calibration": {"seed": seed}} for seed in (1, 2))
    nodes = [
        *(node("a", stage()), node("b", stage("wanda", **first)), node("c", stage("wanda", "0.3", **first))),
        *(node("d", stage("wanda", **second)), node("e", stage(), stage("random"))),
    ]

    assert [(one.key, other.key) for one, other in comparable(nodes)] == [("a", "b")]


def test_the_scan_is_the_loss_of_models_with_one_block_pruned(dense, source, ids):
    """Against whole models, one for each block and sparsity."""
    sparsities = [Decimal("0.5"), Decimal("0.8")]
    found = scan(dense, source, ids, model="m", method="magnitude", sparsities=sparsities)

    def nll(model):
        with torch.inference_mode():
            logits = model(input_ids=ids).logits[:, :-1]
        return float(cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()))

    base = nll(dense.model)
    assert found.blocks == (0, 1)
    assert found.tokens == ids.numel()
    for row, block in zip(found.nll_increase, found.blocks, strict=True):
        for value, sparsity in zip(row, sparsities, strict=True):
            targets = [matrix for matrix in dense.targets if matrix.shape.block == block]
            alone = pruned_alone(dense, targets, "magnitude", sparsity)
            assert value == pytest.approx(nll(build(alone, FormatChoice("masked")).model) - base, abs=1e-5)


def test_the_scan_leaves_blocks_out_rather_than_cost_more_than_40_forwards():
    """Half a forward a block and sparsity; the first and the last block are always there."""
    for count in (2, 12, 30, 80, 200):
        chosen = scanned(range(count), count, 2, 0.2)
        assert cost(chosen, count, 2, 0.2) <= scans.FORWARDS
        assert (chosen[0], chosen[-1]) == (0, count - 1)
    assert scanned(range(30), 30, 2, 0.2) == tuple(range(30))
    assert cost([0, 1], 2, 1, 0.0) == 1 + 1 + 0.5


def test_the_scan_looks_at_2048_tokens_at_most():
    assert scans.windows_of(torch.zeros(64, 512)).numel() == 2048
    assert scans.windows_of(torch.zeros(2, 4096)).shape == (1, 2048)
