"""Values by block and by name, and overlaps by block, against masks that are counted directly."""

from __future__ import annotations

import random

import pytest

from sparsity_report.report import layers, overlaps
from sparsity_report.results.model import MatrixRecord, OverlapRecord


def model_of(results, targets, numel, names):
    matrices = tuple(
        MatrixRecord(name=name, group="mlp_linear", rows=1, cols=1, count=1, targeted=True) for name in names
    )
    return (
        results("course").models[0].model_copy(update={"targets": targets, "target_numel": numel, "matrices": matrices})
    )


@pytest.mark.parametrize(
    ("path", "names", "place"),
    [
        ("model.decoder.layers.3.self_attn.q_proj", ["self_attn.q_proj", "q_proj.x"], (3, "q_proj")),
        ("gpt_neox.layers.11.attention.query_key_value:k", ["attention.query_key_value:k"], (11, "k")),
        ("transformer.h.0.mlp.c_fc", ["mlp.c_fc", "c_fc"], (0, "c_fc")),
        ("model.decoder.project_in", ["model.decoder.project_in"], (-1, "project_in")),
    ],
)
def test_a_path_tells_block_and_name(results, path, names, place):
    assert layers.layout(model_of(results, (path,), (4,), names)).places == (place,)


def test_names_that_would_coincide_stay_whole(results):
    """Two matrices of a block called "w1" would be one row of a map."""
    names = ["mlp.experts.0.w1", "mlp.experts.1.w1"]
    found = layers.layout(model_of(results, tuple(f"layers.2.{name}" for name in names), (4, 4), names))

    assert found.places == ((2, names[0]), (2, names[1]))


def test_means_are_weighted_and_leave_out_what_is_not_known(results):
    """Block 0 has 10 weights at 0.2 and 30 at 0.6: (2 + 18) / 40."""
    where = layers.layout(model_of(results, ("l.0.a", "l.0.b", "l.1.a", "l.1.b"), (10, 30, 10, 30), ["a", "b"]))

    assert where.by_block([0.2, 0.6, 0.4, None]) == pytest.approx({0: 0.5, 1: 0.4})
    assert where.by_name([0.2, 0.6, 0.4, None]) == pytest.approx({"a": 0.3, "b": 0.6})
    assert where.mean([0.2, 0.6, 0.4, None]) == pytest.approx(24 / 50)


def test_models_without_targets_have_no_layout(results):
    assert layers.layout(results("course").models[0]) is None


def test_overlap_by_block_is_that_of_the_masks(results):
    """Two random masks of four matrices of unequal size, counted weight by weight."""
    made = results("calibrated")
    draw, sizes = random.Random(1), (40, 70, 25, 90)
    one, other = ([{place for place in range(size) if draw.random() < 0.5} for size in sizes] for _ in range(2))
    targets = ("l.0.a", "l.0.b", "l.1.a", "l.1.b")
    first, second = (
        node.model_copy(
            update={"sparsity": tuple(len(mask) / size for mask, size in zip(masks, sizes, strict=True)), "model": "m"}
        )
        for node, masks in zip(made.nodes[:2], (one, other), strict=True)
    )
    record = OverlapRecord(
        model="m",
        first=first.key,
        second=second.key,
        jaccard=tuple(len(a & b) / len(a | b) for a, b in zip(one, other, strict=True)),
        total=0.3,
        chance=0.3,
    )
    model = model_of(results, targets, sizes, ["a", "b"]).model_copy(update={"id": "m"})
    altered = made.model_copy(update={"models": (model,), "nodes": (first, second), "overlaps": (record,), "cells": ()})
    [group] = overlaps.groups(altered)

    for block in (0, 1):
        pairs = list(zip(one, other, strict=True))[2 * block : 2 * block + 2]
        expected = sum(len(a & b) for a, b in pairs) / sum(len(a | b) for a, b in pairs)
        assert group.pairs[0].blocks[block] == pytest.approx(expected, rel=1e-12)


def test_seeds_of_one_state_are_compared_with_each_other_only(results):
    """Three seeds make three pairs; beside other methods only the first of them stands."""
    [half] = [group for group in overlaps.groups(results("calibrated")) if group.place == "50\u00a0%"]

    assert [pair.first for pair in half.seeds] == ["wanda"] * 3 + ["sparsegpt"] * 3
    assert len({frozenset((pair.first, pair.second)) for pair in half.pairs}) == len(half.pairs) == 10


def test_overlaps_stand_by_sparsity_and_then_by_pattern(results):
    places = [group.place.replace("\u00a0", " ") for group in overlaps.groups(results("calibrated"))]

    assert places == ["30 %", "50 %", "70 %", "2:4", "4:8"]
