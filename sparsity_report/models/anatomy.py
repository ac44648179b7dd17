"""
What a decoder-only model is made of: its blocks, its weight matrices, and the group of every parameter.

The one place that knows how architectures lay out their weights. Every matrix has one canonical (O, I) view: a
GPT-2 Conv1D is transposed, and each slice of a fused projection is a matrix of its own.

Shapes: O out features, I in features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..contracts import GROUPS, MatrixShape, ModelShape
from ..errors import Problem, SpecError
from .arithmetic import activation_of, context_of, experts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

ATTENTION_NAMES = ("attn", "attention")
MLP_NAMES = ("mlp", "feed_forward", "ffn", "fc1", "fc2")
SHARED_INPUT = frozenset({"q_proj", "k_proj", "v_proj", "query_key_value", "c_attn", "qkv_proj"}) | frozenset(
    {"gate_proj", "up_proj", "gate_up_proj"}
)
"""Projections that read the same input as their siblings: q, k and v, and the two halves of a gated MLP."""
BESIDE_EMBEDDING = ("project_in", "project_out")
"""OPT-350M's maps between embedding width and hidden width: counted with the embedding, never pruned by default."""


@dataclass(frozen=True)
class Rows:
    """Rows of a module that make up a matrix: `repeat` runs of `length`, from `start`, `period` rows apart."""

    start: int
    length: int
    repeat: int = 1
    period: int = 0

    @property
    def count(self) -> int:
        return self.length * self.repeat


@dataclass(frozen=True)
class Matrix:
    """
    A weight matrix and where it lives.

    `module` is the path of the Linear or Conv1D that holds it (`transposed`: stored as (I, O)), `rows` are its rows
    there in canonical order. Matrices of one `input_group` read the same input. `tied_to` names the parameter that
    is the same tensor, if any.
    """

    shape: MatrixShape
    module: str
    transposed: bool
    rows: Rows
    input_group: str
    tied_to: str = ""


@dataclass(frozen=True)
class Anatomy:
    """
    A model taken apart. `matrices` come block by block in the model's own order, those outside of the blocks last.

    `group_of` maps every name of `model.named_parameters()` to its group; tied parameters appear once there, under
    "embedding". `tied` holds pairs (other name, that name).
    """

    blocks_path: str
    block_count: int
    matrices: tuple[Matrix, ...]
    shape: ModelShape
    group_of: dict[str, str]
    tied: tuple[tuple[str, str], ...]


def anatomy(model: nn.Module) -> Anatomy:
    """Take a causal language model apart. Raises SpecError for one that is not understood, rather than guess."""
    config = config_of(model)
    refuse_unsupported(config)
    blocks_path = find_blocks(model)
    tied = tied_parameters(model)
    group_of = parameter_groups(model, blocks_path)
    matrices = tuple(find_matrices(model, config, blocks_path, dict(tied)))
    groups = dict.fromkeys(GROUPS, 0)
    for name, parameter in model.named_parameters():
        groups[group_of[name]] += parameter.numel()
    embedding = model.get_input_embeddings()  # type: ignore[operator]
    block_count = len(model.get_submodule(blocks_path))  # type: ignore[arg-type]  # a ModuleList
    shape = ModelShape(
        architecture=config["model_type"],
        blocks=block_count,
        hidden=model.config.hidden_size,  # type: ignore[union-attr, arg-type]
        vocabulary=embedding.weight.shape[0],
        context=context_of(config),
        activation=activation_of(config),
        tied_embeddings=any(matrix.tied_to for matrix in matrices),
        matrices=tuple(matrix.shape for matrix in matrices),
        groups=groups,
    )
    return Anatomy(blocks_path, block_count, matrices, shape, group_of, tied)


def config_of(model: nn.Module) -> dict[str, Any]:
    """The model's config as plain data."""
    plain: dict[str, Any] = model.config.to_dict()  # type: ignore[operator, union-attr]  # transformers models carry one
    return plain


def unsupported(config: dict[str, Any], why: str) -> SpecError:
    hint = "supported: OPT, GPT-NeoX (Pythia), GPT-2, Llama, Mistral, Qwen2, Qwen3, Gemma, Phi, and models built alike"
    return SpecError(
        Problem("model", f"{config.get('model_type', 'this')!r} models cannot be studied: {why}", hint=hint)
    )


def refuse_unsupported(config: dict[str, Any]) -> None:
    """Raises SpecError for mixtures of experts and for models with an encoder."""
    if experts_of(config):
        raise unsupported(config, f"it is a mixture of {experts_of(config)} experts, and experts are not handled yet")
    if config.get("is_encoder_decoder"):
        raise unsupported(config, "it has an encoder, and only decoder-only models are handled")


def is_linear(module: nn.Module) -> bool:
    """A dense linear map: torch's Linear, or the transposed Conv1D of GPT-2."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, nn.Linear | Conv1D)


def is_transposed(module: nn.Module) -> bool:
    """Conv1D stores its weight as (I, O)."""
    from torch import nn

    return not isinstance(module, nn.Linear)


def find_blocks(model: nn.Module) -> str:
    """Path of the decoder blocks: the longest ModuleList whose elements contain linear maps, and no list inside it."""
    from torch import nn

    found: dict[str, int] = {}
    for path, module in model.named_modules():
        inside = any(path.startswith(f"{outer}.") for outer in found)
        if isinstance(module, nn.ModuleList) and not inside and any(map(is_linear, module.modules())):
            found[path] = len(module)
    longest = [path for path, length in found.items() if length == max(found.values())]
    if len(longest) != 1:
        raise unsupported(
            config_of(model),
            f"its decoder blocks cannot be told ({', '.join(longest) or 'no list of modules with linear maps'})",
        )
    return longest[0]


def linear_group(config: dict[str, Any], path: str, name: str, in_block: bool) -> str:
    """The group of a linear map, by the names on its path within the block or the model."""
    if not in_block:
        if name.rpartition(".")[2] in BESIDE_EMBEDDING:
            return "embedding"
        raise unsupported(config, f"{path} is a linear map outside of the decoder blocks")
    parts = name.lower().split(".")
    if any(word in part for part in parts for word in ATTENTION_NAMES):
        return "attention_linear"
    if any(word in part for part in parts for word in MLP_NAMES):
        return "mlp_linear"
    raise unsupported(config, f"the name of {path} does not say whether it belongs to attention or to the MLP")


def parameter_groups(model: nn.Module, blocks_path: str) -> dict[str, str]:
    """The group of every parameter, by the module that holds it; a tied one belongs to the embedding."""
    groups_of_tensor: dict[int, set[str]] = {}
    for path, module in model.named_modules():
        for _, parameter in module.named_parameters(recurse=False):
            groups_of_tensor.setdefault(id(parameter), set()).add(module_group(model, path, module, blocks_path))
    chosen = {key: "embedding" if "embedding" in groups else min(groups) for key, groups in groups_of_tensor.items()}
    return {name: chosen[id(parameter)] for name, parameter in model.named_parameters()}


def module_group(model: nn.Module, path: str, module: nn.Module, blocks_path: str) -> str:
    """The group of a module that holds parameters. Raises SpecError where it is of no known kind."""
    from torch import nn

    config = config_of(model)
    if module is model.get_output_embeddings():  # type: ignore[operator]
        return "lm_head"
    if isinstance(module, nn.Embedding):
        return "embedding"
    if "norm" in type(module).__name__.lower():
        return "norm"
    if is_linear(module):
        _, name = split_path(path, blocks_path)
        return linear_group(config, path, name, path.startswith(f"{blocks_path}."))
    raise unsupported(config, f"{path} ({type(module).__name__}) holds parameters of an unknown kind")


def split_path(path: str, blocks_path: str) -> tuple[int, str]:
    """("model.layers.3.mlp.fc1", "model.layers") → (3, "mlp.fc1"); block −1 outside of the blocks."""
    if not path.startswith(f"{blocks_path}."):
        return -1, path
    number, _, name = path.removeprefix(f"{blocks_path}.").partition(".")
    return int(number), name


def tied_parameters(model: nn.Module) -> tuple[tuple[str, str], ...]:
    """Pairs of names (other, first) that are one tensor."""
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    return tuple(
        (name, first[id(parameter)])
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if first[id(parameter)] != name
    )


def find_matrices(model: nn.Module, config: dict[str, Any], blocks_path: str, tied: dict[str, str]) -> Iterator[Matrix]:
    """Every linear map of the model as canonical matrices: the blocks' first, then those outside of them."""
    linears = [(path, module) for path, module in model.named_modules() if is_linear(module)]
    for path, module in sorted(linears, key=lambda each: split_path(each[0], blocks_path)[0] < 0):
        group = module_group(model, path, module, blocks_path)
        # GPT-NeoX calls its head embed_out in transformers 4: paths are the same in all versions.
        called = "lm_head" if group == "lm_head" else path
        block, name = split_path(called, blocks_path)
        rows, cols = module_weight_OI(module).shape
        parent, _, leaf = path.rpartition(".")
        for part, part_rows in fused_rows(config, leaf, rows).items():
            suffix = f":{part}" if part else ""
            yield Matrix(
                shape=MatrixShape(f"{called}{suffix}", f"{name}{suffix}", group, block, part_rows.count, cols),
                module=path,
                transposed=is_transposed(module),
                rows=part_rows,
                input_group=parent if leaf in SHARED_INPUT else path,
                tied_to=tied.get(f"{path}.weight", ""),
            )


def fused_rows(config: dict[str, Any], leaf: str, rows: int) -> dict[str, Rows]:
    """
    The rows of each part of a fused projection; one unnamed part where nothing is fused.

    GPT-NeoX interleaves q, k and v per head: rows reshape to (heads, 3, head_dim). GPT-2 and Phi-3 stack them.
    """
    architecture = config["model_type"]
    if (architecture, leaf) == ("gpt_neox", "query_key_value"):
        heads = config["num_attention_heads"]
        head = rows // (3 * heads)
        return {part: Rows(index * head, head, heads, 3 * head) for index, part in enumerate("qkv")}
    if (architecture, leaf) == ("gpt2", "c_attn"):
        return {part: Rows(index * rows // 3, rows // 3) for index, part in enumerate("qkv")}
    if (architecture, leaf) == ("phi3", "gate_up_proj"):
        return {"gate": Rows(0, rows // 2), "up": Rows(rows // 2, rows // 2)}
    if (architecture, leaf) == ("phi3", "qkv_proj"):
        heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
        head = rows // (heads + 2 * kv_heads)
        q, kv = heads * head, kv_heads * head
        return {"q": Rows(0, q), "k": Rows(q, kv), "v": Rows(q + kv, kv)}
    return {"": Rows(0, rows)}


def module_weight_OI(module: nn.Module) -> Tensor:
    """A view of the whole weight of a Linear or Conv1D, (O, I)."""
    weight: Tensor = module.weight  # type: ignore[assignment]
    return weight.t() if is_transposed(module) else weight


def read(model: nn.Module, matrix: Matrix) -> Tensor:
    """The matrix, (O, I): a view of the model's weight, or a copy where its rows are interleaved with others."""
    weight = module_weight_OI(model.get_submodule(matrix.module))
    rows = matrix.rows
    if rows.repeat == 1:
        return weight[rows.start : rows.start + rows.length]
    return _runs(weight, rows).flatten(0, 1)


def write_(model: nn.Module, matrix: Matrix, weight_OI: Tensor) -> None:
    """Copy a weight, (O, I), into the model in place."""
    import torch

    with torch.no_grad():
        whole = module_weight_OI(model.get_submodule(matrix.module))
        runs = _runs(whole, matrix.rows)
        runs.copy_(weight_OI.reshape(runs.shape))


def _runs(weight: Tensor, rows: Rows) -> Tensor:
    """The rows as a view of shape (repeat, length, I)."""
    if rows.repeat == 1:
        return weight[rows.start : rows.start + rows.length].unsqueeze(0)
    return weight.view(rows.repeat, rows.period, -1)[:, rows.start : rows.start + rows.length]


def rows_of(matrix: Matrix) -> Tensor:
    """Indices of the matrix's rows among the canonical rows of its module, (O,) int64."""
    import torch

    rows = matrix.rows
    starts = rows.start + rows.period * torch.arange(rows.repeat)
    return (starts[:, None] + torch.arange(rows.length)).flatten()
