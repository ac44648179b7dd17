"""What is kept and stored, by arithmetic, against masks that were really selected and tensors that were encoded."""

from __future__ import annotations

import pytest
import torch

from sparsity_report import registry
from sparsity_report.accounting import kept_weights, target_bytes, unit_sizes
from sparsity_report.contracts import FormatChoice, MatrixShape, Pattern, Stage
from sparsity_report.counting import group_count, matrix_counts
from sparsity_report.selection import keep_masks

SHAPES = [
    MatrixShape(f"layers.{block}.{name}", name, "mlp_linear", block, rows, cols)
    for block in range(2)
    for name, rows, cols in (("a", 8, 12), ("b", 12, 8), ("c", 9, 11))
]
EVEN = [MatrixShape(f"layers.{block}.a", "a", "mlp_linear", block, 8, 12) for block in range(3)]


def stage(pattern: str, scope: str, sparsity: str = "0.37", **more) -> Stage:
    own = {} if Pattern.parse(pattern).is_nm else {"sparsity": sparsity, "scope": scope}
    return Stage("prune", "magnitude", {"pattern": pattern, "compat": "exact", **own, **more})


def selected(shapes: list[MatrixShape], made: Stage) -> int:
    """Weights that selection really keeps."""
    generator = torch.Generator().manual_seed(0)
    scores = {each.path: torch.rand(each.rows, each.cols, generator=generator) for each in shapes}
    counts = matrix_counts(shapes, made.pattern, made.sparsity)
    groups = [[each for each in shapes if each.block == block] for block in range(3)]
    kept = 0
    for group in groups if made.scope == "block" else [shapes]:
        masks = keep_masks(
            [scores[each.path] for each in group],
            pattern=made.pattern,
            scope="global" if made.scope == "block" else made.scope,
            counts=[counts[each.path] for each in group],
            total=group_count(group, made.sparsity),
            sparsity=made.sparsity,
            compat="exact",
        )
        kept += sum(int(mask.sum()) for mask in masks)
    return kept


@pytest.mark.parametrize("scope", ["global", "block", "layer", "row"])
@pytest.mark.parametrize("sparsity", ["0", "0.37", "0.9"])
def test_kept_weights_are_exact_for_single_weights(scope, sparsity):
    made = stage("unstructured", scope, sparsity)

    assert kept_weights(SHAPES, [made]) == selected(SHAPES, made)


@pytest.mark.parametrize("pattern", ["2:4", "1:4", "4:8"])
def test_kept_weights_are_exact_for_n_of_m(pattern):
    made = stage(pattern, "")

    assert kept_weights(SHAPES, [made]) == selected(SHAPES, made)


@pytest.mark.parametrize("pattern", ["row", "column", "block:4x4", "block:2x3"])
@pytest.mark.parametrize("scope", ["global", "block", "layer"])
@pytest.mark.parametrize("sparsity", ["0", "0.37", "0.9"])
def test_kept_weights_are_exact_for_units_of_one_size(pattern, scope, sparsity):
    made = stage(pattern, scope, sparsity)

    assert kept_weights(EVEN, [made]) == selected(EVEN, made)


@pytest.mark.parametrize("pattern", ["row", "column", "block:4x4", "block:5x3"])
@pytest.mark.parametrize("scope", ["global", "block", "layer"])
@pytest.mark.parametrize("sparsity", ["0", "0.01", "0.37", "0.9"])
def test_kept_weights_are_the_most_for_units_of_several_sizes(pattern, scope, sparsity):
    """Never fewer than are left, and less than one unit of each comparison group more."""
    made = stage(pattern, scope, sparsity)
    groups = {"global": 1, "block": 2, "layer": len(SHAPES)}[scope]
    largest = max(size for each in SHAPES for size in unit_sizes(each, made.pattern))

    assert 0 <= kept_weights(SHAPES, [made]) - selected(SHAPES, made) < groups * largest


def test_an_allocation_does_not_change_what_is_kept_in_total():
    """⌊N·s⌋ of all, where each by itself would lose its own floor."""
    uneven = stage("unstructured", "layer", allocation={"use": "erk"})

    assert kept_weights(SHAPES, [uneven]) == 582 - 215  # 0.37 · 582 = 215.34
    assert kept_weights(SHAPES, [stage("unstructured", "layer")]) == 582 - 2 * (35 + 35 + 36)


def test_tiles_at_an_edge_are_smaller():
    """By hand: 9 × 11 in tiles of 4 × 4: 16, 4 × 3, 1 × 4 and 1 × 3."""
    assert unit_sizes(SHAPES[2], Pattern.parse("block:4x4")) == {16, 12, 4, 3}
    assert unit_sizes(SHAPES[2], Pattern.parse("row")) == {11}
    assert unit_sizes(SHAPES[2], Pattern.parse("column")) == {9}
    assert unit_sizes(SHAPES[0], Pattern.parse("block:4x4")) == {16}
    assert unit_sizes(SHAPES[0], Pattern.parse("block:99x99")) == {96}


def test_one_order_is_stored_for_all_slices_of_a_fused_projection():
    """A module gathers its input once: 32 numbers of 16 bits, beside the packed weight's own bytes."""
    slices = [MatrixShape(f"block.0.qkv:{part}", f"qkv:{part}", "attention_linear", 0, 32, 32) for part in "qkv"]
    nm = registry.get("formats", "nm")
    own = nm.stored_bytes(96, 32, 0, 4, Pattern(2, 4), nm.Params())

    plain = target_bytes(slices, FormatChoice("nm"), 0, 4, Pattern(2, 4))
    permuted = target_bytes(slices, FormatChoice("nm"), 0, 4, Pattern(2, 4), permuted=True)

    assert plain == own
    assert permuted == own | {"permutation": 64}
    assert "permutation" not in target_bytes(slices, FormatChoice("csr"), 10, 4, Pattern(2, 4), permuted=True)
