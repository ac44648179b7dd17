"""The walk sees what the blocks before have made, and sums it right: against whole-model forwards and float64."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sparsity_report.contracts import FormatChoice
from sparsity_report.engine.state import ModelState
from sparsity_report.engine.statistics import Accumulator
from sparsity_report.engine.variant import build
from sparsity_report.engine.walk import prune_by_walk, statistics_of
from sparsity_report.models.anatomy import anatomy
from sparsity_report.models.blocks import ResidentBlocks


@pytest.fixture(params=["opt", "llama", "gpt2", "gpt_neox"])
def walked(request, build_tiny):
    """A tiny model of several architectures as (state, source, ids)."""
    model = build_tiny(request.param)
    parts = anatomy(model)
    targets = tuple(matrix for matrix in parts.matrices if matrix.shape.block >= 0)
    ids = torch.randint(2, 96, (3, 9), generator=torch.Generator().manual_seed(1))
    return ModelState(model, parts, targets), ResidentBlocks(model, parts.blocks_path), ids


def inputs_of(model, path, ids):
    """What the module at `path` receives in a forward of the whole model, (T, I) float64."""
    seen = []
    handle = model.get_submodule(path).register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    with torch.inference_mode():
        model(input_ids=ids, use_cache=False)
    handle.remove()
    return torch.cat(seen).reshape(-1, seen[0].shape[-1]).double()


def half(state, matrices, statistics):
    """Prunes every second in_feature: enough to change what later blocks see."""
    masks = dict(state.keep_masks)
    for matrix in matrices:
        keep_mask = torch.ones(matrix.shape.rows, matrix.shape.cols, dtype=torch.bool)
        keep_mask[:, ::2] = False
        masks[matrix.shape.path] = keep_mask
    return replace(state, keep_masks=masks)


def test_statistics_are_those_of_the_whole_models_forward(walked):
    """T15, T17: sums of every input group, over windows in batches, against float64."""
    state, source, ids = walked
    wanted = ("gram", "sq_sum", "sum")
    found = {group: each for _, by in statistics_of(state, source, ids, wanted) for group, each in by.items()}

    for matrix in state.targets:
        x_TI, seen = inputs_of(state.model, matrix.module, ids), found[matrix.input_group]
        assert (seen.tokens, seen.windows) == (27, 3)
        gram = x_TI.T @ x_TI
        assert (seen.gram_II - gram).norm() / gram.norm() < 1e-5
        assert torch.allclose(seen.sum_I.double(), x_TI.sum(0), rtol=1e-4, atol=1e-4)
        assert torch.allclose(seen.sq_sum_I.double(), x_TI.square().sum(0), rtol=1e-4)


def test_q_k_and_v_share_one_sum(walked):
    """T27: matrices that read the same input have one input group; separate sums would be the same."""
    state, _, ids = walked
    groups = {matrix.input_group: inputs_of(state.model, matrix.module, ids) for matrix in state.targets}

    for matrix in state.targets:
        assert torch.equal(groups[matrix.input_group], inputs_of(state.model, matrix.module, ids))


def record_inputs(into):
    def settle(state, matrices, statistics):
        into.update(statistics)
        return half(state, matrices, statistics)

    return settle


def walk(walked, **options):
    state, source, ids = walked
    seen = {}
    after = prune_by_walk(
        state, source, ids, ("gram",), record_inputs(seen), **{"propagate": "pruned", "in_order": False} | options
    )
    return seen, after


def grams(model, state, ids):
    """Gram matrix of every input group in a forward of `model`."""
    found = {}
    for matrix in state.targets:
        x_TI = inputs_of(model, matrix.module, ids)
        found[matrix.input_group] = x_TI.T @ x_TI
    return found


def close(found, expected):
    return bool((found.double() - expected).norm() / expected.norm() < 1e-4)


def test_with_pruned_propagation_a_block_sees_what_pruned_blocks_made(walked):
    """T20: block 1 is calibrated on the output of the pruned block 0, as it will be when the model runs."""
    state, _, ids = walked
    seen, _ = walk(walked)
    first_pruned = half(state, [matrix for matrix in state.targets if matrix.shape.block == 0], {})
    expected = grams(build(first_pruned, FormatChoice("masked")).model, state, ids)
    dense = grams(state.model, state, ids)
    last = [matrix.input_group for matrix in state.targets if matrix.shape.block == 1]

    assert all(close(seen[group].gram_II, expected[group]) for group in last)
    assert not any(close(seen[group].gram_II, dense[group]) for group in last)


def test_with_dense_propagation_every_block_sees_dense_inputs(walked):
    """T20: the other setting, exactly."""
    state, _, ids = walked
    seen, _ = walk(walked, propagate="dense")
    dense = grams(state.model, state, ids)

    assert all(close(seen[group].gram_II, dense[group]) for group in dense)


def test_in_order_a_group_sees_what_the_groups_before_it_in_the_block_made(walked):
    """Within a block, too: the attention output is calibrated on pruned q, k and v (true sequential)."""
    state, _, ids = walked
    together, _ = walk(walked)
    in_order, after = walk(walked, in_order=True)
    groups = list(dict.fromkeys(matrix.input_group for matrix in state.targets if matrix.shape.block == 0))
    before = [matrix for matrix in state.targets if matrix.input_group == groups[0]]
    expected = grams(build(half(state, before, {}), FormatChoice("masked")).model, state, ids)

    assert close(in_order[groups[0]].gram_II, together[groups[0]].gram_II.double())
    assert close(in_order[groups[1]].gram_II, expected[groups[1]])
    assert not close(in_order[groups[1]].gram_II, together[groups[1]].gram_II.double())
    assert set(after.keep_masks) == {matrix.shape.path for matrix in state.targets}


def test_in_order_one_forward_of_all_windows_gives_what_a_forward_for_every_group_gives(walked, monkeypatch):
    """Pruning while the block runs saves forwards, and nothing else: statistics, masks and outputs are the same."""
    source, runs = walked[1], []
    monkeypatch.setattr(source, "run", lambda *args, run=source.run: runs.append(args[0]) or run(*args))
    at_once, after = walk(walked, in_order=True)
    first = len(runs)
    monkeypatch.setattr("sparsity_report.engine.walk.AT_ONCE_BYTES", 0)
    one_by_one, expected = walk(walked, in_order=True)

    assert runs[:first] == [0, 1]
    assert len(runs) - first > 2
    assert all(close(at_once[group].gram_II, one_by_one[group].gram_II.double()) for group in one_by_one)
    for path, keep_mask in expected.keep_masks.items():
        assert torch.equal(keep_mask, after.keep_masks[path])


def test_blocks_without_targets_are_still_executed(walked):
    """T21: pruning only the last block calibrates it on the output of the first, not on the embedding."""
    state, source, ids = walked
    last = tuple(matrix for matrix in state.targets if matrix.shape.block == 1)
    seen, _ = walk((replace(state, targets=last), source, ids))
    dense = grams(state.model, state, ids)

    assert set(seen) == {matrix.input_group for matrix in last}
    assert all(close(seen[group].gram_II, dense[group]) for group in seen)


def test_the_dense_model_is_left_alone(walked):
    state, _, ids = walked
    before = state.model(input_ids=ids).logits

    walk(walked)

    assert torch.equal(before, state.model(input_ids=ids).logits)


def test_any_number_of_windows_works(walked):
    """T22: no count is built in: three windows at once are the sums of one and two."""
    state, source, ids = walked
    wanted = ("gram",)
    whole, first, rest = (dict(statistics_of(state, source, part, wanted)) for part in (ids, ids[:1], ids[1:]))

    for block, groups in whole.items():
        for group, each in groups.items():
            parts = first[block][group].gram_II + rest[block][group].gram_II
            assert torch.allclose(each.gram_II, parts, rtol=1e-4, atol=1e-4)
            assert each.windows == 3


def test_one_batch_of_n_windows_is_n_batches_of_one():
    """T15: what counts is the number of windows, not how they were batched."""
    x_BLI = torch.randn(6, 5, 300)
    whole, single = Accumulator(("gram",)), Accumulator(("gram",))
    whole.add(x_BLI, 6)
    for window in x_BLI:
        single.add(window[None], 1)

    assert torch.allclose(whole.result().hessian_II, single.result().hessian_II, rtol=1e-4, atol=1e-4)


def test_the_gram_matrix_is_summed_in_float32_from_half_precision():
    """T17: bfloat16 inputs are summed in float32, panel by panel, against float64."""
    x_BLI = torch.randn(4, 200, 600, generator=torch.Generator().manual_seed(0)).bfloat16()
    sums = Accumulator(("gram", "sq_sum"))
    for window in x_BLI:
        sums.add(window[None], 1)
    x_TI = x_BLI.flatten(0, 1).double()
    exact, seen = x_TI.T @ x_TI, sums.result()

    assert seen.gram_II.dtype == torch.float32
    assert (seen.gram_II - exact).norm() / exact.norm() < 1e-5
    assert torch.equal(seen.gram_II, seen.gram_II.T)
    assert torch.allclose(seen.sq_sum_I.double(), exact.diagonal(), rtol=1e-5)


def test_the_head_is_calibrated_on_what_it_reads(build_tiny):
    """An untied head can be a target: its inputs come after the last block and the final norm."""
    model = build_tiny("llama")
    parts = anatomy(model)
    head = tuple(matrix for matrix in parts.matrices if matrix.shape.group == "lm_head")
    ids = torch.randint(2, 96, (2, 9), generator=torch.Generator().manual_seed(1))
    state = ModelState(model, parts, head)
    seen, after = walk((state, ResidentBlocks(model, parts.blocks_path), ids))
    x_TI = inputs_of(model, head[0].module, ids)

    assert close(seen[head[0].input_group].gram_II, x_TI.T @ x_TI)
    assert set(after.keep_masks) == {head[0].shape.path}
