"""Histograms of weights from a record made by hand."""

from __future__ import annotations

import csv
import io

import pytest
from pydantic import ValidationError

from sparsity_report.report.figures import weight_histograms
from sparsity_report.results.model import HistogramRecord, HistogramState, Results

EDGES = (-0.4, -0.2, -0.1, 0.0, 0.1, 0.2, 0.4)


def with_histogram(course, **changes):
    """40 weights, of which pruning removed the 20 between −0.1 and 0.1 or moved half of what it kept."""
    pruned = next(cell.node for cell in course.cells if not cell.is_reference)
    dense = HistogramState(
        node=course.reference(course.models[0].id).node, counts=(2, 7, 10, 10, 7, 2), zeros=0, beyond=2
    )
    state = HistogramState(node=pruned, counts=(2, 7, 0, 0, 7, 2), zeros=20, beyond=2, **changes)
    record = HistogramRecord(model=course.models[0].id, edges=EDGES, rms=0.2, states=(dense, state))
    return course.model_copy(update={"histograms": (record,)})


def test_zeros_stand_beside_the_bins_and_all_rows_add_up(course):
    drawing = weight_histograms.draw(with_histogram(course))
    rows = list(csv.DictReader(io.StringIO(drawing.csv)))
    pruned = [row for row in rows if row["state"] != "dense"]

    assert sum(int(row["weights"]) for row in pruned) == 40
    assert [row["weights"] for row in pruned if row["from"] == row["to"] == "0.0"] == ["20"]
    assert [float(row["part"]) for row in rows if row["state"] == "dense"][2] == 0.25


def test_it_says_what_is_zero_near_zero_and_beyond(course):
    drawing = weight_histograms.draw(with_histogram(course))

    assert "50\u00a0% zero, 0\u00a0% near zero" in drawing.alt
    assert "dense: 0\u00a0% zero, 50\u00a0% near zero" in drawing.alt
    assert "At most 5\u00a0% of a state lie beyond the axis" in drawing.caption
    assert "updated" not in drawing.alt


def test_moved_weights_are_named(course):
    assert "25\u00a0% updated" in weight_histograms.draw(with_histogram(course, updated=10)).alt


def test_there_is_none_of_older_results_or_of_states_without_a_cell(course):
    assert weight_histograms.draw(course.model_copy(update={"histograms": ()})) is None
    study = with_histogram(course)
    lost = tuple(cell for cell in study.cells if cell.is_reference)
    assert weight_histograms.draw(study.model_copy(update={"cells": lost})) is None


def test_a_state_without_a_count_for_each_bin_is_refused(course):
    record = with_histogram(course).histograms[0].model_dump()
    record["states"][1]["counts"] = record["states"][1]["counts"][1:]

    with pytest.raises(ValidationError, match="one count for each bin"):
        HistogramRecord.model_validate(record)


def test_results_without_histograms_are_still_read(course):
    data = course.model_dump(mode="json")
    del data["histograms"]

    assert Results.model_validate(data).histograms == ()
