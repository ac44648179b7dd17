"""Figures show the numbers of the results, all of them and no others, in the same bytes every time."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING

import pytest

from sparsity_report.report.figures import (
    block_diagram,
    break_even,
    draw_all,
    flops_by_group,
    group_sparsity,
    headline,
    latency,
    parameter_fraction,
    quality_sparsity,
    speed_vs_bytes,
    speed_vs_flops,
    storage_components,
)

from ..conftest import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from sparsity_report.report.build import ReportModel
    from sparsity_report.report.drawing import Drawing
    from sparsity_report.results.model import Results

ORDER = [
    "block_diagram", "headline", "quality_sparsity", "parameter_fraction", "group_sparsity", "flops_by_group",
    "storage_components", "break_even", "latency", "speed_vs_flops", "speed_vs_bytes", "speed_vs_sparsity",
    "pareto_bytes", "pareto_latency",
]  # fmt: skip


@pytest.fixture(scope="module")
def drawings(report: Callable[[str], ReportModel]):
    return report("course").drawings


@pytest.fixture(scope="module")
def hard(report: Callable[[str], ReportModel]):
    """The figures of two models, one of them labelled."""
    return report("hardest").drawings


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def rows(drawing: Drawing) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(drawing.csv)))


def test_every_figure_has_its_place(drawings):
    """The order is the paper's, and an id is its key."""
    assert list(drawings) == ORDER
    assert all(name == drawing.id for name, drawing in drawings.items())


@pytest.mark.parametrize("name", NAMES)
def test_every_study_is_drawn_with_words_and_data(report: Callable[[str], ReportModel], name: str):
    """No study makes a figure fail or warn, and no figure comes without caption, alternative text and data."""
    for drawing in report(name).drawings.values():
        assert ElementTree.fromstring(drawing.svg).tag.endswith("svg")
        assert all((drawing.title, drawing.alt, drawing.caption, drawing.how_to_read))
        assert len(rows(drawing)) >= 1


def test_the_same_results_give_the_same_bytes(hard: dict[str, Drawing], shown: Callable[[str], Results]):
    """Nothing in a figure depends on time, on the order of a set, or on what was drawn before."""
    assert hard == draw_all(shown("hardest"))


def test_figures_without_data_are_left_out(course: Results):
    """A study without cells keeps the figures that show the models alone; without models there is none."""
    bare = course.model_copy(update={"cells": ()})
    empty = bare.model_copy(update={"models": ()})

    assert list(draw_all(bare)) == ["block_diagram", "parameter_fraction", "break_even"]
    assert draw_all(empty) == {}


def test_failed_cells_leave_no_trace_of_numbers(report: Callable[[str], ReportModel]):
    """A study in which all cells failed has no headline, quality or timing."""
    assert list(report("every_cell_failed").drawings) == ["block_diagram", "parameter_fraction", "break_even"]


def test_a_label_stands_in_every_caption(hard: dict[str, Drawing]):
    """De-quantised weights are called so wherever their numbers stand."""
    for drawing in hard.values():
        assert "smollm2-135m (de-quantised from Q4_1)" in drawing.caption
        assert "smollm2-135m (de-quantised from Q4_1)" in drawing.alt


def test_captions_say_the_kind_of_their_numbers(drawings):
    """Counted, measured or modelled: every caption of numbers has the word."""
    for name, drawing in drawings.items():
        assert name == "block_diagram" or re.search("counted|measured|modelled", drawing.caption), name


def test_glyphs_are_paths_and_figures_stay_light(hard: dict[str, Drawing]):
    """No figure needs a font on the reader's machine; those of the hardest study are below 100 kB on average."""
    svgs = [drawing.svg for drawing in hard.values()]

    assert not any("<text" in svg or "font-family" in svg for svg in svgs)
    assert sum(map(len, svgs)) < 100_000 * len(svgs)


def test_headline_shows_the_numbers_of_the_results(course: Results):
    """Its data are the cells' own values and intervals; CSR at 30 % is 9.84 MiB, by hand."""
    drawing = headline.draw(course)
    cells = {cell.id: cell for cell in course.cells}
    # Targeted: 1,075,200 values and indices of 4 B, 5 · (1,440 + 6) pointers. The rest: 420,640 parameters of 4 B.
    size = (1_075_200 * 8 + 7_230 * 4 + 420_640 * 4) / 2**20

    assert f"magnitude 30 %, CSR: {size:.2f} MiB" in plain(drawing.alt)
    for row in rows(drawing):
        found = next(
            each
            for each in cells[row["cell"]].metrics
            if each.metric == row["metric"] and each.conditions in ({}, {"over": "model"}, {"corpus": "embedded"})
        )
        assert float(row["value"]) == found.value
        assert (row["ci_low"], row["ci_high"]) == tuple(map(str, found.ci or ("", "")))


def test_headline_says_what_it_leaves_out(course: Results):
    """At most eight variants a model, and the caption says how many there are."""
    drawing = headline.draw(course)

    assert len({row["cell"] for row in rows(drawing)}) == 8
    assert f"8 of {len(course.cells)} variants are shown" in drawing.caption


def test_group_sparsity_has_one_row_a_pruned_model(course: Results):
    """Formats share their mask: 12 pruned models in four groups; a tied head has no parameters of its own."""
    found = rows(group_sparsity.draw(course))
    cell = next(each for each in course.cells if each.id.startswith("magnitude-global-30-masked"))

    assert len(found) == 12 * 4
    assert {row["group"] for row in found} == {"embedding", "attention_linear", "mlp_linear", "norm"}
    (row,) = [row for row in found if row["name"] == "magnitude 30 %" and row["group"] == "mlp_linear"]
    assert float(row["sparsity"]) == cell.value("sparsity", group="mlp_linear")


def test_parameter_fraction_counts_a_tied_head_once(course: Results):
    """The shares of the parameters add up to one, and the tied head says where it is counted."""
    drawing = parameter_fraction.draw(course)
    found = rows(drawing)

    assert sum(float(row["fraction"]) for row in found) == pytest.approx(1, abs=1e-12)
    assert [row["fraction"] for row in found if row["group"] == "lm_head"] == ["0.0"]
    assert "LM head tied to embedding: counted there" in drawing.alt


def test_flops_of_masked_are_those_of_dense(course: Results):
    """Dense kernels multiply zeros: 2 · (1,536,000 + 2048 · 160) operations; CSR at 30 % multiplies what it stores."""
    totals = {
        row["name"]: float(row["flops_per_token"])
        for row in rows(flops_by_group.draw(course))
        if row["group"] == "total"
    }

    assert totals["dense"] == totals["magnitude 30 %, masked"] == 2 * (1_536_000 + 2048 * 160)
    assert totals["magnitude 30 %, CSR"] == 2 * (1_075_200 + 2048 * 160)


def test_components_add_up_to_the_stored_bytes(course: Results):
    """Nothing that is stored is missing from the stack, and nothing is counted twice."""
    stored = {cell.id: cell.value("stored_bytes", over="model") for cell in course.cells}
    stacked: dict[str, float] = {}
    for row in rows(storage_components.draw(course)):
        stacked[row["cell"]] = stacked.get(row["cell"], 0) + float(row["bytes"])

    assert stacked == {cell: stored[cell] for cell in stacked}


def test_break_even_is_where_the_formula_says(course: Results):
    """b_i / (b_v + b_i), and a little more for 7,230 row pointers: 50.24 % with 32-bit indices, 66.98 % with 64-bit."""
    drawing = break_even.draw(course)
    small, large = 0.5 + 7230 * 4 / (1_536_000 * 8), 8 / 12 + 7230 * 8 / (1_536_000 * 12)

    assert f"32-bit indices is smaller than dense above {small:.2%}".replace("%", " %") in drawing.alt.replace(
        "\u00a0", " "
    )
    assert f"64-bit indices is smaller than dense above {large:.2%}".replace("%", " %") in drawing.alt.replace(
        "\u00a0", " "
    )


def test_points_of_the_study_lie_on_their_curves(course: Results):
    """What was counted from the stored tensors agrees with the arithmetic of the line."""
    found = rows(break_even.draw(course))
    curve = {row["sparsity"]: row["bytes"] for row in found if row["name"] == "CSR, 32-bit indices"}
    points = {row["sparsity"]: row["bytes"] for row in found if row["kind"] == "cell" and row["name"].endswith("CSR")}

    assert points
    assert all(float(points[each]) == float(curve[each]) for each in points)


def test_quality_draws_one_point_a_pruned_model(course: Results):
    """Masked and CSR of one mask are one point; the value and its interval are those of the results."""
    found = [row for row in rows(quality_sparsity.draw(course)) if row["metric"] == "perplexity"]
    cell = next(each for each in course.cells if each.id.startswith("magnitude-global-30-csr"))

    assert len(found) == 9 + 2 + 1
    (row,) = [row for row in found if row["series"] == "magnitude" and row["sparsity_target"] == "0.3"]
    assert float(row["value"]) == cell.find("perplexity").value
    assert (float(row["ci_low"]), float(row["ci_high"])) == cell.find("perplexity").ci


def test_a_value_that_is_not_finite_is_named(studies: Callable[[str], Results]):
    """Divergence is neither dropped nor drawn as a number."""
    drawing = quality_sparsity.draw(studies("nan_perplexity"))

    assert drawing.alt.count("perplexity not finite") == 2
    assert [row["value"] for row in rows(drawing) if row["metric"] == "perplexity"].count("") == 2


def test_times_are_reciprocals_of_speedups(course: Results):
    """A speed-up of 1 / 3.1 is 3.1 times dense, and the ends of its interval change places."""
    (row,) = [
        row for row in rows(latency.draw(course)) if row["name"] == "magnitude 30 %, CSR" and row["phase"] == "prefill"
    ]

    assert float(row["ratio_to_dense"]) == pytest.approx(3.1)
    assert float(row["ci_low"]) == pytest.approx(3.1 / 1.03)
    assert float(row["ci_high"]) == pytest.approx(3.1 / 0.97)


def test_a_difference_inside_the_noise_is_none(course: Results):
    """Masked runs dense kernels: 0.4 % apart with a noise floor of 2 % is no difference."""
    assert "magnitude 30 %, masked prefill at 1 × 128: 1.00× dense, no difference" in plain(latency.draw(course).alt)


def test_speed_is_set_against_fewer_operations(course: Results):
    """At 30 % CSR multiplies 1,075,200 + 327,680 weights of 1,536,000 + 327,680, and is 3.1 times slower."""
    (row,) = [
        row
        for row in rows(speed_vs_flops.draw(course))
        if row["name"] == "magnitude 30 %, CSR" and row["phase"] == "prefill"
    ]

    assert float(row["flops_reduction"]) == pytest.approx(1_863_680 / 1_402_880)
    assert float(row["speedup"]) == pytest.approx(1 / 3.1)


def test_speed_is_set_against_fewer_bytes(course: Results):
    """CSR at 30 % is larger than dense and slower; a figure that swapped the ratio would put it right of 1."""
    (row,) = [
        row
        for row in rows(speed_vs_bytes.draw(course))
        if row["name"] == "magnitude 30 %, CSR" and row["phase"] == "decode"
    ]
    cells = {cell.id: cell for cell in course.cells}
    dense = course.reference(course.models[0].id).value("stored_bytes", over="model")

    assert float(row["bytes_reduction"]) == pytest.approx(
        dense / cells[row["cell"]].value("stored_bytes", over="model")
    )
    assert float(row["bytes_reduction"]) < 1
    assert float(row["speedup"]) < 1


def test_an_untimed_study_has_no_timing_figures(course: Results):
    """Without measured speed-ups there is nothing to draw."""
    untimed = tuple(
        cell.model_copy(update={"metrics": tuple(each for each in cell.metrics if each.noise != "timing")})
        for cell in course.cells
    )
    bare = course.model_copy(update={"cells": untimed})

    assert latency.draw(bare) is None
    assert speed_vs_flops.draw(bare) is None
    assert speed_vs_bytes.draw(bare) is None


def test_the_diagram_names_the_matrices_that_are_pruned(hardest: Results):
    """Real names and shapes of each model; what is not targeted stays dense."""
    alt = block_diagram.draw(hardest).alt

    assert "pruned are q_proj (160 × 160), k_proj (160 × 160), v_proj (160 × 160), out_proj (160 × 160)" in alt
    assert "gate_proj (1,536 × 576), up_proj (1,536 × 576), down_proj (576 × 1,536)" in alt
    assert "dense stay embedding, norms, lm_head" in alt


def test_the_diagram_says_when_only_some_blocks_are_pruned(course: Results):
    """A matrix that is targeted in three of five blocks says so."""
    model = course.models[0]
    first = model.matrices[0]
    split = (first.model_copy(update={"count": 3}), first.model_copy(update={"count": 2, "targeted": False}))
    (part, *_) = block_diagram.parts_of(model.model_copy(update={"matrices": split}), first.group)

    assert part.words == "q_proj\n160 × 160 (3 of 5)"


@pytest.mark.parametrize("architecture", ["OPTForCausalLM", "GPTNeoXForCausalLM"])
def test_sequential_and_parallel_blocks_are_drawn_differently(course: Results, architecture: str):
    """A parallel block has one addition, a sequential block two."""
    model = course.models[0].model_copy(update={"architecture": architecture})
    svg = block_diagram.draw(course.model_copy(update={"models": (model,)})).svg
    other = block_diagram.draw(course).svg

    assert (svg == other) == (architecture == "OPTForCausalLM")
