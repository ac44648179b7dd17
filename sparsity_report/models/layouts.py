"""
How each architecture lays out its weights, as a function of its config: no torch, no weights.

Linear maps stand in the order in which the model registers them. Defaults are those of the architecture's own config
class, for the fields that published configs leave out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Config = Mapping[str, Any]
    Parts = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Linear:
    """A linear map of `rows` out features and `cols` in features; `parts` are the rows of each slice if it is fused."""

    name: str
    group: str
    rows: int
    cols: int
    bias: bool = False
    parts: Parts = ()

    def slices(self) -> Parts:
        """(name, rows) of every matrix that it holds."""
        return tuple((f"{self.name}:{part}", rows) for part, rows in self.parts) or ((self.name, self.rows),)

    @property
    def parameters(self) -> int:
        return self.rows * self.cols + (self.rows if self.bias else 0)


@dataclass(frozen=True)
class Layout:
    """A model as its architecture lays it out; counts are parameters."""

    blocks_path: str
    block: tuple[Linear, ...]
    block_norms: int
    final_norm: int
    embedding: int
    """Token and position embeddings."""
    head: Linear
    outside: tuple[Linear, ...] = ()
    """Linear maps outside of the blocks, the head apart; they belong to the embedding."""


def projection(name: str, rows: int, cols: int, bias: bool = False, parts: Parts = ()) -> Linear:
    """A linear map of the attention."""
    return Linear(name, "attention_linear", rows, cols, bias, parts)


def mlp(name: str, rows: int, cols: int, bias: bool = False, parts: Parts = ()) -> Linear:
    """A linear map of the MLP."""
    return Linear(name, "mlp_linear", rows, cols, bias, parts)


def opt(config: Config) -> Layout:
    hidden, inner, vocabulary = config["hidden_size"], config["ffn_dim"], config["vocab_size"]
    width = config.get("word_embed_proj_dim") or hidden
    bias = bool(config.get("enable_bias", True))
    norm = 2 * hidden if config.get("layer_norm_elementwise_affine", True) else 0
    has_final = config.get("do_layer_norm_before", True) and not config.get("_remove_final_layer_norm", False)
    projections = (
        Linear("model.decoder.project_out", "embedding", width, hidden),
        Linear("model.decoder.project_in", "embedding", hidden, width),
    )
    names = ("k_proj", "v_proj", "q_proj", "out_proj")
    return Layout(
        blocks_path="model.decoder.layers",
        block=(
            *(projection(f"self_attn.{name}", hidden, hidden, bias) for name in names),
            mlp("fc1", inner, hidden, bias),
            mlp("fc2", hidden, inner, bias),
        ),
        block_norms=2 * norm,
        final_norm=norm if has_final else 0,
        # OPT's table of positions has two rows that no position uses.
        embedding=vocabulary * width + (config["max_position_embeddings"] + 2) * hidden,
        head=Linear("lm_head", "lm_head", vocabulary, width),
        outside=projections if width != hidden else (),
    )


def gpt_neox(config: Config) -> Layout:
    hidden, inner, vocabulary = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    bias = bool(config.get("attention_bias", True))
    parts = (("q", hidden), ("k", hidden), ("v", hidden))
    return Layout(
        blocks_path="gpt_neox.layers",
        block=(
            projection("attention.query_key_value", 3 * hidden, hidden, bias, parts),
            projection("attention.dense", hidden, hidden, bias),
            mlp("mlp.dense_h_to_4h", inner, hidden, True),
            mlp("mlp.dense_4h_to_h", hidden, inner, True),
        ),
        block_norms=4 * hidden,
        final_norm=2 * hidden,
        embedding=vocabulary * hidden,
        head=Linear("lm_head", "lm_head", vocabulary, hidden),
    )


def gpt2(config: Config) -> Layout:
    hidden, vocabulary = config["n_embd"], config["vocab_size"]
    inner = config.get("n_inner") or 4 * hidden
    parts = (("q", hidden), ("k", hidden), ("v", hidden))
    return Layout(
        blocks_path="transformer.h",
        block=(
            projection("attn.c_attn", 3 * hidden, hidden, True, parts),
            projection("attn.c_proj", hidden, hidden, True),
            mlp("mlp.c_fc", inner, hidden, True),
            mlp("mlp.c_proj", hidden, inner, True),
        ),
        block_norms=4 * hidden,
        final_norm=2 * hidden,
        embedding=(vocabulary + config["n_positions"]) * hidden,
        head=Linear("lm_head", "lm_head", vocabulary, hidden),
    )


HEAD_DIM = {"qwen3": 128, "gemma": 256, "gemma2": 256, "gemma3_text": 256}
"""Head widths that do not follow from the hidden width where the config leaves them out."""
NORMS_IN_BLOCK = {"gemma2": 4, "gemma3_text": 4}
QUERY_KEY_NORM = ("qwen3", "gemma3_text")


def gated(config: Config) -> Layout:
    """Llama and its relatives: RMS norms, gated MLP, grouped keys and values."""
    kind, hidden, inner = config["model_type"], config["hidden_size"], config["intermediate_size"]
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or HEAD_DIM.get(kind, hidden // heads)
    queries, keys = heads * head_dim, (config.get("num_key_value_heads") or heads) * head_dim
    output_bias = kind != "qwen2" and bool(config.get("attention_bias", False))
    input_bias = kind == "qwen2" or output_bias
    mlp_bias = bool(config.get("mlp_bias", False))
    return Layout(
        blocks_path="model.layers",
        block=(
            projection("self_attn.q_proj", queries, hidden, input_bias),
            projection("self_attn.k_proj", keys, hidden, input_bias),
            projection("self_attn.v_proj", keys, hidden, input_bias),
            projection("self_attn.o_proj", hidden, queries, output_bias),
            mlp("mlp.gate_proj", inner, hidden, mlp_bias),
            mlp("mlp.up_proj", inner, hidden, mlp_bias),
            mlp("mlp.down_proj", hidden, inner, mlp_bias),
        ),
        block_norms=NORMS_IN_BLOCK.get(kind, 2) * hidden + (2 * head_dim if kind in QUERY_KEY_NORM else 0),
        final_norm=hidden,
        embedding=config["vocab_size"] * hidden,
        head=Linear("lm_head", "lm_head", config["vocab_size"], hidden),
    )


def phi(config: Config) -> Layout:
    hidden, inner, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    head_dim = hidden // heads
    keys = (config.get("num_key_value_heads") or heads) * head_dim
    return Layout(
        blocks_path="model.layers",
        block=(
            projection("self_attn.q_proj", hidden, hidden, True),
            projection("self_attn.k_proj", keys, hidden, True),
            projection("self_attn.v_proj", keys, hidden, True),
            projection("self_attn.dense", hidden, hidden, True),
            mlp("mlp.fc1", inner, hidden, True),
            mlp("mlp.fc2", hidden, inner, True),
        ),
        block_norms=2 * hidden + (4 * head_dim if config.get("qk_layernorm") else 0),
        final_norm=2 * hidden,
        embedding=config["vocab_size"] * hidden,
        head=Linear("lm_head", "lm_head", config["vocab_size"], hidden, True),
    )


def phi3(config: Config) -> Layout:
    hidden, inner, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    head_dim = config.get("head_dim") or hidden // heads
    queries, keys = heads * head_dim, (config.get("num_key_value_heads") or heads) * head_dim
    qkv = (("q", queries), ("k", keys), ("v", keys))
    return Layout(
        blocks_path="model.layers",
        block=(
            projection("self_attn.o_proj", hidden, queries),
            projection("self_attn.qkv_proj", queries + 2 * keys, hidden, parts=qkv),
            mlp("mlp.gate_up_proj", 2 * inner, hidden, parts=(("gate", inner), ("up", inner))),
            mlp("mlp.down_proj", hidden, inner),
        ),
        block_norms=2 * hidden,
        final_norm=hidden,
        embedding=config["vocab_size"] * hidden,
        head=Linear("lm_head", "lm_head", config["vocab_size"], hidden),
    )


LAYOUTS: dict[str, Callable[[Config], Layout]] = {
    "opt": opt,
    "gpt_neox": gpt_neox,
    "gpt2": gpt2,
    "llama": gated,
    "mistral": gated,
    "qwen2": gated,
    "qwen3": gated,
    "gemma": gated,
    "gemma2": gated,
    "gemma3_text": gated,
    "phi": phi,
    "phi3": phi3,
}
"""By the config's model_type."""
TIED_BY_DEFAULT = ("opt", "gpt2", "gemma", "gemma2", "gemma3_text")
