"""A prune stage on tiny real models: counts, comparison groups, permutations, gradients, and what is left alone."""

from __future__ import annotations

from decimal import Decimal

import pytest
import torch
from torch.nn.functional import cross_entropy

from sparsity_report import registry
from sparsity_report.contracts import FormatChoice, Pattern, Stage
from sparsity_report.counting import prune_count
from sparsity_report.engine.gradients import gradients_of
from sparsity_report.engine.pruning import Sight, prune
from sparsity_report.engine.state import ModelState
from sparsity_report.engine.variant import build
from sparsity_report.errors import SparsityReportError
from sparsity_report.models.anatomy import anatomy
from sparsity_report.models.blocks import ResidentBlocks

ARCHITECTURES = ["opt", "llama", "gpt2", "gpt_neox"]
WALKED = [
    name
    for name in registry.names("methods")
    if {"sq_sum", "gram"} & set(registry.get("methods", name).NEEDS) and hasattr(registry.get("methods", name), "score")
]


@pytest.fixture(params=ARCHITECTURES)
def dense(request, build_tiny):
    return tiny_state(build_tiny(request.param))


@pytest.fixture
def llama(build_tiny):
    return tiny_state(build_tiny("llama"))


def tiny_state(model):
    parts = anatomy(model)
    return ModelState(model, parts, tuple(matrix for matrix in parts.matrices if matrix.shape.block >= 0))


def ids():
    return torch.randint(2, 96, (6, 12), generator=torch.Generator().manual_seed(1))


def sight(state, **more):
    return Sight(ResidentBlocks(state.model, state.anatomy.blocks_path), ids(), **more)


def stage(method, *, pattern="unstructured", sparsity="0.5", scope=None, seed=0, **params):
    module = registry.get("methods", method)
    given = {"pattern": pattern, "compat": "exact", "propagate": "pruned"}
    if not Pattern.parse(pattern).is_nm:
        given |= {"sparsity": sparsity, "scope": scope or module.DEFAULT_SCOPE}
    return Stage("prune", method, given | module.Params().model_dump(mode="json") | params, seed)


def pruned_counts(state):
    return {path: int((~keep_mask).sum()) for path, keep_mask in state.keep_masks.items()}


METHODS = [name for name in registry.names("methods") if name != "given"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_removes_exactly_the_same_number(dense, method):
    """Counts are the engine's, not the method's: ⌊n·s⌋ of every matrix, on every architecture."""
    state = prune(dense, stage(method, sparsity="0.3"), sight(dense)).state

    for matrix in dense.targets:
        assert pruned_counts(state)[matrix.shape.path] == prune_count(matrix.shape.numel, Decimal("0.3"))
        weight = state.weight_OI(matrix)
        assert (weight[~state.keep_masks[matrix.shape.path]] == 0).all()
        assert torch.isfinite(weight).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pattern", ["2:4", "1:4", "4:8"])
def test_every_method_keeps_n_of_m(llama, method, pattern):
    """T6: N counts the kept, in groups along in_features of every row."""
    state = prune(llama, stage(method, pattern=pattern), sight(llama)).state
    parsed = Pattern.parse(pattern)

    for matrix in llama.targets:
        kept = state.keep_masks[matrix.shape.path].view(matrix.shape.rows, -1, parsed.m).sum(-1)
        assert (kept == parsed.n).all()


@pytest.mark.parametrize("pattern", ["row", "column", "block:4x4", "block:1x8"])
@pytest.mark.parametrize("scope", ["layer", "block", "global"])
def test_units_are_removed_whole(llama, pattern, scope):
    """Rows, columns and tiles go as one; the total is within one unit of what was asked."""
    state = prune(llama, stage("magnitude", pattern=pattern, scope=scope, sparsity="0.4"), sight(llama)).state
    parsed = Pattern.parse(pattern)
    for matrix in llama.targets:
        keep_mask, rows, cols = state.keep_masks[matrix.shape.path], matrix.shape.rows, matrix.shape.cols
        height = {"row": 1, "column": rows}.get(pattern, parsed.height)
        width = {"row": cols, "column": 1}.get(pattern, parsed.width)
        tiles = keep_mask.view(rows // height, height, cols // width, width).permute(0, 2, 1, 3).flatten(2)
        assert (tiles.all(-1) | ~tiles.any(-1)).all()
    total = sum(pruned_counts(state).values())
    wanted = sum(matrix.shape.numel for matrix in llama.targets) * 0.4
    units = 1 if scope == "global" else 2 if scope == "block" else len(llama.targets)
    assert wanted - units * 48 * 32 < total <= wanted + 1e-6


@pytest.mark.parametrize("method", ["magnitude", *WALKED])
def test_within_a_decoder_block_matrices_compete(llama, method):
    """Scope block: each decoder block loses ⌊n·s⌋, its matrices not the same share."""
    state = prune(llama, stage(method, scope="block"), sight(llama)).state
    counts = pruned_counts(state)
    for block in (0, 1):
        shapes = [matrix.shape for matrix in llama.targets if matrix.shape.block == block]
        assert sum(counts[shape.path] for shape in shapes) == prune_count(sum(s.numel for s in shapes), Decimal("0.5"))
        assert len({round(counts[shape.path] / shape.numel, 3) for shape in shapes}) > 1


@pytest.mark.parametrize("method", ["magnitude", *WALKED])
def test_globally_all_matrices_compete(llama, method):
    state = prune(llama, stage(method, scope="global", propagate="dense"), sight(llama)).state

    total = sum(matrix.shape.numel for matrix in llama.targets)
    assert sum(pruned_counts(state).values()) == prune_count(total, Decimal("0.5"))


def test_wanda_on_a_model_is_wanda_on_its_inputs(llama):
    """End to end against a direct computation: the first block's scores from a forward of the whole model."""
    state = prune(llama, stage("wanda"), sight(llama)).state
    for matrix in llama.targets:
        if matrix.shape.block > 0:
            continue
        seen = []
        if matrix.shape.name.endswith(("q_proj", "k_proj", "v_proj")):
            handle = llama.model.get_submodule(matrix.module).register_forward_pre_hook(
                lambda module, args, seen=seen: seen.append(args[0].flatten(0, 1))
            )
            with torch.inference_mode():
                llama.model(input_ids=ids())
            handle.remove()
            score = llama.model.get_submodule(matrix.module).weight.abs() * torch.cat(seen).norm(dim=0)
            expected = score.argsort(dim=1)[:, : matrix.shape.cols // 2]
            found = state.keep_masks[matrix.shape.path]
            assert not found.gather(1, expected).any()


def test_sparsegpt_reconstructs_better_than_its_mask_alone(llama):
    """T30: the weight update lands in the model: kept weights differ, and the block's outputs are nearer."""
    result = prune(llama, stage("sparsegpt", sparsity="0.6", propagate="dense"), sight(llama)).state
    mask_only = ModelState(llama.model, llama.anatomy, llama.targets, result.pattern, dict(result.keep_masks))

    def error(state):
        with torch.inference_mode():
            own = build(state, FormatChoice("masked")).model(input_ids=ids(), output_hidden_states=True)
            true = llama.model(input_ids=ids(), output_hidden_states=True)
        return float((own.hidden_states[1] - true.hidden_states[1]).norm())

    assert set(result.changed_weights) == {matrix.shape.path for matrix in llama.targets}
    assert error(result) < 0.9 * error(mask_only)


def test_a_permutation_keeps_more_of_the_score_and_still_n_of_m(build_tiny):
    """The mask holds 2:4 in the permuted order, one order a module, and its score is not below the plain mask's."""
    state = tiny_state(build_tiny("gpt_neox"))
    plain = prune(state, stage("wanda", pattern="2:4", propagate="dense"), sight(state)).state
    permuted = prune(state, stage("wanda", pattern="2:4", propagate="dense", permute=True), sight(state)).state

    assert set(permuted.permutations) == {matrix.module for matrix in state.targets}
    kept = {"plain": 0.0, "permuted": 0.0}
    for matrix in state.targets:
        keep_mask = permuted.keep_masks[matrix.shape.path]
        order = permuted.permutations[matrix.module]
        groups = keep_mask[:, order].view(matrix.shape.rows, -1, 4).sum(-1)
        assert (groups == 2).all()
        weight = state.weight_OI(matrix).abs()
        kept["plain"] += float(weight[plain.keep_masks[matrix.shape.path]].sum())
        kept["permuted"] += float(weight[keep_mask].sum())
    assert kept["permuted"] > kept["plain"]


def test_sparsegpt_takes_a_permutation_too(llama):
    state = prune(llama, stage("sparsegpt", pattern="2:4", permute=True), sight(llama)).state

    for matrix in llama.targets:
        weight = state.weight_OI(matrix)[:, state.permutations[matrix.module]]
        assert ((weight != 0).view(matrix.shape.rows, -1, 4).sum(-1) <= 2).all()


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_gradients_are_those_of_the_mean_loss(build_tiny, name):
    """Against autograd on the whole batch at once; a transposed Conv1D comes out as (O, I)."""
    state = tiny_state(build_tiny(name))
    found = gradients_of(state, ids())
    for parameter in state.model.parameters():
        parameter.requires_grad_(True)
    logits = state.model(input_ids=ids()).logits[:, :-1]
    cross_entropy(logits.flatten(0, 1), ids()[:, 1:].flatten()).backward()

    for matrix in state.targets:
        own = state.model.get_submodule(matrix.module).weight.grad
        whole = own.t() if matrix.transposed else own
        rows = slice(matrix.rows.start, matrix.rows.start + matrix.rows.length)
        assert torch.allclose(found[matrix.shape.path], whole[rows], atol=1e-5)


def test_the_dense_model_keeps_its_weights_and_needs_no_gradient_afterwards(dense):
    before = {name: parameter.clone() for name, parameter in dense.model.named_parameters()}
    for method in METHODS:
        prune(dense, stage(method), sight(dense))

    for name, parameter in dense.model.named_parameters():
        assert torch.equal(before[name], parameter)
        assert parameter.grad is None
        assert not parameter.requires_grad


def test_the_same_stage_twice_gives_the_same_bits(llama):
    """T35: on a CPU, masks and weights are equal bit for bit."""
    for method in METHODS:
        first, second = (prune(llama, stage(method), sight(llama)).state for _ in range(2))
        for matrix in llama.targets:
            assert torch.equal(first.weight_OI(matrix), second.weight_OI(matrix)), method


def test_an_allocation_gives_every_matrix_its_own_count_and_the_same_total(llama):
    chosen = {"use": "erk", **registry.get("allocation", "erk").Params().model_dump(mode="json")}
    made = prune(llama, stage("magnitude", allocation=chosen), sight(llama))
    total = sum(matrix.shape.numel for matrix in llama.targets)

    assert sum(pruned_counts(made.state).values()) == prune_count(total, Decimal("0.5"))
    assert len(set(made.requested)) > 1
    for matrix, share in zip(llama.targets, made.requested, strict=True):
        assert pruned_counts(made.state)[matrix.shape.path] == pytest.approx(share * matrix.shape.numel, abs=0.5)


def test_an_allocation_over_decoder_blocks_holds_where_their_matrices_compete(llama):
    """Scope block: a block loses what the allocation gives its matrices together, not the same share as all."""
    shares = {matrix.shape.path: (0.4, 0.6)[matrix.shape.block] for matrix in llama.targets}
    chosen = {"use": "manual", "sparsity": {"*.layers.0.*": 0.4}, "minimum": 0.0, "maximum": 0.99}
    state = prune(llama, stage("magnitude", scope="block", allocation=chosen), sight(llama)).state
    for block in (0, 1):
        paths = [matrix.shape.path for matrix in llama.targets if matrix.shape.block == block]
        removed = sum(pruned_counts(state)[path] for path in paths)
        total = sum(matrix.shape.numel for matrix in llama.targets if matrix.shape.block == block)
        assert removed / total == pytest.approx(shares[paths[0]], abs=1e-3)


def test_a_rank_deficient_hessian_is_retried_and_counted(llama):
    """T19: one window of few tokens: Σxxᵀ is singular; without damping it is retried, and the retries are told."""
    few = Sight(ResidentBlocks(llama.model, llama.anatomy.blocks_path), ids()[:1, :5])
    damped = prune(llama, stage("sparsegpt"), few)
    undamped = prune(llama, stage("sparsegpt", percdamp=0.0), few)

    assert "Cholesky retries with more damping" not in damped.fallbacks
    assert undamped.fallbacks["Cholesky retries with more damping"] > 0


def test_masks_from_elsewhere_stand_in_our_tables(llama, tmp_path):
    """`given`: what another tool has pruned, read from its files."""
    from safetensors.torch import save_file

    keep = {matrix.shape.path: torch.rand(matrix.shape.rows, matrix.shape.cols) > 0.25 for matrix in llama.targets}
    save_file(keep, tmp_path / "masks.safetensors")
    module = registry.get("methods", "given")
    params = module.Params(source="masks.safetensors").model_dump(mode="json")
    given = Stage("prune", "given", {"pattern": "unstructured", "compat": "exact", **params})
    state = prune(llama, given, sight(llama, folder=str(tmp_path))).state

    assert all(torch.equal(keep[path], keep_mask) for path, keep_mask in state.keep_masks.items())
    keep.pop(llama.targets[3].shape.path)
    save_file(keep, tmp_path / "fewer.safetensors")
    params = module.Params(source="fewer.safetensors").model_dump(mode="json")
    with pytest.raises(SparsityReportError, match=llama.targets[3].shape.path):
        prune(
            llama,
            Stage("prune", "given", {"pattern": "unstructured", "compat": "exact", **params}),
            sight(llama, folder=str(tmp_path)),
        )


def test_scores_that_are_not_finite_are_no_ranks(llama, monkeypatch):
    wanda = registry.get("methods", "wanda")
    monkeypatch.setattr(wanda, "score", lambda weight, *_: weight * torch.nan)

    with pytest.raises(ValueError, match="NaN"):
        prune(llama, stage("wanda"), sight(llama))


def test_what_pruning_took_is_told(llama):
    made = prune(llama, stage("wanda"), sight(llama))

    assert made.seconds > 0
    assert made.requested == pytest.approx([0.5] * len(llama.targets))
