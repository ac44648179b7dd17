"""A spec becomes cells: products, shared nodes, stable keys; and the arithmetic of their bytes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sparsity_report import accounting, estimate
from sparsity_report.contracts import FormatChoice, Pattern
from sparsity_report.models import arithmetic
from sparsity_report.models.arithmetic import known_config
from sparsity_report.planning import nodes_of, plan_cells
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
