"""Counts of weights in shared bins, against numpy's, and which states are counted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsity_report.contracts import Node, Stage
from sparsity_report.engine.histogram import BINS, MOST, REACH, chosen, counted, edges_of, root_mean_square
from sparsity_report.engine.state import ModelState
from sparsity_report.models.anatomy import anatomy


@pytest.fixture
def dense(build_tiny):
    model = build_tiny("llama")
    parts = anatomy(model)
    return ModelState(model, parts, tuple(matrix for matrix in parts.matrices if matrix.shape.block >= 0))


def pruned(dense, update=0.0):
    """The smaller half of every matrix removed; what is kept moved by `update`."""
    masks, changed = {}, {}
    for matrix in dense.targets:
        weight_OI = dense.weight_OI(matrix)
        keep = weight_OI.abs() > weight_OI.abs().median()
        masks[matrix.shape.path] = keep
        changed[matrix.shape.path] = (weight_OI + update).masked_fill(~keep, 0.0)
    return ModelState(
        dense.model, dense.anatomy, dense.targets, keep_masks=masks, changed_weights=changed if update else {}
    )


def all_weights(state):
    return np.concatenate([state.weight_OI(matrix).flatten().double().numpy() for matrix in state.targets])


def node(method, sparsity="0.5", pattern="unstructured", seed=None):
    params = {"pattern": pattern} | ({} if pattern == "2:4" else {"sparsity": sparsity})
    params |= {} if seed is None else {"calibration": {"seed": seed}}
    return Node(f"{method} {sparsity} {pattern} {seed}", "m", (Stage("prune", method, params),))


@torch.no_grad()
def test_counts_are_those_of_numpy(dense):
    edges = edges_of(root_mean_square(dense))
    weights = all_weights(dense)
    found = counted("d", dense, edges)

    assert root_mean_square(dense) == pytest.approx(np.sqrt(np.mean(weights**2)))
    assert edges[-1] == pytest.approx(REACH * root_mean_square(dense), rel=0.005)
    assert edges[BINS // 2] == 0
    assert list(found.counts) == np.histogram(weights[weights != 0], edges)[0].tolist()
    assert found.weights == weights.size
    assert found.beyond == (np.abs(weights) > edges[-1]).sum()


@torch.no_grad()
def test_zeros_are_in_no_bin(dense):
    """A pruned weight is counted as a zero; the bins around zero hold only what is left of them."""
    edges = edges_of(root_mean_square(dense))
    before, after = counted("d", dense, edges), counted("p", pruned(dense), edges)
    weights = all_weights(pruned(dense))

    assert after.zeros == (weights == 0).sum() > weights.size // 2 - 100
    assert sum(after.counts) == sum(before.counts) - (after.zeros - before.zeros)
    assert after.counts[BINS // 2] < before.counts[BINS // 2]
    assert after.updated == 0


@torch.no_grad()
def test_updated_weights_are_kept_ones_of_another_value(dense):
    state = pruned(dense, update=0.01)
    found = counted("p", state, edges_of(root_mean_square(dense)))

    assert found.updated == (all_weights(state) != 0).sum()


@torch.no_grad()
def test_a_state_that_is_not_finite_is_not_counted(dense):
    assert counted("p", pruned(dense, update=float("nan")), edges_of(1.0)) is None


def test_the_state_nearest_one_half_stands_for_its_method_and_pattern():
    nodes = [node("magnitude", each) for each in ("0.3", "0.6", "0.9")]
    nodes += [node("magnitude", pattern="2:4"), node("wanda", "0.7", seed=1), node("wanda", "0.5", seed=2)]

    assert chosen(nodes) == [nodes[1], nodes[3], nodes[4]]


def test_methods_that_update_weights_are_not_crowded_out():
    others = [node("magnitude", pattern=f"{each}:{each + 1}") for each in range(1, MOST + 3)]
    found = chosen([*others, node("sparsegpt")])

    assert len(found) == MOST
    assert found[-1].stages[0].entry == "sparsegpt"


def test_a_run_keeps_what_it_counted(study, tmp_path):
    """One record of the model: dense, and both states of the study; counted zeros are those of the metric."""
    results, _ = study(tmp_path / "run")
    record = results.histograms[0]
    by_node = {cell.node: cell for cell in results.cells}

    assert [by_node[each.node].is_reference for each in record.states] == [True, False, False]
    for each in record.states[1:]:
        assert each.zeros / each.weights == pytest.approx(by_node[each.node].value("sparsity_target"))
    assert len(list((tmp_path / "run" / "nodes").glob("*.histogram.json"))) == 1
    again, _ = study(tmp_path / "run")
    assert again.histograms == results.histograms
