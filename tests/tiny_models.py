"""One tiny model of each architecture, with random weights; built from a config, so that nothing is downloaded."""

from __future__ import annotations

from typing import Any

import torch
import transformers

COMMON: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
GATED = COMMON | {"intermediate_size": 48, "num_key_value_heads": 2}
CONFIGS: dict[str, dict[str, Any]] = {
    "opt": COMMON | {"ffn_dim": 48, "word_embed_proj_dim": 32},
    # OPT-350M's peculiarities: narrow embeddings, norm after each part.
    "opt-narrow": COMMON | {"ffn_dim": 48, "word_embed_proj_dim": 16, "do_layer_norm_before": False},
    "gpt_neox": COMMON | {"intermediate_size": 48},
    "gpt2": {"vocab_size": 96, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "n_inner": 48}
    | {"bos_token_id": 1, "eos_token_id": 1},
    "llama": GATED | {"attention_bias": True, "mlp_bias": True},
    "mistral": GATED | {"head_dim": 8},
    "qwen2": GATED | {"tie_word_embeddings": True},
    "qwen3": GATED | {"head_dim": 16},
    "gemma": GATED | {"head_dim": 16},
    "gemma2": GATED | {"head_dim": 16},
    "gemma3_text": GATED | {"head_dim": 16},
    "phi": GATED | {"qk_layernorm": True},
    "phi3": GATED,
}


def build_config(name: str) -> Any:
    return transformers.AutoConfig.for_model(name.partition("-")[0], **CONFIGS[name])


def build_model(name: str) -> Any:
    """A model in evaluation mode whose biases are not zero, so that a bias in the wrong place shows."""
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(build_config(name), attn_implementation="eager").eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
        if parameter.dim() == 1:
            parameter += 0.1 * torch.randn_like(parameter)
    return model
