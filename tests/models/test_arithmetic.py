"""Sizes from configs alone, held against totals that were published and against real models."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import transformers

from sparsity_report.models.anatomy import anatomy
from sparsity_report.models.arithmetic import known_config, known_configs, shape_of

# As the hub shows them or the papers print them; Pythia's from its README.
PUBLISHED_PARAMETERS = {
    "facebook/opt-125m": 125_239_296,
    "facebook/opt-350m": 331_196_416,
    "facebook/opt-1.3b": 1_315_758_080,
    "facebook/opt-2.7b": 2_651_596_800,
    "facebook/opt-6.7b": 6_658_473_984,
    "EleutherAI/pythia-14m": 14_067_712,
    "EleutherAI/pythia-31m": 30_494_720,
    "EleutherAI/pythia-70m": 70_426_624,
    "EleutherAI/pythia-160m": 162_322_944,
    "EleutherAI/pythia-410m": 405_334_016,
    "EleutherAI/pythia-1b": 1_011_781_632,
    "EleutherAI/pythia-1.4b-deduped": 1_414_647_808,
    "EleutherAI/pythia-2.8b": 2_775_208_960,
    "EleutherAI/pythia-6.9b": 6_857_302_016,
    "EleutherAI/pythia-12b": 11_846_072_320,
    "gpt2": 124_439_808,
    "openai-community/gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0": 1_100_048_384,
    "meta-llama/Llama-2-7b-hf": 6_738_415_616,
    "meta-llama/Llama-2-13b-hf": 13_015_864_320,
    "meta-llama/Llama-2-70b-hf": 68_976_648_192,
    "meta-llama/Meta-Llama-3-8B": 8_030_261_248,
    "meta-llama/Llama-3.2-1B": 1_235_814_400,
    "meta-llama/Llama-3.2-3B": 3_212_749_824,
    "HuggingFaceTB/SmolLM2-135M": 134_515_008,
    "HuggingFaceTB/SmolLM2-360M": 361_821_120,
    "HuggingFaceTB/SmolLM2-1.7B": 1_711_376_384,
    "mistralai/Mistral-7B-v0.1": 7_241_732_096,
    "Qwen/Qwen2.5-0.5B": 494_032_768,
    "Qwen/Qwen2.5-1.5B": 1_543_714_304,
    "Qwen/Qwen2.5-7B": 7_615_616_512,
    "Qwen/Qwen3-0.6B": 596_049_920,
    "Qwen/Qwen3-4B": 4_022_468_096,
    "Qwen/Qwen3-8B": 8_190_735_360,
    "google/gemma-2b": 2_506_172_416,
    "microsoft/phi-1_5": 1_418_270_720,
    "microsoft/phi-2": 2_779_683_840,
}
PUBLISHED_PRUNABLE = {"facebook/opt-125m": 84_934_656, "HuggingFaceTB/SmolLM2-135M-Instruct": 106_168_320}
ONE_OF_EACH_FAMILY = (
    "facebook/opt-350m",
    "EleutherAI/pythia-70m",
    "gpt2",
    "HuggingFaceTB/SmolLM2-135M",
    "mistralai/Mistral-7B-v0.1",
    "Qwen/Qwen2.5-0.5B",
    "Qwen/Qwen3-0.6B",
    "google/gemma-2b",
    "microsoft/phi-1_5",
)
SMALL_LLAMA = {
    "model_type": "llama",
    "vocab_size": 10,
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}


@pytest.mark.parametrize("source", sorted(PUBLISHED_PARAMETERS))
def test_totals_are_the_published_ones(source: str) -> None:
    shape = shape_of(known_config(source) or {})

    assert shape is not None
    assert shape.parameters == PUBLISHED_PARAMETERS[source]


@pytest.mark.parametrize("source", sorted(PUBLISHED_PRUNABLE))
def test_weights_of_attention_and_mlp(source: str) -> None:
    shape = shape_of(known_config(source) or {})

    assert shape is not None
    prunable = sum(each.numel for each in shape.matrices if each.group in ("attention_linear", "mlp_linear"))
    assert prunable == PUBLISHED_PRUNABLE[source]


@pytest.mark.parametrize("source", ONE_OF_EACH_FAMILY)
def test_shipped_facts_suffice_to_build_the_same_model(source: str) -> None:
    """A model built (without memory) from the shipped fields has exactly the shape that the arithmetic gives."""
    config = transformers.AutoConfig.for_model(**known_config(source))
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)

    assert shape_of(known_config(source) or {}) == anatomy(model).shape


def test_every_shipped_config_resolves() -> None:
    unresolved = [source for source, config in known_configs().items() if shape_of(config) is None]

    assert unresolved == []


def test_hub_ids_are_found_whatever_their_case() -> None:
    assert known_config("Facebook/OPT-125M") == known_config("facebook/opt-125m")


def test_counts_of_a_llama_by_hand() -> None:
    """10 tokens × 8; 4 projections 8×8; 3 maps 12×8; a head of its own; 3 norms of 8."""
    shape = shape_of(SMALL_LLAMA)

    assert shape is not None
    assert shape.groups == {
        "embedding": 80,
        "attention_linear": 4 * 64,
        "mlp_linear": 3 * 96,
        "lm_head": 80,
        "norm": 24,
    }
    assert shape.parameters == 80 + 256 + 288 + 80 + 24


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model_type": "rwkv", "hidden_size": 8},
        {key: value for key, value in SMALL_LLAMA.items() if key != "hidden_size"},
        SMALL_LLAMA | {"num_local_experts": 8},
    ],
    ids=["empty", "unknown architecture", "size missing", "mixture of experts"],
)
def test_what_cannot_be_known_is_unresolved(config: dict[str, object]) -> None:
    assert shape_of(config) is None


def test_nothing_here_imports_torch() -> None:
    """The config of every kind of source is found without torch and transformers."""
    code = (
        "import sys\n"
        "from sparsity_report.contracts import ModelRequest\n"
        "from sparsity_report.models import arithmetic, loading\n"
        "sources = ('facebook/opt-125m', 'bundled:tiny-opt', './absent', './absent.gguf', 'package:json/absent')\n"
        "shapes = [arithmetic.shape_of(loading.config(ModelRequest(each)) or {}) for each in sources]\n"
        "print([shape is not None for shape in shapes], {'torch', 'transformers'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split("\n")[0] == "[True, True, False, False, False] set()"
