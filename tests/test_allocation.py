"""Allocations against hand-computed cases and the reference's own numbers; counts stay exact."""

from __future__ import annotations

from decimal import Decimal

import pytest
import torch
from pydantic import ValidationError

from sparsity_report import registry
from sparsity_report.allocation import Evidence
from sparsity_report.contracts import MatrixShape, Pattern
from sparsity_report.counting import matrix_counts, prune_count
from sparsity_report.errors import SpecError

HALF = Decimal("0.5")
EVIDENCE = Evidence({0: 1.0, 1: 3.0, 2: 2.0}, {0: 0.1, 1: 0.001, 2: 0.01})
SHAPES = [
    MatrixShape(f"layers.{block}.{name}", name, group, block, rows, cols)
    for block in range(3)
    for name, group, rows, cols in (("q", "attention_linear", 8, 8), ("fc1", "mlp_linear", 32, 8))
]


def allocate(name: str, asked: Decimal = HALF, shapes=SHAPES, evidence: Evidence = EVIDENCE, **params):
    module = registry.get("allocation", name)
    return module.allocate(shapes, asked, evidence, module.Params(**params))


@pytest.mark.parametrize("name", registry.names("allocation"))
def test_every_rule_keeps_its_promises(name):
    """A share in 0..1 for every matrix, exact in total through counting, and said what it is."""
    params = {"sparsity": {"*.fc1": 0.6}} if name == "manual" else {}
    module = registry.get("allocation", name)
    for sparsity in map(Decimal, ("0", "0.3", "0.5", "0.7")):
        if name == "manual" and sparsity != HALF:
            continue
        shares = allocate(name, sparsity, **params)
        counts = matrix_counts(SHAPES, Pattern(), sparsity, shares)
        assert set(shares) == {shape.path for shape in SHAPES}
        assert all(0 <= share <= 1 for share in shares.values())
        assert sum(counts.values()) == prune_count(sum(shape.numel for shape in SHAPES), sparsity)
    assert module.INFO.name == name
    assert module.INFO.summary
    assert module.INFO.equation
    assert module.INFO.spoken
    assert module.INFO.cite
    assert {"minimum", "maximum"} <= set(module.Params.model_fields)


def test_erk_keeps_more_of_small_matrices():
    """By hand: raw densities 16/64 and 40/256 (rows + columns over weights): ε makes 3·(16 + 40)·ε = half of 960."""
    epsilon = 480 / (3 * 56)
    shares = allocate("erk")

    assert shares["layers.0.q"] == pytest.approx(1 - epsilon * 16 / 64)
    assert shares["layers.0.fc1"] == pytest.approx(1 - epsilon * 40 / 256)


def test_erk_leaves_what_would_be_denser_than_dense():
    """By hand: at 10 % ε·16/64 exceeds 1: q stays dense and fc1 alone gives up the 96 weights."""
    shares = allocate("erk", Decimal("0.1"))

    assert shares["layers.0.q"] == 0
    assert shares["layers.0.fc1"] == pytest.approx(96 / 768)


def test_owl_gives_the_references_numbers_for_equal_blocks():
    """
    T38: by the authors' rule: outlier ratios 1, 3, 2 scale to 0, 0.16, 0.08 at λ = 0.08, less their mean 0.08: the
    block with most outliers is the densest.
    """
    shares = allocate("owl", Decimal("0.7"))

    assert [shares[f"layers.{block}.q"] for block in range(3)] == pytest.approx([0.78, 0.62, 0.70])
    assert shares["layers.1.q"] == shares["layers.1.fc1"]


def test_owl_on_unequal_blocks_still_hits_the_total():
    """T38: the authors' unweighted mean would miss it; counting shifts all blocks together."""
    shapes = [MatrixShape(f"{block}", "m", "mlp_linear", block, 10 * (1 + 9 * block), 10) for block in range(2)]
    shares = allocate("owl", Decimal("0.5"), shapes, Evidence({0: 1.0, 1: 2.0}), spread=0.2)
    counts = matrix_counts(shapes, Pattern(), HALF, shares)

    unweighted = sum(shares[shape.path] * shape.numel for shape in shapes)
    assert sum(counts.values()) == 550
    assert abs(unweighted - 550) > 50
    assert counts["0"] / 100 - counts["1"] / 1000 == pytest.approx(0.4, abs=0.01)


def test_blocks_that_are_alike_get_the_same():
    assert set(allocate("owl", evidence=Evidence({0: 2.0, 1: 2.0, 2: 2.0})).values()) == {0.5}


def test_outliers_are_counted_over_all_matrices_of_a_block():
    """By hand: the mean of 1, 1, 1, 1, 96 is 20: one of five lies above 4 · 20, none above 5 · 20."""
    owl = registry.get("allocation", "owl")
    scores = [torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0], [1.0], [96.0]])]

    assert owl.outlier_ratio(scores, 4.0) == 20.0
    assert owl.outlier_ratio(scores, 5.0) == 0.0


def test_sensitivity_spreads_by_the_logarithm():
    """By hand: 0.1, 0.001, 0.01 nats are evenly spaced in the logarithm: ∓ λ around the middle."""
    shares = allocate("sensitivity", spread=0.1)

    assert [shares[f"layers.{block}.q"] for block in range(3)] == pytest.approx([0.4, 0.6, 0.5])


def test_a_block_whose_loss_is_not_finite_is_the_most_sensitive():
    shares = allocate("sensitivity", evidence=Evidence({}, {0: float("inf"), 1: 0.001, 2: 0.1}))

    assert min(shares, key=lambda path: shares[path]).startswith(("layers.0", "layers.2"))
    assert shares["layers.0.q"] == shares["layers.2.q"] < shares["layers.1.q"]


def test_manual_gives_named_matrices_their_share_and_the_rest_what_is_left():
    """By hand: ⌊0.5 · 256⌋ + 2 · ⌊0.6 · 256⌋ = 434 of the 480 that are to go; three q of 64 share 46; first match."""
    shares = allocate("manual", sparsity={"layers.0.fc1": 0.5, "mlp_linear": 0.6})

    assert [shares[f"layers.{block}.fc1"] for block in range(3)] == pytest.approx([0.5, 0.6, 0.6], abs=1 / 256)
    assert shares["layers.1.q"] == pytest.approx(46 / 192)
    counts = matrix_counts(SHAPES, Pattern(), HALF, shares)
    assert [counts[f"layers.{block}.fc1"] for block in range(3)] == [128, 153, 153]
    assert sorted(counts[f"layers.{block}.q"] for block in range(3)) == [15, 15, 16]


def test_what_manual_names_is_exact_on_a_real_models_shapes():
    """⌊n·g⌋ of every named matrix of OPT-125M, and ⌊N·s⌋ of all."""
    shapes = [
        MatrixShape(f"layers.{block}.{name}", name, group, block, rows, cols)
        for block in range(12)
        for name, group, rows, cols in (
            *((part, "attention_linear", 768, 768) for part in ("q", "k", "v", "out")),
            ("fc1", "mlp_linear", 3072, 768),
            ("fc2", "mlp_linear", 768, 3072),
        )
    ]
    asked = Decimal("0.613")
    shares = allocate("manual", asked, shapes, sparsity={"layers.1?.fc2": 0.29, "layers.0.q": 0.0, "*.k": 0.7})
    counts = matrix_counts(shapes, Pattern(), asked, shares)

    assert {counts[f"layers.{block}.fc2"] for block in (10, 11)} == {684_195}  # 3072 · 768 · 0.29 = 684,195.84
    assert {counts[f"layers.{block}.k"] for block in range(12)} == {412_876}  # 768 · 768 · 0.7 = 412,876.8
    assert counts["layers.0.q"] == 0
    assert sum(counts.values()) == 52_064_944  # 84,934,656 · 0.613 = 52,064,944.1


@pytest.mark.parametrize(("bounds", "named"), [({"maximum": 0.8}, 0.9), ({"minimum": 0.2}, 0.1), ({}, 0.995)])
def test_manual_refuses_names_outside_of_its_bounds(bounds, named):
    """A share that the bounds would cut would not be the named one."""
    with pytest.raises(ValidationError, match="outside of the bounds"):
        allocate("manual", sparsity={"mlp_linear": named}, **bounds)


@pytest.mark.parametrize("name", ["uniform", "erk", "owl", "sensitivity"])
def test_bounds_hold_and_the_total_stays(name):
    module = registry.get("allocation", name)
    params = module.Params(minimum=0.48, maximum=0.52)
    shares = module.allocate(SHAPES, HALF, EVIDENCE, params)
    counts = matrix_counts(SHAPES, Pattern(), HALF, shares, (params.minimum, params.maximum))

    assert sum(counts.values()) == 480
    assert all(0.48 <= counts[each.path] / each.numel <= 0.52 for each in SHAPES)


def test_bounds_in_the_wrong_order_are_refused():
    with pytest.raises(ValidationError, match=r"minimum 0\.6 is more than maximum 0\.5"):
        registry.get("allocation", "erk").Params(minimum=0.6, maximum=0.5)


@pytest.mark.parametrize("name", ["owl", "sensitivity"])
def test_rules_for_blocks_need_a_block(name):
    with pytest.raises(SpecError, match="none of them was measured"):
        allocate(name, evidence=Evidence())


def test_blocks_that_were_not_scanned_lie_between_their_neighbours():
    """By hand: blocks 0 and 2 have logarithms −1 and −3 to base ten: block 1 is at −2, the middle."""
    shares = allocate("sensitivity", evidence=Evidence({}, {0: 0.1, 2: 0.001}), spread=0.1)

    assert [shares[f"layers.{block}.q"] for block in range(3)] == pytest.approx([0.4, 0.5, 0.6])


def test_matrices_outside_of_the_blocks_stay_at_the_mean():
    head = MatrixShape("lm_head", "lm_head", "lm_head", -1, 16, 8)

    assert allocate("owl", shapes=[*SHAPES, head])["lm_head"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"*.fc9": 0.5}, "no group and no glob"),
        ({"mlp_linear": 0.9}, "the others would have to lose"),
        ({"*": 0.3}, "every matrix is named"),
    ],
)
def test_manual_refuses_what_cannot_be(named, message):
    with pytest.raises(SpecError, match=message):
        allocate("manual", sparsity=named)
