"""Damaged, hostile and degenerate models: refused in words before anything is built, or recorded as what they are."""

from __future__ import annotations

import contextlib
import json
import random

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tiny_models import COMMON
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from sparsity_report.contracts import ModelRequest
from sparsity_report.engine.run import Options, run_study
from sparsity_report.errors import EnvironmentProblem, SpecError
from sparsity_report.models.loading import load
from sparsity_report.spec.load import load_spec

SPEC = """
spec_version = 1
[study]
title = "Broken"
[[model]]
source = "./model"
[data]
evaluation = { source = "embedded", length = 16, windows = 2 }
calibration = { source = "embedded", length = 16, windows = 2 }
[[variant]]
method = ["magnitude", "wanda"]
sparsity = 0.5
format = ["masked", "csr"]
[metrics]
use = ["storage", "sparsity", "perplexity"]
"""


def saved(folder, tokenizer, **changes):
    """A tiny OPT with the real tokenizer, 2,048 tokens or as many as asked for."""
    torch.manual_seed(0)
    shape = COMMON | {"ffn_dim": 48, "word_embed_proj_dim": 32, "vocab_size": len(tokenizer)}
    transformers.OPTForCausalLM(transformers.OPTConfig(**shape | changes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def model(tmp_path, tiny_opt):
    return saved(tmp_path / "model", tiny_opt.tokenizer)


def configured(model, **changes):
    file = model / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | changes), "utf-8")


@pytest.mark.parametrize(
    "changes",
    [
        {"num_hidden_layers": 10**9},  # building it would take for ever
        {"vocab_size": 10**13},  # and this all memory
        {"hidden_size": 10**6, "ffn_dim": 10**6, "word_embed_proj_dim": 10**6},
        {"hidden_size": 0},
        {"num_hidden_layers": -1},
        {"num_hidden_layers": 0},
        {"num_attention_heads": 7},
        {"hidden_size": "x"},
        {"vocab_size": 10},
        {"model_type": "nothing-known"},
        {"model_type": "bert"},
        {"auto_map": {"AutoModelForCausalLM": "own.Model"}, "model_type": "own"},
        {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
    ],
    ids=str,
)
def test_a_config_that_cannot_be_of_these_weights_is_refused(model, changes):
    configured(model, **changes)
    with pytest.raises(EnvironmentProblem) as refused:
        load(ModelRequest(str(model)))
    assert refused.value.remedy


@pytest.mark.parametrize("shard", ["../other.safetensors", "..\\\\other.safetensors", "/etc/other.safetensors", "C:x"])
def test_weights_that_lie_elsewhere_are_not_read(model, shard):
    """Their hash would not be that of the model."""
    (model / "model.safetensors").rename(model.parent / "other.safetensors")
    (model / "some.safetensors").write_bytes((model.parent / "other.safetensors").read_bytes())
    index = {"metadata": {}, "weight_map": {"lm_head.weight": shard}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")

    with pytest.raises(EnvironmentProblem, match="nothing from elsewhere"):
        load(ModelRequest(str(model)))


@pytest.mark.parametrize(
    "changes",
    [
        {"_attn_implementation": "somebody/kernel"},
        {"text_config": [{"_experts_implementation": {"": "somebody/kernel"}}]},
    ],
    ids=str,
)
def test_code_of_the_hub_is_not_asked_for(model, changes):
    """With the package kernels installed, transformers would fetch and run it."""
    configured(model, **changes)
    with pytest.raises(EnvironmentProblem, match="asks for"):
        load(ModelRequest(str(model)))


def test_an_adapter_is_no_model(model):
    """With peft installed, transformers would load what it names instead."""
    (model / "adapter_config.json").write_text('{"base_model_name_or_path": "somebody/else"}', "utf-8")

    with pytest.raises(EnvironmentProblem, match="a part of another one") as refused:
        load(ModelRequest(str(model)))
    assert "merge_and_unload" in refused.value.remedy


@pytest.mark.parametrize("key", ["_attn_implementation", "attn_implementation"])
def test_the_attention_is_ours_whatever_the_config_says(model, key):
    configured(model, **{key: "eager"})

    assert load(ModelRequest(str(model))).model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors", "tokenizer_config.json"])
def test_any_damage_to_any_file_is_refused_or_read(model, name):
    """Twenty mutants each: cut, overwritten, flipped. What is read has the shape of the whole."""
    file, chance = model / name, random.Random(name)
    whole, refused = file.read_bytes(), 0
    for _ in range(20):
        data = bytearray(whole)
        place = chance.randrange(min(len(data), 4000))  # headers are in front
        match chance.randrange(3):
            case 0:
                data = data[:place]
            case 1:
                data[place : place + 8] = bytes(chance.choices(range(256), k=8))
            case 2:
                data[place] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
        try:  # whatever else is raised fails the test
            assert load(ModelRequest(str(model))).model.config.model_type == "opt"
        except EnvironmentProblem:
            refused += 1
    assert refused > 1


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_device_in_the_place_of_a_file_is_not_read(model, name):
    """/dev/zero has no end."""
    (model / name).unlink()
    (model / name).symlink_to("/dev/zero")

    with pytest.raises(EnvironmentProblem, match=r"is no ordinary file|no readable config"):
        load(ModelRequest(str(model)))


def test_a_model_without_a_tokenizer_is_refused(model):
    for file in model.glob("*tok*"):
        file.unlink()

    with pytest.raises(EnvironmentProblem, match="holds no tokenizer"):
        load(ModelRequest(str(model)))


def study(folder, *overrides):
    (folder / "broken.toml").write_text(SPEC, "utf-8")
    loaded = load_spec(folder / "broken.toml", overrides=overrides)
    return run_study(loaded, folder / "run", Options(), lambda _: None)


@pytest.mark.parametrize(
    ("value", "where"),
    [(float("nan"), "fc1"), (float("inf"), "fc1"), (float("nan"), "embed_tokens")],
    ids=["nan weight", "inf weight", "nan embedding"],
)
def test_weights_that_are_no_numbers_are_recorded_as_what_they_do(model, tmp_path, value, where):
    """No traceback and no number: dense is diverged, what cannot be pruned says why, and bytes are still counted."""
    weights = load_file(model / "model.safetensors")
    weights[next(name for name in weights if where in name and name.endswith("weight"))][:, 0] = value
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})

    results = study(tmp_path)

    assert results.cells[0].status == "diverged"
    assert {cell.status for cell in results.cells} == {"diverged", "failed"}
    assert results.cells[0].value("perplexity") is None
    assert results.cells[0].value("stored_bytes", over="model") > 0
    assert all(cell.reason for cell in results.cells)


@pytest.mark.parametrize("changes", [{"num_hidden_layers": 1}, {"ffn_dim": 2}, {"ffn_dim": 46}], ids=str)
def test_the_smallest_and_oddest_shapes_are_studied(tmp_path, tiny_opt, changes):
    saved(tmp_path / "model", tiny_opt.tokenizer, **changes)

    assert {cell.status for cell in study(tmp_path).cells} == {"ok"}


@pytest.mark.parametrize("words", [1, 3])
def test_a_vocabulary_of_fewer_words_than_any_metric_looks_at_is_studied(tmp_path, words):
    """The first five of three, ranks of one."""
    model = WordLevel({f"w{number}": number for number in range(words)}, unk_token="w0")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model), unk_token="w0", eos_token="w0")
    ids = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0}
    tokenizer.backend_tokenizer.pre_tokenizer = Whitespace()
    saved(tmp_path / "model", tokenizer, **ids)
    metrics = '["perplexity", "agreement", "divergence", "flips", "ranks", "confidence"]'
    results = study(tmp_path, f"metrics.use={metrics}", "variant.0.format=masked")

    assert {cell.status for cell in results.cells} == {"ok"}
    assert all(1 <= cell.value("perplexity") < 2 * words for cell in results.cells)


def test_a_tokenizer_of_another_model_is_refused(tmp_path, tiny_opt):
    """It gives tokens that the embedding has no row for."""
    saved(tmp_path / "model", tiny_opt.tokenizer, vocab_size=8)

    with pytest.raises(EnvironmentProblem, match="and the model knows 8"):
        study(tmp_path)


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("changes", [{"ffn_dim": 0}, {"max_position_embeddings": 8}], ids=str)
def test_what_cannot_be_studied_is_said(tmp_path, tiny_opt, changes):
    """Matrices without elements, and a context shorter than a window."""
    saved(tmp_path / "model", tiny_opt.tokenizer, **changes)
    with contextlib.suppress(EnvironmentProblem, SpecError):  # whatever else is raised fails the test
        results = study(tmp_path)
        assert {cell.status for cell in results.cells} <= {"ok", "failed"}
        assert all(cell.reason or cell.status == "ok" for cell in results.cells)
