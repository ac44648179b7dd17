"""Blocks run one by one compose to the model, whatever the architecture (T26)."""

from __future__ import annotations

import pytest
import torch

from sparsity_report.errors import SparsityReportError
from sparsity_report.models.anatomy import anatomy
from sparsity_report.models.blocks import ResidentBlocks, batches, hidden_of


@pytest.fixture
def source(model) -> ResidentBlocks:
    return ResidentBlocks(model, anatomy(model).blocks_path)


def replay(source, ids):
    """Hidden states at every boundary: before the first block, after each."""
    states = [source.embed(ids)]
    for index in range(source.count):
        states.append(source.run(index, source.block(index), states[-1]))
    return states


@torch.inference_mode()
def test_blocks_one_by_one_give_the_models_own_hidden_states(model, source, ids):
    """T26: every boundary equals `output_hidden_states`, with several windows in a batch."""
    source.check(ids)
    own = model(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states

    ours = replay(source, ids)

    assert len(own) == len(ours)
    for index, (expected, found) in enumerate(zip(own[:-1], ours[:-1], strict=True)):
        assert torch.allclose(expected, found, atol=1e-5), index


@torch.inference_mode()
def test_what_follows_the_last_block_gives_the_logits(model, source, ids):
    source.check(ids)
    finished = source.finish(replay(source, ids)[-1])
    logits = model(input_ids=ids, use_cache=False).logits
    head = model.get_output_embeddings()(finished)
    cap = getattr(model.config, "final_logit_softcapping", None)

    assert torch.allclose(logits, head if cap is None else torch.tanh(head / cap) * cap, atol=1e-4)


@torch.inference_mode()
def test_later_tokens_do_not_change_earlier_ones(source, ids):
    """T26: arguments caught in one forward keep the causal mask; a lost mask would let the future in."""
    changed = ids.clone()
    changed[:, -1] = (changed[:, -1] + 1) % 90

    before, after = replay(source, ids)[-1], replay(source, changed)[-1]

    assert torch.equal(before[:, :-1], after[:, :-1])
    assert not torch.allclose(before[:, -1], after[:, -1])


@torch.inference_mode()
def test_the_model_is_left_as_it_was(model, source, ids):
    before = model(input_ids=ids, use_cache=False).logits
    replay(source, ids)

    assert torch.equal(before, model(input_ids=ids, use_cache=False).logits)


@torch.inference_mode()
def test_a_model_that_is_more_than_its_blocks_is_refused(build, ids):
    """Something between the blocks that depends on the text would be lost in the walk: never silently."""
    llama = build("llama")
    source = ResidentBlocks(llama, "model.layers")
    forward = llama.model.layers[1].forward
    ids_seen = []
    embed = llama.model.embed_tokens.forward
    llama.model.embed_tokens.forward = lambda given: (ids_seen.append(given), embed(given))[1]
    llama.model.layers[1].forward = lambda hidden, *args, **kwargs: forward(
        hidden + ids_seen[-1][..., None] / 10, *args, **kwargs
    )

    with pytest.raises(SparsityReportError, match="more than its blocks"):
        source.check(ids)


def test_blocks_may_return_a_tuple():
    hidden = torch.ones(1, 2, 3)

    assert hidden_of((hidden, None)) is hidden
    assert hidden_of(hidden) is hidden


def test_batches_hold_512_tokens_or_one_window():
    assert [len(batch) for batch in batches(torch.zeros(5, 256))] == [2, 2, 1]
    assert [len(batch) for batch in batches(torch.zeros(2, 2048))] == [1, 1]
