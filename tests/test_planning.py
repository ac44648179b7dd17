"""A spec becomes cells: products, shared nodes, stable keys; and the arithmetic of their bytes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sparsity_report import accounting, estimate
from sparsity_report.contracts import FormatChoice, Pattern
from sparsity_report.models import arithmetic
from sparsity_report.models.arithmetic import known_config
from sparsity_report.planning import nodes_of, parent_of, plan_cells
from sparsity_report.spec.model import Spec

MIB = 2**20


def spec(*variants: dict, **more) -> Spec:
    tables = {
        "spec_version": 1,
        "study": {"title": "t"},
        "model": ({"source": "facebook/opt-125m"},),
        "data": {"evaluation": {"source": "embedded"}},
        "variant": variants,
    }
    return Spec.model_validate(tables | more)


COURSE = {"method": "magnitude", "scope": "global", "sparsity": Decimal("0.30"), "format": ["masked", "csr"]}


def test_a_variant_is_the_product_of_its_lists_and_dense_is_implicit():
    cells = plan_cells(
        spec({"method": ["magnitude", "random"], "sparsity": [Decimal("0.3"), Decimal("0.5")], "format": "masked"})
    )

    slugs = [cell.id.rpartition("-")[0] for cell in cells]
    assert slugs == [
        "dense",
        "magnitude-layer-30-masked",
        "magnitude-layer-50-masked",
        "random-layer-30-masked",
        "random-layer-50-masked",
    ]


def test_formats_of_one_mask_are_leaves_under_one_node():
    cells = plan_cells(spec(COURSE))

    assert len(cells) == 3
    assert len(nodes_of(cells)) == 2


def test_equal_stages_of_different_variants_share_their_node():
    """0.3 and 0.30 are the same sparsity; the same cell twice is one cell."""
    cells = plan_cells(
        spec(
            COURSE, {"method": "magnitude", "scope": "global", "sparsity": Decimal("0.3"), "format": ["masked", "csr"]}
        )
    )

    assert len(cells) == 3


def test_a_cell_of_two_variants_stands_where_it_comes_first():
    sweep = COURSE | {"id": "sweep", "sparsity": [Decimal("0.1"), Decimal("0.3")], "format": "masked"}
    cells = plan_cells(spec(COURSE | {"id": "course"}, sweep))

    assert [cell.variant for cell in cells] == ["dense", "course", "course", "sweep"]


def test_keys_change_with_what_changes_numbers_and_with_nothing_else():
    def node(**changes):
        more = {name: changes.pop(name) for name in ("target", "study") if name in changes}
        return plan_cells(spec(COURSE | changes, **more))[1].node.key

    assert node() == node(id="another") == node(format=["masked"]) == node(study={"title": "other", "seed": 7})
    assert node() == node(target={"reason": "because"})
    different = {node(), node(scope="layer"), node(sparsity=Decimal("0.31")), node(compat="reference")}
    assert len(different | {node(target={"groups": ("mlp_linear",)})}) == 5


def test_the_scans_settings_matter_only_to_the_allocation_that_reads_it():
    def node(allocation, scanned):
        calibration = {"source": "embedded", "split": "train", "windows": 4}
        data = {"evaluation": {"source": "embedded"}, "calibration": calibration}
        metrics = {"sensitivity": {"sparsity": Decimal(scanned)}}
        chosen = {"method": "magnitude", "sparsity": Decimal("0.3"), "format": "masked", "allocation": allocation}
        return plan_cells(spec(chosen, data=data, metrics=metrics))[1].node.key

    assert node("sensitivity", "0.5") != node("sensitivity", "0.7")
    assert node("owl", "0.5") == node("owl", "0.7")


def test_the_seed_matters_only_to_methods_that_use_it():
    def node(method, seed):
        return plan_cells(spec(COURSE | {"method": method, "seed": seed}))[1].node.key

    assert node("magnitude", 0) == node("magnitude", 1)
    assert node("random", 0) != node("random", 1)


def test_the_reference_is_timed_where_anything_is():
    """It anchors the ratios and gives the noise floor."""
    timed = {"use": ("latency",), "latency": {"variants": ("course",)}}
    cells = plan_cells(
        spec(
            COURSE | {"id": "course"},
            {"method": "random", "sparsity": Decimal("0.3"), "format": "masked"},
            metrics=timed,
        )
    )

    assert [cell.timed for cell in cells] == [True, True, True, False]
    assert not any(cell.timed for cell in plan_cells(spec(COURSE, metrics={"use": ("storage",)})))


def test_opt_125m_has_the_published_accounting():
    """The corrected course paper: parameters, bytes and break-even of OPT-125M, without weights."""
    study = spec(COURSE | {"format": ["masked", "csr", {"use": "csr", "index": "int64"}]})
    shape = arithmetic.shape_of(known_config("facebook/opt-125m"))
    found = estimate.account(shape, study, study.model[0], plan_cells(study))
    sizes = [round(cell["model_bytes"] / MIB, 2) for cell in found["cells"].values()]

    assert (found["parameters"], found["prunable"]) == (125_239_296, 84_934_656)
    assert sizes[:2] == [477.75, 477.75]
    assert sizes[2] == pytest.approx(607.7, abs=0.05)
    assert sizes[3] == pytest.approx(834.8, abs=0.05)
    assert found["break_even"]["csr-int32"] == pytest.approx(0.5005, abs=5e-5)
    assert found["break_even"]["csr-int64"] == pytest.approx(0.6673, abs=5e-5)


def test_break_even_is_where_the_bytes_are_equal():
    """One weight more kept than at break-even is more than dense, by the closed form for one matrix."""
    from sparsity_report.contracts import MatrixShape

    matrix = MatrixShape("m", "m", "mlp_linear", 0, 64, 96)
    found = accounting.break_even([matrix], FormatChoice("csr", {"index": "int32"}), 4, Pattern())

    kept = (64 * 96 * 4 - 65 * 4) // 8
    assert 1 - kept / (64 * 96) == found


def test_packed_formats_that_always_fit_break_even_at_zero_and_tiny_ones_never():
    from sparsity_report.contracts import MatrixShape

    wide, thin = MatrixShape("m", "m", "mlp_linear", 0, 64, 96), MatrixShape("m", "m", "mlp_linear", 0, 64, 1)

    assert accounting.break_even([wide], FormatChoice("nm"), 4, Pattern(2, 4)) == 0.0
    assert accounting.break_even([thin], FormatChoice("csr", {"index": "int64"}), 4, Pattern()) is None


def test_slices_of_a_fused_projection_are_stored_as_one_module():
    from sparsity_report.contracts import MatrixShape

    parts = [MatrixShape(f"block.0.qkv:{part}", f"qkv:{part}", "attention_linear", 0, 32, 32) for part in "qkv"]

    assert accounting.modules_of(parts) == [(96, 32)]


STEPS = ({"prune": "magnitude", "sparsity": [Decimal("0.3"), Decimal("0.5")]}, {"quantize": "rtn", "bits": (8, 4)})


def test_steps_are_stages_in_their_order_and_their_lists_multiply():
    cells = plan_cells(spec({"step": STEPS, "format": ["masked", "csr"]}))

    slugs = [cell.id.rpartition("-")[0] for cell in cells[1:]]
    assert slugs[:2] == ["magnitude-layer-30-rtn-8-masked", "magnitude-layer-30-rtn-8-csr"]
    assert len(slugs) == 2 * 2 * 2
    assert [stage.op for stage in cells[1].node.stages] == ["prune", "quantize"]
    assert cells[1].node.stages[1].params == {"bits": 8}


def test_one_step_is_the_short_form():
    """Two spellings of one stage are one cell."""
    keys = {"scope": "global", "sparsity": Decimal("0.3")}
    short = {"method": "magnitude", **keys, "format": "csr"}
    long = {"step": ({"prune": "magnitude", **keys},), "format": "csr"}

    assert plan_cells(spec(short)) == plan_cells(spec(long))
    assert len(plan_cells(spec(short, long))) == 2


def test_a_quantizers_parameters_stand_in_the_step_or_under_its_name():
    inside = {"step": ({"quantize": "rtn", "bits": 4},), "format": "dense"}
    under = {"step": ({"quantize": "rtn"},), "format": "dense", "params": {"rtn": {"bits": 4}}}

    assert plan_cells(spec(inside)) == plan_cells(spec(under))


def test_the_order_of_steps_is_another_state():
    magnitude, rtn = STEPS[0] | {"sparsity": Decimal("0.3")}, {"quantize": "rtn"}
    cells = plan_cells(spec({"step": (magnitude, rtn), "format": "csr"}, {"step": (rtn, magnitude), "format": "csr"}))

    assert len(nodes_of(cells)) == 3


def test_the_parent_of_a_node_is_the_node_of_its_first_stages():
    """Variants that share their first stages share the state."""
    study = spec({"step": STEPS, "format": "masked"}, COURSE | {"scope": "layer"})
    *quantised, pruned = nodes_of(plan_cells(study))[1:4] + nodes_of(plan_cells(study))[-1:]

    assert parent_of(study, study.model[0], quantised[0]) == pruned
    assert parent_of(study, study.model[0], pruned).stages == ()


def test_bytes_of_a_quantised_state_are_codes_and_scales():
    """OPT-125M, 30 % of 84,934,656 gone: a code and a 4-byte index each, pointers and a scale a row (82,944 rows)."""
    study = spec({"step": STEPS, "format": ["csr", "dense", "masked"]})
    shape = arithmetic.shape_of(known_config("facebook/opt-125m"))
    found = list(estimate.account(shape, study, study.model[0], plan_cells(study))["cells"].values())[1:4]
    kept, rows = 84_934_656 - 25_480_396 + 28, 12 * (4 * 768 + 3072 + 768)

    csr, dense, masked = (cell["target_bytes"] for cell in found)
    assert dense == 84_934_656 + 4 * rows
    assert masked == 4 * 84_934_656
    assert csr == pytest.approx(kept * 5 + 4 * (rows + 72) + 4 * rows, abs=5 * 72)


def test_break_even_of_a_quantised_state_is_against_dense_in_the_models_type():
    """By the closed form for one matrix: 4 bytes a weight against 5 a kept one, pointers and scales."""
    from sparsity_report.contracts import MatrixShape, Values

    matrix = MatrixShape("m", "m", "mlp_linear", 0, 64, 96)
    found = accounting.break_even([matrix], FormatChoice("csr", {"index": "int32"}), 4, Pattern(), Values("int8", True))

    kept = (64 * 96 * 4 - 65 * 4 - 64 * 4) // 5
    assert 1 - kept / (64 * 96) == found
