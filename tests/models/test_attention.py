"""The key-value cache by arithmetic against the cache that a real model fills."""

from __future__ import annotations

import pytest
import torch
from tiny_models import CONFIGS, build_config, build_model

from sparsity_report.engine.timing import cache_of
from sparsity_report.hardware.roofline import cache_bytes
from sparsity_report.models.anatomy import config_of
from sparsity_report.models.arithmetic import known_config
from sparsity_report.models.attention import attention_shape

TOKENS = 12


def filled(model):
    """Bytes of the keys and values that a model keeps of 2 sequences of TOKENS tokens."""
    with torch.inference_mode():
        output = model(input_ids=torch.arange(2 * TOKENS).view(2, TOKENS) + 2, use_cache=True)
    [cache] = cache_of(output).values()
    return sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)


@pytest.mark.parametrize("name", CONFIGS)
def test_arithmetic_gives_the_bytes_of_a_real_cache(name):
    model = build_model(name)

    assert filled(model) == 2 * cache_bytes(attention_shape(config_of(model)), TOKENS, 4)


@pytest.mark.parametrize("name", ["mistral", "gemma2"])
def test_windows_shorter_than_the_text_keep_less(name, monkeypatch):
    """Gemma 2 slides in every second layer, Mistral in all."""
    monkeypatch.setitem(CONFIGS, name, CONFIGS[name] | {"sliding_window": 5})
    model = build_model(name)
    shape = attention_shape(config_of(model))

    assert filled(model) == 2 * cache_bytes(shape, TOKENS, 4)
    assert cache_bytes(shape, TOKENS, 4) < cache_bytes(
        attention_shape({**config_of(model), "sliding_window": None}), TOKENS, 4
    )


def test_half_precision_halves_the_cache():
    model = build_model("llama").to(torch.bfloat16)

    assert filled(model) == 2 * cache_bytes(attention_shape(config_of(model)), TOKENS, 2)


def test_a_config_as_published_says_the_same_as_a_built_one():
    for name in ("qwen3", "gemma"):
        raw = CONFIGS[name] | {"model_type": name}
        assert attention_shape(raw) == attention_shape(build_config(name).to_dict())
    shape = attention_shape(known_config("HuggingFaceTB/SmolLM2-135M"))
    assert (shape.heads, shape.kv_heads, shape.head_dim, len(shape.kept)) == (9, 3, 64, 30)


@pytest.mark.parametrize(
    "config", [{}, {"num_attention_heads": 4, "num_hidden_layers": 1, "hidden_size": 8, "kv_lora_rank": 2}]
)
def test_what_a_config_does_not_say_is_not_guessed(config):
    assert attention_shape(config) is None
