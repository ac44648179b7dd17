"""What a config says about a model's attention: heads, key-value heads, and how many tokens every layer keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import AttentionShape
from .layouts import HEAD_DIM

if TYPE_CHECKING:
    from .layouts import Config

SLIDING = ("sliding_attention", "chunked_attention")


def attention_shape(config: Config) -> AttentionShape | None:
    """None for a config without heads, or one whose keys and values are kept in another form (latent attention)."""
    heads = config.get("num_attention_heads") or config.get("n_head")
    layers = config.get("num_hidden_layers") or config.get("n_layer")
    hidden = config.get("hidden_size") or config.get("n_embd")
    if not (heads and layers and hidden) or config.get("kv_lora_rank"):
        return None
    width = config.get("head_dim") or HEAD_DIM.get(str(config.get("model_type")), hidden // heads)
    return AttentionShape(
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=width,
        kept=tuple(kept_tokens(config, layer) for layer in range(layers)),
    )


def kept_tokens(config: Config, layer: int) -> int | None:
    """Earlier tokens that a layer's cache keeps; a window of W sees W − 1 of them and the token itself."""
    window = config.get("sliding_window")
    kinds = config.get("layer_types")
    if not window or config.get("use_sliding_window") is False:
        return None
    return int(window) - 1 if not kinds or kinds[layer] in SLIDING else None
