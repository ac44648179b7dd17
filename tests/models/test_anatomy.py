"""Every architecture is taken apart completely, and every matrix is what its name says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch import nn
from transformers.pytorch_utils import Conv1D

from sparsity_report.contracts import GROUPS
from sparsity_report.errors import SpecError
from sparsity_report.models.anatomy import Matrix, anatomy, module_weight_OI, read, rows_of, write_
from sparsity_report.models.arithmetic import known_config, shape_of

SEPARATE = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
GATED = [*SEPARATE, "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
OPT = [f"self_attn.{part}" for part in ("k_proj", "v_proj", "q_proj", "out_proj")] + ["fc1", "fc2"]
MATRICES_OF_A_BLOCK = {
    "opt": OPT,
    "opt-narrow": OPT,
    "gpt_neox": [f"attention.query_key_value:{part}" for part in "qkv"]
    + ["attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"],
    "gpt2": [f"attn.c_attn:{part}" for part in "qkv"] + ["attn.c_proj", "mlp.c_fc", "mlp.c_proj"],
    "llama": GATED,
    "mistral": GATED,
    "qwen2": GATED,
    "qwen3": GATED,
    "gemma": GATED,
    "gemma2": GATED,
    "gemma3_text": GATED,
    "phi": [*SEPARATE[:3], "self_attn.dense", "mlp.fc1", "mlp.fc2"],
    "phi3": ["self_attn.o_proj"]
    + [f"self_attn.qkv_proj:{part}" for part in "qkv"]
    + ["mlp.gate_up_proj:gate", "mlp.gate_up_proj:up", "mlp.down_proj"],
}
SMALL = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
OUTSIDE = {"opt-narrow": ["model.decoder.project_out", "model.decoder.project_in", "lm_head"]}


def matrices_called(model: Any, *names: str) -> list[Matrix]:
    """The matrices whose last name (slice or module) is one of `names`."""
    return [
        matrix
        for matrix in anatomy(model).matrices
        if matrix.shape.name.endswith(tuple(f":{name}" for name in names))
        or matrix.shape.name.rpartition(".")[2] in tuple(f"{name}_proj" for name in names)
    ]


def attention_of(model: Any, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Attention probabilities of each block, (B, heads, T, T)."""
    attentions: tuple[torch.Tensor, ...] = model(input_ids=ids, output_attentions=True).attentions
    return attentions


def erase(model: Any, matrix: Matrix) -> None:
    """Zero a matrix and the bias of its rows."""
    write_(model, matrix, torch.zeros(matrix.shape.rows, matrix.shape.cols))
    bias = getattr(model.get_submodule(matrix.module), "bias", None)
    if bias is not None:
        bias[rows_of(matrix)] = 0.0


def inputs_of_linears(model: Any, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """What every matrix-holding module receives in one forward pass."""
    seen: dict[str, torch.Tensor] = {}
    for path in {matrix.module for matrix in anatomy(model).matrices}:
        model.get_submodule(path).register_forward_pre_hook(
            lambda _module, args, path=path: seen.__setitem__(path, args[0])
        )
    model(input_ids=ids)
    return seen


def test_config_arithmetic_equals_the_built_model(architecture: str, model: Any) -> None:
    """The shape counted from the config is the shape of the model, matrix by matrix and group by group."""
    assert shape_of(model.config.to_dict()) == anatomy(model).shape


def test_every_parameter_is_counted_once_in_a_known_group(model: Any) -> None:
    taken_apart = anatomy(model)
    distinct = {parameter.data_ptr(): parameter.numel() for parameter in model.parameters()}

    assert sum(distinct.values()) == taken_apart.shape.parameters
    assert [name for name, _ in model.named_parameters()] == list(taken_apart.group_of)
    assert set(taken_apart.group_of.values()) <= set(GROUPS)


def test_matched_names_of_each_architecture(architecture: str, model: Any) -> None:
    """The exact matrices, block by block in the model's order; those outside of the blocks come last."""
    shapes = anatomy(model).shape.matrices
    in_block = MATRICES_OF_A_BLOCK[architecture]

    assert in_block == [shape.name for shape in shapes if shape.block == 0]
    assert in_block == [shape.name for shape in shapes if shape.block == 1]
    assert OUTSIDE.get(architecture, ["lm_head"]) == [shape.name for shape in shapes if shape.block == -1]


def test_groups_of_matrices_follow_their_names(model: Any) -> None:
    for shape in anatomy(model).shape.matrices:
        expected = "mlp_linear" if "mlp" in shape.name or shape.name in ("fc1", "fc2") else "attention_linear"
        if shape.block == -1:
            expected = "lm_head" if shape.name == "lm_head" else "embedding"
        assert expected == shape.group


def test_biases_belong_to_their_matrix_and_norms_to_norm(build: Any) -> None:
    """Counted by hand for a GPT-2 of width 32: 4 projections and 2 norms a block."""
    shape = anatomy(build("gpt2")).shape

    assert shape.groups == {
        "embedding": (96 + 64) * 32,
        "attention_linear": 2 * (96 * 32 + 96 + 32 * 32 + 32),
        "mlp_linear": 2 * (48 * 32 + 48 + 32 * 48 + 32),
        "lm_head": 0,
        "norm": 2 * 4 * 32 + 2 * 32,
    }


def test_writing_what_was_read_changes_nothing(model: Any, ids: torch.Tensor) -> None:
    before = model(input_ids=ids).logits
    for matrix in anatomy(model).matrices:
        write_(model, matrix, read(model, matrix).clone())

    assert torch.equal(before, model(input_ids=ids).logits)


def test_a_written_matrix_is_read_back_and_touches_no_other(model: Any) -> None:
    matrices = anatomy(model).matrices
    before = {matrix.shape.path: read(model, matrix).clone() for matrix in matrices}
    for matrix in [each for each in matrices if each.shape.block == 1]:
        new = torch.randn(matrix.shape.rows, matrix.shape.cols)
        write_(model, matrix, new)
        before[matrix.shape.path] = new

    for matrix in matrices:
        assert torch.equal(before[matrix.shape.path], read(model, matrix)), matrix.shape.path


def test_rows_of_index_the_whole_module(model: Any) -> None:
    """The slices of a module are disjoint and cover it."""
    rows: dict[str, list[int]] = {}
    for matrix in anatomy(model).matrices:
        whole = module_weight_OI(model.get_submodule(matrix.module))
        assert torch.equal(whole[rows_of(matrix)], read(model, matrix))
        rows.setdefault(matrix.module, []).extend(rows_of(matrix).tolist())
    for path, indices in rows.items():
        assert sorted(indices) == list(range(module_weight_OI(model.get_submodule(path)).shape[0]))


@pytest.mark.parametrize("name", ["q", "k"])
def test_without_queries_or_keys_attention_is_uniform(name: str, model: Any, ids: torch.Tensor) -> None:
    """The matrix that is called q (or k) is really it: where it is zero, every token attends to all before it alike."""
    for matrix in matrices_called(model, name):
        erase(model, matrix)
    for path, parameter in model.named_parameters():
        if path.endswith(f"{name}_layernorm.bias"):  # Phi may normalise queries and keys, which adds a bias
            parameter.zero_()
    expected = torch.tril(torch.ones(7, 7)) / torch.arange(1, 8)[:, None]

    for probabilities in attention_of(model, ids):
        torch.testing.assert_close(probabilities, expected.expand_as(probabilities))


def test_without_values_the_output_projection_gets_zeros(model: Any, ids: torch.Tensor) -> None:
    erased = matrices_called(model, "v")
    for matrix in erased:
        erase(model, matrix)
    outputs = ("out_proj", "o_proj", "dense", "attn.c_proj")
    received = {path: x for path, x in inputs_of_linears(model, ids).items() if path.endswith(outputs)}

    assert len(erased) == len(received) == 2
    assert all(not x.any() for x in received.values())


def test_gate_and_up_of_a_fused_mlp(build: Any, ids: torch.Tensor) -> None:
    """Phi-3 feeds silu(gate x) · (up x) to its down projection."""
    model = build("phi3")
    seen = inputs_of_linears(model, ids)
    parts = {matrix.shape.path: read(model, matrix) for matrix in anatomy(model).matrices}
    mlp = "model.layers.0.mlp"
    x = seen[f"{mlp}.gate_up_proj"]
    gate, up = (x @ parts[f"{mlp}.gate_up_proj:{part}"].T for part in ("gate", "up"))

    torch.testing.assert_close(seen[f"{mlp}.down_proj"], nn.functional.silu(gate) * up)


def test_matrices_of_one_input_group_receive_the_same_input(model: Any, ids: torch.Tensor) -> None:
    matrices = anatomy(model).matrices
    seen = inputs_of_linears(model, ids)
    groups: dict[str, list[Matrix]] = {}
    for matrix in matrices:
        groups.setdefault(matrix.input_group, []).append(matrix)

    for members in groups.values():
        assert all(torch.equal(seen[members[0].module], seen[member.module]) for member in members)
    assert {3} == {len(groups[matrix.input_group]) for matrix in matrices_called(model, "q", "k", "v")}
    assert {2, 0} >= {len(groups[matrix.input_group]) for matrix in matrices_called(model, "gate", "up")}


def test_conv1d_has_the_view_of_the_linear_that_computes_the_same() -> None:
    """GPT-2 stores (in, out); its canonical view is the weight of the nn.Linear with equal outputs."""
    conv = Conv1D(5, 3)
    linear = nn.Linear(3, 5)
    with torch.no_grad():
        linear.weight.copy_(conv.weight.T)
        linear.bias.copy_(conv.bias)
    x = torch.randn(4, 3)

    assert torch.equal(linear.weight, module_weight_OI(conv))
    torch.testing.assert_close(linear(x), conv(x))


def test_zeroing_one_query_weight_of_gpt2_changes_one_output(build: Any) -> None:
    """Row 2, column 5 of q feeds output feature 2 from input feature 5, and nothing else."""
    model = build("gpt2")
    (matrix, _) = matrices_called(model, "q")
    module = model.get_submodule(matrix.module)
    x = torch.zeros(1, 32)
    x[0, 5] = 1.0
    before = module(x)
    weight = read(model, matrix).clone()
    weight[2, 5] = 0.0
    write_(model, matrix, weight)

    assert (before != module(x))[0].nonzero().flatten().tolist() == [2]


@pytest.mark.parametrize("name", ["opt", "gpt2", "qwen2", "gemma"])
def test_tied_weights_are_known_and_counted_once(name: str, build: Any) -> None:
    model = build(name)
    taken_apart = anatomy(model)
    head = taken_apart.matrices[-1]
    ((other, first),) = taken_apart.tied

    assert other == "lm_head.weight"
    assert first == head.tied_to
    assert taken_apart.group_of[first] == "embedding"
    assert taken_apart.shape.tied_embeddings
    assert taken_apart.shape.groups["lm_head"] == 0


def test_untied_head_has_its_own_weights(build: Any) -> None:
    taken_apart = anatomy(build("gpt_neox"))

    assert taken_apart.tied == ()
    assert taken_apart.matrices[-1].tied_to == ""
    assert taken_apart.shape.groups["lm_head"] == 96 * 32


def test_opt_125m_has_the_published_figures() -> None:
    """On the meta device, from the config alone: 84,934,656 weights in attention and MLP of 125,239,296."""
    config = transformers.AutoConfig.for_model(**known_config("facebook/opt-125m"))
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    shape = anatomy(model).shape
    prunable = sum(each.numel for each in shape.matrices if each.group in ("attention_linear", "mlp_linear"))

    assert shape.parameters == 125_239_296
    assert prunable == 84_934_656


def test_an_unlisted_architecture_is_taken_apart_by_its_names(ids: torch.Tensor) -> None:
    """BLOOM is not named anywhere: its blocks are found, and its fused projection stays whole."""
    config = transformers.BloomConfig(vocab_size=96, hidden_size=32, n_layer=2, n_head=4)
    taken_apart = anatomy(transformers.AutoModelForCausalLM.from_config(config))

    assert taken_apart.blocks_path == "transformer.h"
    assert [shape.name for shape in taken_apart.shape.matrices if shape.block == 0] == [
        "self_attention.query_key_value",
        "self_attention.dense",
        "mlp.dense_h_to_4h",
        "mlp.dense_4h_to_h",
    ]
    assert taken_apart.shape.groups["embedding"] == 96 * 32


def test_a_mixture_of_experts_is_refused_by_name() -> None:
    config = transformers.MixtralConfig(**{**SMALL, "num_local_experts": 2})
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)

    with pytest.raises(SpecError, match=r"'mixtral'.*mixture of 2 experts"):
        anatomy(model)


def test_names_that_say_nothing_are_refused_rather_than_guessed() -> None:
    """Mamba has blocks with linear maps, which are neither attention nor MLP."""
    config = transformers.MambaConfig(vocab_size=96, hidden_size=32, num_hidden_layers=2, state_size=4)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)

    with pytest.raises(SpecError, match="'mamba' models cannot be studied"):
        anatomy(model)
