"""Stages one after the other: what a state is after each, what formats store of it, and what the run folder keeps."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sparsity_report import registry
from sparsity_report.accounting import target_bytes, values_of
from sparsity_report.contracts import FormatChoice, Pattern, Stage
from sparsity_report.engine import artifacts, nodes
from sparsity_report.engine.pruning import Sight, prune
from sparsity_report.engine.quantizing import quantize
from sparsity_report.engine.state import ModelState
from sparsity_report.engine.structure import count, zeros_by_parameter
from sparsity_report.engine.variant import build, component_bytes
from sparsity_report.errors import SparsityReportError
from sparsity_report.low_precision import dequantised
from sparsity_report.models.anatomy import anatomy, read
from sparsity_report.models.blocks import ResidentBlocks

RTN = Stage("quantize", "rtn", {"bits": 8})
QUANTIZE = [RTN, Stage("quantize", "cast", {"dtype": "bfloat16"}), Stage("quantize", "cast", {"dtype": "float16"})]
FORMATS = [name for name in registry.names("formats") if name != "masked"]
IDS = torch.arange(40).view(2, 20)


def magnitude(**params):
    return Stage("prune", "magnitude", {"pattern": "2:4", "compat": "exact"} | params)


def dense_state(model):
    parts = anatomy(model)
    return ModelState(model, parts, tuple(matrix for matrix in parts.matrices if matrix.shape.block >= 0))


def after(state, *stages):
    for stage in stages:
        sight = Sight(ResidentBlocks(state.model, state.anatomy.blocks_path), IDS)
        state = nodes.STAGES[stage.op](state, stage, sight).state
    return state


@pytest.fixture(params=["opt", "gpt2", "gpt_neox"])
def dense(request, build_tiny):
    """Plain, transposed with stacked slices, and interleaved slices."""
    return dense_state(build_tiny(request.param))


@torch.inference_mode()
def logits(model):
    return model(input_ids=IDS, use_cache=False).logits


class TestAStateThatWasPrunedAndQuantised:
    @pytest.mark.parametrize("stage", QUANTIZE, ids=lambda stage: str(stage.params))
    def test_its_weights_are_the_values_and_pruned_ones_are_zero(self, dense, stage):
        """T60, and the node's weights are what its quantizer gives of the pruned weights."""
        pruned = after(dense, magnitude())
        state = after(pruned, stage)
        module = registry.get("quantizers", stage.entry)
        for matrix in state.targets:
            weight = state.weight_OI(matrix)
            by_itself = module.quantize(pruned.weight_OI(matrix), module.Params(**stage.params))

            assert not weight[~state.keep_masks[matrix.shape.path]].any()
            assert torch.equal(by_itself.weight_OI(torch.float32), weight)
            assert not torch.equal(weight, pruned.weight_OI(matrix))

    @pytest.mark.parametrize("entry", FORMATS)
    @pytest.mark.parametrize("stage", QUANTIZE, ids=lambda stage: str(stage.params))
    def test_every_format_holds_its_values_exactly(self, dense, stage, entry):
        """What a layer stores decodes to the node's weights bit by bit, whatever the architecture does to its rows."""
        state = after(dense, magnitude(), stage)
        variant, module = build(state, FormatChoice(entry)), registry.get("formats", entry)
        for path, tensors in variant.tensors.items():
            layer = variant.model.get_submodule(path)
            values = module.decode(tensors, layer.shape, Pattern(2, 4))
            weight = dequantised(values, tensors.get("scales"), torch.float32)

            assert torch.equal(state.module_weight_OI(path).view(torch.int32), weight.view(torch.int32))
        assert not variant.in_place
        assert torch.allclose(logits(build(state, FormatChoice("masked")).model), logits(variant.model), atol=1e-5)

    @pytest.mark.parametrize("entry", FORMATS)
    @pytest.mark.parametrize("stage", QUANTIZE, ids=lambda stage: str(stage.params))
    def test_stored_bytes_count_values_and_scales(self, dense, stage, entry):
        """T51: tensors and arithmetic agree; a weight that rounds to zero is not stored."""
        state, choice = (
            after(dense, magnitude(), stage),
            FormatChoice(entry, registry.get("formats", entry).Params().model_dump()),
        )
        values = values_of([magnitude(), stage], choice, "float32")
        kept = sum(int(state.weight_OI(matrix).count_nonzero()) for matrix in state.targets)
        shapes = [matrix.shape for matrix in state.targets]

        expected = target_bytes(shapes, choice, kept, values.bytes, Pattern(2, 4), scaled=values.scaled)
        found = component_bytes(build(state, choice))
        assert ("scales" in found) == (stage is RTN)
        assert expected == found or (entry == "bsr" and all(found[each] <= expected[each] for each in found))

    def test_masked_shows_it_in_the_models_own_type(self, dense):
        state = after(dense, magnitude(), RTN)
        variant = build(state, FormatChoice("masked"))

        assert variant.in_place
        assert component_bytes(variant) == {"dense": 4 * sum(matrix.shape.numel for matrix in state.targets)}
        for matrix in state.targets:
            assert torch.equal(state.weight_OI(matrix), read(variant.model, matrix))

    def test_it_survives_the_run_folder(self, dense, tmp_path):
        state = after(dense, magnitude(), RTN)
        artifacts.save_state(tmp_path / "a.state", state, {"seconds": 1})
        kept, _ = artifacts.load_state(tmp_path / "a.state", dense, Pattern(2, 4))

        assert kept.pattern == state.pattern == Pattern(2, 4)
        for matrix in state.targets:
            path = matrix.shape.path
            assert torch.equal(state.keep_masks[path], kept.keep_masks[path])
            assert torch.equal(state.low_precision[path].values_OI, kept.low_precision[path].values_OI)
            assert torch.equal(state.weight_OI(matrix), kept.weight_OI(matrix))
        assert not kept.changed_weights


def test_a_state_that_was_only_quantised_has_no_masks(dense, tmp_path):
    state = after(dense, RTN)
    artifacts.save_state(tmp_path / "a.state", state, {})
    kept, _ = artifacts.load_state(tmp_path / "a.state", dense, Pattern())
    found = count(kept, build(kept, FormatChoice("dense")), zeros_by_parameter(dense.model))

    assert not kept.keep_masks
    assert found.pruned == 0
    assert found.target_zeros == sum(int((state.weight_OI(matrix) == 0).sum()) for matrix in state.targets) > 0


def test_a_state_kept_for_another_shape_is_made_again(dense, build_tiny, tmp_path):
    artifacts.save_state(tmp_path / "a.state", after(dense, RTN), {})
    other = dense_state(build_tiny("llama"))

    assert artifacts.load_state(tmp_path / "a.state", other, Pattern()) is None


def test_pruning_what_is_quantised_keeps_the_codes(dense):
    """Quantise, then prune: the codes of what stays do not change, and the others are 0."""
    codes = after(dense, RTN)
    state = after(codes, magnitude())
    for matrix in state.targets:
        path = matrix.shape.path
        expected = codes.low_precision[path].values_OI * state.keep_masks[path]

        assert torch.equal(expected, state.low_precision[path].values_OI)
        assert torch.equal(codes.low_precision[path].scales_O, state.low_precision[path].scales_O)


def test_a_method_that_changes_weights_cannot_follow(dense):
    stage = Stage("prune", "sparsegpt", {"pattern": "2:4", "compat": "exact", "propagate": "pruned"})

    with pytest.raises(SparsityReportError, match="sparsegpt changes weights that were quantised before"):
        after(dense, RTN, stage)


@pytest.mark.parametrize("second", ["random", "magnitude"])
def test_what_is_pruned_once_stays_pruned(dense, second):
    """A second stage may keep a weight that the first removed: it is zero already, and stays so."""
    params = {"pattern": "unstructured", "sparsity": "0.5", "scope": "layer", "compat": "exact"}
    first = after(dense, magnitude(**params))
    both = after(first, Stage("prune", second, params, 3))
    for matrix in both.targets:
        path = matrix.shape.path
        removed = ~first.keep_masks[path]

        assert (~both.keep_masks[path])[removed].all()
        assert not both.weight_OI(matrix)[removed].any()
        if second == "magnitude":
            assert torch.equal(first.keep_masks[path], both.keep_masks[path])
        else:
            assert both.keep_masks[path].sum() < first.keep_masks[path].sum()


def test_the_pattern_of_the_first_stage_outlives_an_unstructured_one(dense):
    """2:4, then single weights: every group still fits the packed form."""
    params = {"pattern": "unstructured", "sparsity": "0.7", "scope": "layer", "compat": "exact"}
    state = after(dense, magnitude(), magnitude(**params))

    assert state.pattern == Pattern(2, 4)
    assert torch.allclose(
        logits(build(state, FormatChoice("masked")).model), logits(build(state, FormatChoice("nm")).model), atol=1e-5
    )
    assert replace(state, pattern=Pattern()).pattern != state.pattern


def test_half_precision_models_are_quantised_from_their_own_weights(build_tiny):
    """The scale is a float32, and the node's weights are the products rounded once to the model's type."""
    state = dense_state(build_tiny("opt").bfloat16())
    found = quantize(state, RTN, None).state
    matrix = found.targets[0]
    low = found.low_precision[matrix.shape.path]
    by_hand = (low.values_OI.double() * low.scales_O.double()[:, None]).bfloat16()

    assert found.weight_OI(matrix).dtype == torch.bfloat16
    assert torch.equal(by_hand, found.weight_OI(matrix))
    assert prune(found, magnitude(), Sight(None)).state.weight_OI(matrix).dtype == torch.bfloat16
