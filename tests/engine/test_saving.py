"""T59: what is written is what is loaded, to the bit, in every format; and what does not belong together is refused."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from sparsity_report import load_sparse, registry, save_sparse
from sparsity_report.contracts import FormatChoice, Stage
from sparsity_report.engine import nodes
from sparsity_report.engine.pruning import Sight
from sparsity_report.engine.saving import HEAD, WEIGHTS, formatted
from sparsity_report.engine.state import ModelState
from sparsity_report.engine.variant import build, model_bytes
from sparsity_report.errors import EnvironmentProblem, UsageError
from sparsity_report.models.anatomy import anatomy
from sparsity_report.models.blocks import ResidentBlocks
from sparsity_report.models.checkpoint import write_plain

IDS = torch.arange(40).view(2, 20)
FORMATS = [name for name in registry.names("formats") if name not in ("dense", "masked")]
STAGES = {
    "float32": (),
    "int8": (Stage("quantize", "rtn", {"bits": 8}),),
    "bfloat16": (Stage("quantize", "cast", {"dtype": "bfloat16"}),),
}
PERMUTED = {"pattern": "2:4", "compat": "exact", "permute": True}


def variant(model, entry, values="float32", params=PERMUTED):
    parts = anatomy(model)
    state = ModelState(model, parts, tuple(matrix for matrix in parts.matrices if matrix.shape.block >= 0))
    for stage in (Stage("prune", "magnitude", params), *STAGES[values]):
        sight = Sight(ResidentBlocks(model, parts.blocks_path), IDS)
        state = nodes.STAGES[stage.op](state, stage, sight).state
    return build(state, FormatChoice(entry, registry.get("formats", entry).Params().model_dump()))


@torch.inference_mode()
def logits(model):
    return model(input_ids=IDS, use_cache=False).logits


@pytest.mark.parametrize("entry", FORMATS)
@pytest.mark.parametrize("values", STAGES)
class TestEveryFormat:
    def test_it_comes_back_with_the_same_logits(self, build_tiny, tmp_path, entry, values):
        """A fused, interleaved projection, N:M in an order of its own, values of every type."""
        made = variant(build_tiny("gpt_neox"), entry, values)
        loaded = load_sparse(save_sparse(made.model, tmp_path / "saved"))

        assert torch.equal(logits(made.model), logits(loaded))

    def test_it_holds_no_more_than_was_stored(self, build_tiny, tmp_path, entry, values):
        """No dense copy: parameters and buffers are the bytes that the report counts, and of the file."""
        made = variant(build_tiny("gpt_neox"), entry, values)
        folder = save_sparse(made.model, tmp_path / "saved")
        loaded = load_sparse(folder)
        tensors = load_file(folder / WEIGHTS)

        assert model_bytes(made.model) == model_bytes(loaded)
        assert not any(each.is_meta for each in (*loaded.parameters(), *loaded.buffers()))
        assert formatted(loaded).keys() == formatted(made.model).keys()
        held = {name: tensor for name, tensor in loaded.state_dict().items() if name in tensors}
        assert sum(each.nbytes for each in tensors.values()) == sum(each.nbytes for each in held.values())


@pytest.mark.parametrize("name", ["opt", "gpt2", "llama", "qwen2", "gemma2", "phi3"])
def test_every_architecture_comes_back(build_tiny, tmp_path, name):
    """Tied and untied heads, transposed layers, buffers that are computed: rotary frequencies, attention masks."""
    made = variant(build_tiny(name), "csr", "int8", {"pattern": "2:4", "compat": "exact"})
    loaded = load_sparse(save_sparse(made.model, tmp_path / "saved"))

    assert torch.equal(logits(made.model), logits(loaded))
    assert model_bytes(made.model) == model_bytes(loaded)


def test_a_half_precision_model_comes_back(build_tiny, tmp_path):
    model = build_tiny("llama")
    for (
        parameter
    ) in model.parameters():  # and not its buffers: rotary frequencies stay in float32, as when it is loaded
        parameter.data = parameter.data.bfloat16()
    made = variant(model, "csr")
    loaded = load_sparse(save_sparse(made.model, tmp_path / "saved"))

    assert loaded.dtype == torch.bfloat16
    assert torch.equal(logits(made.model), logits(loaded))


@pytest.mark.parametrize("name", ["opt", "gpt2", "gpt_neox", "qwen2"])
def test_dense_with_zeros_is_a_checkpoint_for_every_tool(build_tiny, tmp_path, name):
    """T59: transformers loads it by itself, with bitwise equal logits and exactly the zeros of the masks."""
    made = variant(build_tiny(name), "masked", "int8")
    made.model.config.quantization_config = {"quant_method": "gguf"}  # as a model has that came from GGUF
    write_plain(made.model, None, tmp_path)
    loaded, report = AutoModelForCausalLM.from_pretrained(
        tmp_path, attn_implementation="eager", output_loading_info=True
    )

    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert torch.equal(logits(made.model), logits(loaded.eval()))
    weights, own = made.model.state_dict(), loaded.state_dict()
    assert all(torch.equal(weights[key], own[key]) for key in weights)


class TestWhatIsWritten:
    @pytest.fixture
    def folder(self, build_tiny, tmp_path):
        made = variant(build_tiny("opt"), "csr", "int8")
        return save_sparse(made.model, tmp_path / "saved", provenance={"label": "de-quantised from Q4_1"})

    def edit(self, folder, change):
        head = json.loads((folder / HEAD).read_text())
        change(head)
        (folder / HEAD).write_text(json.dumps(head))

    def test_other_tools_find_no_weights(self, folder):
        """Never random ones: no sparsity_config, no model.safetensors; from_pretrained says that there is nothing."""
        config = json.loads((folder / "config.json").read_text())

        assert not {"sparsity_config", "quantization_config", "compression_config"} & config.keys()
        assert AutoConfig.from_pretrained(folder).model_type == "opt"
        with pytest.raises(OSError, match=r"no file named model\.safetensors"):
            AutoModelForCausalLM.from_pretrained(folder)

    def test_the_head_names_layers_and_tensors(self, folder):
        head = json.loads((folder / HEAD).read_text())
        layer = head["layers"]["model.decoder.layers.0.fc1"]

        assert layer == {"format": "csr", "params": {"index": "int32"}, "shape": [48, 32], "pattern": "2:4"}
        assert head["tensors"]["model.decoder.layers.0.fc1.scales"] == ["float32", [48]]
        assert head["tensors"]["model.decoder.layers.0.fc1.pointers"] == ["int32", [49]]
        assert head["provenance"] == {"label": "de-quantised from Q4_1"}

    def test_a_folder_with_something_in_it_is_left_alone(self, folder, build_tiny):
        with pytest.raises(UsageError, match="is there already"):
            save_sparse(variant(build_tiny("opt"), "csr").model, folder)
        load_sparse(folder)

    def test_a_folder_without_a_sparse_model_is_wrong_usage(self, tmp_path):
        with pytest.raises(UsageError, match="there is no sparse model"):
            load_sparse(tmp_path)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda t: t.pop("model.decoder.layers.1.fc2.values"), "1 tensors are missing, .*fc2.values among them"),
            (lambda t: t.update(more=torch.zeros(1)), "1 tensors are unexpected, more among them"),
            (
                lambda t: t.update({"model.decoder.layers.0.fc1.scales": torch.zeros(47)}),
                r"fc1.scales is float32 \[47\] where float32 \[48\] belongs",
            ),
            (
                lambda t: t.update({"model.decoder.layers.0.fc1.pointers": torch.zeros(49)}),
                r"fc1.pointers is float32 \[49\] where int32 \[49\] belongs",
            ),
        ],
        ids=["missing", "unexpected", "shape", "type"],
    )
    def test_weights_that_are_not_those_of_the_head_are_refused(self, folder, change, message):
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS)

        with pytest.raises(EnvironmentProblem, match=message):
            load_sparse(folder)

    def test_a_tensor_that_nothing_asks_for_is_refused_even_if_the_head_names_it(self, folder):
        tensors = load_file(folder / WEIGHTS) | {"more": torch.zeros(1)}
        save_file(tensors, folder / WEIGHTS)
        self.edit(folder, lambda head: head["tensors"].update(more=["float32", [1]]))

        with pytest.raises(EnvironmentProblem, match="1 tensors are unexpected, more among them"):
            load_sparse(folder)

    def test_a_weight_that_the_model_needs_is_never_made_up(self, folder):
        tensors = load_file(folder / WEIGHTS)
        del tensors["model.decoder.layers.0.final_layer_norm.weight"]
        save_file(tensors, folder / WEIGHTS)
        self.edit(folder, lambda head: head["tensors"].pop("model.decoder.layers.0.final_layer_norm.weight"))

        with pytest.raises(EnvironmentProblem, match=r"missing, .*final_layer_norm.weight among them"):
            load_sparse(folder)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda head: head.update(layout=2), "is not of layout 1: layout"),
            (lambda head: head.update(more=1), "is not of layout 1: more"),
            (
                lambda head: head["layers"]["model.decoder.layers.0.fc1"].update(format="cxr"),
                "'cxr' is not one of formats",
            ),
            (lambda head: head["layers"]["model.decoder.layers.0.fc1"]["params"].update(x=1), "is not of layout 1: x"),
            (lambda head: head["layers"].update(a=head["layers"]["model.decoder.layers.0.fc1"]), "has a layer 'a'"),
        ],
        ids=["layout", "key", "format", "params", "layer"],
    )
    def test_a_head_that_cannot_be_followed_is_refused(self, folder, change, message):
        self.edit(folder, change)

        with pytest.raises(EnvironmentProblem, match=message):
            load_sparse(folder)

    def test_a_damaged_file_is_refused(self, folder):
        (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:200])

        with pytest.raises(EnvironmentProblem, match=f"{WEIGHTS} cannot be read"):
            load_sparse(folder)
