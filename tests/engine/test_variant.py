"""A leaf executes its node's function, shares what it does not replace, and its bytes are those of its tensors."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
import torch
from safetensors.torch import save
from transformers import AutoModelForCausalLM, GPT2Config, GPTNeoXConfig, LlamaConfig, OPTConfig

from sparsity_report.accounting import modules_of, target_bytes
from sparsity_report.contracts import FormatChoice, Pattern, Stage
from sparsity_report.engine.pruning import Sight, prune
from sparsity_report.engine.state import ModelState, targeted
from sparsity_report.engine.structure import count, zeros_by_parameter
from sparsity_report.engine.variant import build, component_bytes, model_bytes
from sparsity_report.models.anatomy import anatomy, read
from sparsity_report.models.blocks import ResidentBlocks
from sparsity_report.spec.model import Target

CONFIGS = {
    "opt": OPTConfig(
        vocab_size=96, hidden_size=32, word_embed_proj_dim=32, ffn_dim=64, num_hidden_layers=2, num_attention_heads=4
    ),
    "gpt_neox": GPTNeoXConfig(
        vocab_size=96, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4
    ),
    "gpt2": GPT2Config(vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=64),
    "llama": LlamaConfig(
        vocab_size=96,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    ),
}
IDS = torch.arange(40).view(2, 20)


def dense_state(name: str) -> ModelState:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIGS[name]).eval().requires_grad_(False)
    parts = anatomy(model)
    return ModelState(model, parts, targeted(parts, Target()))


def sight(state: ModelState) -> Sight:
    return Sight(ResidentBlocks(state.model, state.anatomy.blocks_path))


def pruned_state(name: str, **params) -> ModelState:
    params = {"pattern": "unstructured", "scope": "global", "sparsity": "0.5", "compat": "exact"} | params
    state = dense_state(name)
    return prune(state, Stage("prune", "magnitude", params), sight(state)).state


@torch.inference_mode()
def logits(model):
    return model(input_ids=IDS, use_cache=False).logits


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(("entry", "params"), [("masked", {}), ("csr", {}), ("nm", {"pattern": "2:4"})])
class TestEveryArchitectureInEveryFormat:
    def test_logits_equal_those_of_the_weights_set_to_zero_by_hand(self, name, entry, params):
        """T8, T53: an independent model whose pruned weights were zeroed in place gives the same logits."""
        state = pruned_state(name, **params)
        variant = build(state, FormatChoice(entry))
        by_hand = dense_state(name)
        with torch.no_grad():
            for matrix in by_hand.targets:
                weight = read(by_hand.model, matrix)
                zeroed = weight * state.keep_masks[matrix.shape.path]
                from sparsity_report.models.anatomy import write_

                write_(by_hand.model, matrix, zeroed)

        assert torch.allclose(logits(by_hand.model), logits(variant.model), atol=1e-5)

    def test_stored_bytes_are_those_of_a_saved_file(self, name, entry, params):
        """T51: parameters and buffers, tied ones once; what safetensors writes of them, without its header."""
        model = build(pruned_state(name, **params), FormatChoice(entry)).model
        distinct = {t.data_ptr(): t for t in (*model.parameters(), *model.buffers()) if t.nbytes}
        blob = save({str(i): tensor.contiguous() for i, tensor in enumerate(distinct.values())})
        header = 8 + int.from_bytes(blob[:8], "little")

        assert len(blob) - header == model_bytes(model)

    def test_the_dense_model_is_untouched(self, name, entry, params):
        state = pruned_state(name, **params)
        before = logits(state.model)

        build(state, FormatChoice(entry))

        assert torch.equal(before, logits(state.model))
        assert torch.equal(before, logits(dense_state(name).model))


def test_a_variant_shares_what_it_does_not_replace():
    """Only the targeted layers cost memory: the embedding is the dense model's own tensor."""
    state = pruned_state("opt")
    variant = build(state, FormatChoice("csr"))

    assert variant.model.get_input_embeddings().weight is state.model.get_input_embeddings().weight
    assert not hasattr(variant.model.get_submodule("model.decoder.layers.0.fc1"), "weight")


def test_csr_bytes_include_indices_and_pointers():
    """The error of the course paper: CSR arrays are buffers, and counting parameters only misses them."""
    state = pruned_state("opt", sparsity="0.3")
    kept = sum(int(mask.sum()) for mask in state.keep_masks.values())
    rows = sum(matrix.shape.rows + 1 for matrix in state.targets)
    untouched = model_bytes(state.model) - 4 * sum(mask.numel() for mask in state.keep_masks.values())

    narrow, wide = (build(state, FormatChoice("csr", {"index": index})).model for index in ("int32", "int64"))

    assert untouched + kept * 8 + rows * 4 == model_bytes(narrow)
    assert untouched + kept * 12 + rows * 8 == model_bytes(wide)


def test_tied_weights_count_once():
    """T11: OPT's head is its embedding."""
    state = dense_state("opt")

    assert 4 * sum(p.numel() for p in state.model.parameters()) == model_bytes(state.model)


def test_structure_counts_pruned_and_zero_weights_apart():
    """T9, T12: weights that were zero before are zeros but not pruned; three denominators."""
    state = dense_state("opt")
    first = state.targets[0]
    with torch.no_grad():
        state.model.get_submodule(first.module).weight[0, :5] = 0.0
    zeros = zeros_by_parameter(state.model)
    total = sum(matrix.shape.numel for matrix in state.targets)
    params = {"pattern": "unstructured", "scope": "row", "sparsity": "0.25", "compat": "exact"}

    dense = count(state, build(state, FormatChoice("dense")), zeros)
    pruned = prune(state, Stage("prune", "random", params), sight(state)).state
    found = count(pruned, build(pruned, FormatChoice("csr")), zeros)

    assert (dense.target_zeros, dense.pruned) == (5, 0)
    assert int(total * Decimal("0.25")) == found.pruned
    assert found.pruned <= found.target_zeros <= found.pruned + 5
    assert sum(found.zeros.values()) - found.target_zeros == sum(dense.zeros.values()) - 5


def test_flops_follow_what_is_executed():
    """Masked multiplies by its zeros, CSR does not; the tied head still multiplies."""
    state = pruned_state("opt", sparsity="0.5")
    zeros = zeros_by_parameter(state.model)
    per_block = {"attention_linear": 4 * 32 * 32, "mlp_linear": 2 * 32 * 64}

    masked = count(state, build(state, FormatChoice("masked")), zeros).executed
    csr = count(state, build(state, FormatChoice("csr")), zeros).executed

    assert {name: 2 * size for name, size in per_block.items()} == {name: masked[name] for name in per_block}
    assert sum(per_block.values()) * 2 // 2 == sum(csr[name] for name in per_block)
    assert 96 * 32 == masked["lm_head"] == csr["lm_head"]


def test_half_zero_targets_are_refused_by_name():
    """T10, T11: no match, a look-up table, and a head tied to the embedding are the spec's faults."""
    from sparsity_report.errors import SpecError

    parts = anatomy(dense_state("opt").model)
    for target, message in (
        (Target(include=("nothing.*",)), "matches no matrix"),
        (Target(groups=("embedding",)), "not made of linear maps"),
        (Target(groups=("lm_head",)), "shares its weights"),
    ):
        with pytest.raises(SpecError, match=message):
            targeted(parts, target)


def test_a_part_of_a_fused_projection_is_refused():
    """A format stores the whole module: half of it pruned would be counted one way and executed another."""
    from sparsity_report.errors import SpecError

    parts = anatomy(dense_state("gpt2").model)
    with pytest.raises(SpecError, match="part of the fused projection"):
        targeted(parts, Target(include=("*:q", "*.c_proj")))


@pytest.mark.parametrize("name", CONFIGS)
def test_a_permuted_state_executes_through_its_order(name):
    """N:M in another order of in_features: the packed format gathers its inputs, and stores the order that it needs."""
    state = dense_state(name)
    params = {"pattern": "2:4", "compat": "exact", "permute": True}
    permuted = prune(state, Stage("prune", "magnitude", params), sight(state)).state
    packed, masked = build(permuted, FormatChoice("nm")), build(permuted, FormatChoice("masked"))
    shapes = [matrix.shape for matrix in state.targets]
    kept = sum(int(keep_mask.sum()) for keep_mask in permuted.keep_masks.values())

    assert torch.allclose(logits(masked.model), logits(packed.model), atol=1e-5)
    expected = target_bytes(shapes, FormatChoice("nm"), kept, 4, Pattern(2, 4), permuted=True)
    assert component_bytes(packed) == expected
    assert expected["permutation"] == 2 * sum(cols for _, cols in modules_of(shapes))
    assert component_bytes(build(permuted, FormatChoice("csr"))).keys() == {"values", "indices", "pointers"}
    with pytest.raises(ValueError, match="more than 2 nonzeros"):
        build(replace(permuted, permutations={}), FormatChoice("nm"))
