"""Figures of methods show the records as they are, leave out what says nothing, and say what they leave out."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from sparsity_report.report import replicates, style
from sparsity_report.report.figures import (
    allocation,
    heat,
    layer_error,
    layer_sparsity,
    mask_overlap,
    quality_sparsity,
    sensitivity,
)
from sparsity_report.report.figures.cells import Names, method_marks
from sparsity_report.results.model import Results, StageRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from sparsity_report.report.drawing import Drawing
    from sparsity_report.results.model import NodeRecord

METHODS = (allocation, layer_error, layer_sparsity, mask_overlap, sensitivity)


@pytest.fixture(scope="module")
def calibrated(studies: Callable[[str], Results]) -> Results:
    """The calibrated study as the report shows it."""
    return replicates.pooled(studies("calibrated"))


def rows(drawing: Drawing) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(drawing.csv)))


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def node_of(results: Results, entry: str, **params: object) -> NodeRecord:
    """The first plain node of a method."""
    return next(
        node
        for node in results.nodes
        if node.stages[0].entry == entry
        and params.items() <= node.stages[0].params.items()
        and not {"allocation", "permute", "within_block"} & set(node.stages[0].params)
    )


def test_every_new_record_has_its_figure_and_none_without_it(calibrated: Results, course: Results):
    """Old results draw what they drew; each figure goes with its records."""
    bare = calibrated.model_copy(update={"nodes": (), "overlaps": (), "sensitivity": ()})

    assert all(figure.draw(calibrated) is not None for figure in METHODS)
    assert all(figure.draw(course) is None and figure.draw(bare) is None for figure in METHODS)


def test_the_scan_is_drawn_value_by_value(calibrated: Results):
    drawing = sensitivity.draw(calibrated)
    [scan] = calibrated.sensitivity
    found = {(int(row["block"]), float(row["sparsity"])): row["nll_increase"] for row in rows(drawing)}

    assert found[0, 0.3] == str(scan.nll_increase[0][0])
    assert found[0, 0.7] == ""
    assert len(found) == 15
    assert "n = 4,080 tokens" in drawing.caption
    assert "7.50 forwards" in drawing.caption
    assert "× marks a value that is not finite" in drawing.caption


def test_a_scan_without_a_finite_value_is_not_drawn(calibrated: Results):
    lost = calibrated.sensitivity[0].model_copy(update={"nll_increase": ((None,) * 3,) * 5})

    assert sensitivity.draw(calibrated.model_copy(update={"sensitivity": (lost,)})) is None


def test_a_scan_with_an_improvement_has_a_linear_axis(calibrated: Results):
    """A logarithm cannot show that a block is better pruned; nothing warns, and the value is told."""
    wide = calibrated.sensitivity[0].model_copy(
        update={"nll_increase": ((9.0, 9.0, 9.0), *((-0.01, 0.001, 0.01),) * 4)}
    )

    assert "block 1 −0.0100" in sensitivity.draw(calibrated.model_copy(update={"sensitivity": (wide,)})).alt


def test_allocation_by_block_is_the_mean_over_weights(calibrated: Results):
    """In block 0: four matrices of 160 · 160 weights, two of 160 · 640."""
    node = node_of(calibrated, "magnitude", scope="global", sparsity="0.5")
    expected = (sum(node.sparsity[:4]) * 160 * 160 + sum(node.sparsity[4:6]) * 160 * 640) / (12 * 160 * 160)
    [row] = [
        row
        for row in rows(allocation.draw(calibrated))
        if (row["series"], row["sparsity"], row["by"], row["place"]) == ("magnitude global", "0.5", "block", "0")
    ]

    assert float(row["achieved"]) == pytest.approx(expected, rel=1e-12)
    assert row["requested"] == ""


def test_allocation_shows_what_was_asked_for_where_it_was(calibrated: Results):
    asked = [row for row in rows(allocation.draw(calibrated)) if row["series"] == "wanda owl"]

    assert all(float(row["requested"]) == pytest.approx(float(row["achieved"])) for row in asked)
    assert "Thin black lines" in allocation.draw(calibrated).caption


def test_equal_states_have_no_allocation_to_draw(calibrated: Results):
    """Scope layer or row without a rule gives every matrix the same; N:M does so by itself."""
    equal = tuple(node for node in calibrated.nodes if not allocation.unequal(node))

    assert {node.stages[0].params.get("scope") for node in equal} == {"layer", "row", None}
    assert allocation.draw(calibrated.model_copy(update={"nodes": equal})) is None


def test_more_series_than_a_page_holds_are_counted(calibrated: Results):
    """Eight global methods: some are drawn, all of them are in the data."""
    first = node_of(calibrated, "magnitude", scope="global", sparsity="0.5")
    nodes = tuple(
        first.model_copy(
            update={
                "key": str(place),
                "stages": (StageRecord(op="prune", entry=f"m{place}", params=first.stages[0].params),),
            }
        )
        for place in range(8)
    )
    cell = next(cell for cell in calibrated.cells if cell.node == first.key)
    cells = tuple(
        cell.model_copy(
            update={
                "id": node.key,
                "node": node.key,
                "variant": cell.variant.model_copy(update={"stages": node.stages}),
            }
        )
        for node in nodes
    )
    drawing = allocation.draw(calibrated.model_copy(update={"nodes": nodes, "cells": cells}))

    assert f"{allocation.MOST_ROWS} of 8 series are shown" in drawing.caption
    assert len({row["series"] for row in rows(drawing)}) == 8


def test_maps_are_of_the_place_where_most_states_are(calibrated: Results):
    """Six states at 50 % have errors; of the seven at 2:4 and 4:8 fewer than that in each."""
    [sheet] = layer_error.sheets(calibrated)

    assert sheet.place == "50\u00a0%"
    assert [each.name for each in sheet.maps] == [
        "magnitude layer", "magnitude global", "wanda", "sparsegpt", "wanda owl", "sparsegpt in order",
    ]  # fmt: skip


def test_of_many_states_every_method_has_its_map(calibrated: Results):
    """More states of one method than are drawn, and one of another at the end: it is among the drawn."""
    [sheet] = layer_error.sheets(calibrated)
    first, last = sheet.maps[0], sheet.maps[-1]
    copies = [
        heat.Map(str(place), first.node.model_copy(update={"key": str(place)}), first.values) for place in range(9)
    ]
    many = heat.Sheet(sheet.model, sheet.layout, sheet.place, [*copies, last], 10)

    assert [each.name for each in many.shown] == [*map(str, range(heat.MOST - 1)), last.name]
    assert heat.left_out([many]) == f" {heat.MOST} of 10 states are shown."


def test_maps_of_several_models_share_a_page(calibrated: Results):
    """Three models have a third of the maps each; none is higher than its part."""
    models = tuple(calibrated.models[0].model_copy(update={"id": f"m{place}"}) for place in range(3))
    nodes = tuple(
        node.model_copy(update={"key": f"{model.id} {node.key}", "model": model.id})
        for model in models
        for node in calibrated.nodes
    )
    found = layer_error.sheets(calibrated.model_copy(update={"models": models, "nodes": nodes, "cells": ()}))

    assert [len(sheet.shown) for sheet in found] == [2, 2, 2]
    assert heat.height(found) <= heat.PAGE_MM + 5
    assert len(layer_error.sheets(calibrated)[0].shown) == min(6, heat.MOST)


def test_maps_have_the_recorded_value_of_every_matrix(calibrated: Results):
    node = node_of(calibrated, "sparsegpt", sparsity="0.5")
    found = [row for row in rows(layer_error.draw(calibrated)) if row["series"] == "sparsegpt"]

    assert [float(row["reconstruction_error"]) for row in found] == list(node.reconstruction_error)
    assert [(row["block"], row["matrix"]) for row in found[:7]] == [
        ("0", "q_proj"), ("0", "k_proj"), ("0", "v_proj"), ("0", "out_proj"), ("0", "fc1"), ("0", "fc2"),
        ("1", "q_proj"),
    ]  # fmt: skip


def test_an_error_that_was_not_measured_is_crossed_out_and_zero_is_drawn(calibrated: Results):
    nodes = tuple(
        node.model_copy(update={"reconstruction_error": (None, 0.0, *node.reconstruction_error[2:])})
        if node.reconstruction_error
        else node
        for node in calibrated.nodes
    )
    drawing = layer_error.draw(calibrated.model_copy(update={"nodes": nodes}))

    assert "Crossed out: not measured" in drawing.caption
    assert "from 0 in k_proj of block 0" in drawing.alt
    assert "not measured" not in layer_error.draw(calibrated).caption


def test_equal_errors_have_a_scale_too(calibrated: Results):
    """One value everywhere must not make a scale of no width."""
    nodes = tuple(
        node.model_copy(update={"reconstruction_error": (0.1,) * len(node.sparsity)}) for node in calibrated.nodes
    )

    assert layer_error.draw(calibrated.model_copy(update={"nodes": nodes})) is not None


def test_flat_sparsity_is_not_mapped(calibrated: Results):
    shown = {row["series"] for row in rows(layer_sparsity.draw(calibrated))}
    flat = tuple(node.model_copy(update={"sparsity": (0.5,) * len(node.sparsity)}) for node in calibrated.nodes)

    assert shown == {"magnitude global", "wanda owl"}
    assert layer_sparsity.draw(calibrated.model_copy(update={"nodes": flat})) is None


@pytest.mark.parametrize(
    ("blocks", "across", "numbered"), [(3, 3, True), (5, 2, True), (12, 1, True), (30, 2, False), (60, 1, False)]
)
def test_tiles_have_numbers_where_these_fit(calibrated: Results, blocks: int, across: int, numbered: bool):
    [sheet] = layer_error.sheets(calibrated)
    places = tuple((block, "q_proj") for block in range(blocks))
    wide = heat.Sheet(sheet.model, type(sheet.layout)(places, (1,) * blocks), sheet.place, sheet.maps, sheet.total)

    assert (wide.across, wide.numbered) == (across, numbered)


def test_overlaps_are_those_of_the_records(calibrated: Results):
    drawing = mask_overlap.draw(calibrated)
    totals = sorted(float(row["jaccard"]) for row in rows(drawing) if row["block"] == "all")

    assert totals == sorted(record.total for record in calibrated.overlaps)
    assert "chance 0.33" in drawing.alt
    assert "3 of 5 comparisons are shown" in drawing.caption


def test_many_states_leave_no_room_for_lines(calibrated: Results):
    """A matrix of eight states takes the whole width; the values by block stay in the data."""
    half = [node for node in calibrated.nodes if node.stages[0].params.get("sparsity") == "0.5"][:1]
    nodes = tuple(half[0].model_copy(update={"key": str(place), "stages": (StageRecord(
        op="prune", entry=f"m{place}", params=half[0].stages[0].params),)}) for place in range(8))  # fmt: skip
    record = calibrated.overlaps[0]
    pairs = tuple(
        record.model_copy(update={"first": str(one), "second": str(other)})
        for one in range(8)
        for other in range(one + 1, 8)
    )
    drawing = mask_overlap.draw(calibrated.model_copy(update={"nodes": nodes, "overlaps": pairs}))

    assert "Right:" not in drawing.caption
    assert "the most and the least alike are" in drawing.alt
    assert {row["block"] for row in rows(drawing)} == {"all", "0", "1", "2", "3", "4"}


def test_overlaps_without_places_have_no_lines(calibrated: Results):
    """Nodes without sparsities by matrix leave the totals, which need none."""
    bare = tuple(node.model_copy(update={"sparsity": (), "requested": ()}) for node in calibrated.nodes)
    drawing = mask_overlap.draw(calibrated.model_copy(update={"nodes": bare}))

    assert "by decoder block" not in drawing.caption
    assert {row["block"] for row in rows(drawing)} == {"all"}


def test_nm_patterns_are_points_beside_the_sweeps(calibrated: Results):
    drawing = quality_sparsity.draw(calibrated)
    patterns = {row["pattern"] for row in rows(drawing)}

    assert {"unstructured", "2:4", "4:8", "row", "column", "block:4x4"} == patterns
    assert "N:M patterns" in drawing.caption
    only = calibrated.model_copy(
        update={
            "cells": tuple(
                c for c in calibrated.cells if c.is_reference or ":" in c.variant.stages[0].params["pattern"]
            )
        }
    )
    assert quality_sparsity.draw(only) is not None


def test_a_collapse_does_not_flatten_the_others(calibrated: Results):
    """Random pruning at 70 % has 74 times the dense perplexity; its number stands with its name."""
    drawing = quality_sparsity.draw(calibrated)

    assert "far beyond 20 times dense" in drawing.caption
    assert 'aria-label="random 4,534 ↑"' in drawing.svg


def test_methods_keep_their_colour_in_every_study(calibrated: Results, hardest: Results):
    first, second = method_marks(calibrated), method_marks(hardest)

    assert first["wanda"] == second["wanda"] == style.METHODS["wanda"]
    assert len({mark.colour for mark in first.values()}) == len(first)


def test_lines_of_one_method_differ_in_their_dashes(calibrated: Results):
    naming = Names.of(calibrated)
    looks = quality_sparsity._looks(calibrated, naming)
    own = [look.line for name, look in looks.items() if name.startswith("magnitude")]

    assert len(own) == len(set(map(str, own))) == 4


def test_spare_methods_stand_out_from_the_page():
    """Their lines need the contrast of graphics, and none looks like a known method."""
    assert all(style.contrast(mark.colour, "#ffffff") >= 3 for mark in style.METHOD_SPARE)
    assert not {mark.colour for mark in style.METHOD_SPARE} & {mark.colour for mark in style.METHODS.values()}


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"allocation": {"use": "owl"}, "sparsity": "0.5", "scope": "row"}, "wanda owl 50 %"),
        ({"pattern": "2:4", "permute": True}, "wanda 2:4 permuted"),
        ({"pattern": "block:4x4", "sparsity": "0.5", "scope": "layer"}, "wanda 4×4 tiles 50 %"),
        ({"pattern": "row", "sparsity": "0.5", "scope": "layer"}, "wanda rows 50 %"),
        (
            {"sparsity": "0.5", "scope": "row", "calibration": {"source": "a/c4", "windows": 8}},
            "wanda c4 8 windows 50 %",
        ),
        ({"sparsity": "0.5", "scope": "row", "propagate": "dense"}, "wanda dense inputs 50 %"),
        ({"sparsity": "0.5", "scope": "row", "compat": "reference"}, "wanda as published 50 %"),
        ({"sparsity": "0.5", "scope": "row", "power": 2}, "wanda power 2 50 %"),
    ],
)
def test_states_are_named_by_what_tells_them_apart(course: Results, params: dict[str, object], name: str):
    """Beside a plain state of the same method."""
    usual = {"sparsity": "0.5", "scope": "row", "calibration": {"source": "x/wikitext", "windows": 128}, "power": 1}
    made = [StageRecord(op="prune", entry="wanda", params=each) for each in (usual, params)]
    cells = tuple(
        course.cells[1].model_copy(
            update={"id": str(place), "variant": course.cells[1].variant.model_copy(update={"stages": (stage,)})}
        )
        for place, stage in enumerate(made)
    )
    naming = Names.of(course.model_copy(update={"cells": cells}))

    assert plain(naming.state([made[1]])) == name


def test_the_scope_of_one_pattern_does_not_name_that_of_another(calibrated: Results):
    """Wanda has scope row for single weights and scope block for columns: one each, so neither is named."""
    naming = Names.of(calibrated)
    names = {naming.sweep(node.stages) for node in calibrated.nodes}

    assert {"wanda", "wanda columns", "magnitude layer", "magnitude global", "magnitude rows"} <= names
