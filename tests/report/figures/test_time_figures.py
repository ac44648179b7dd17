"""Shares, waterfall and roofline show the numbers of the results."""

from __future__ import annotations

import csv
import io

import pytest

from sparsity_report.report.figures import roofline, time_shares, waterfall
from sparsity_report.report.figures.stacks import Stack, rows_of, stack_height

FIGURES = ("time_shares", "waterfall", "roofline")


@pytest.fixture
def projected(studies):
    return studies("projected")


def rows(drawing):
    return list(csv.DictReader(io.StringIO(drawing.csv)))


def test_they_stand_at_the_end_of_the_execution(report):
    names = [each for each in report("projected").drawings if not each.startswith("pareto_")]  # those of the discussion

    assert names[-3:] == list(FIGURES)
    assert names.index("speed_vs_flops") < names.index("time_shares")


@pytest.mark.parametrize("figure", [time_shares, waterfall, roofline])
def test_older_results_have_none_of_them(course, figure):
    assert figure.draw(course) is None


def test_shares_are_the_cells_own_and_sum_to_one(projected):
    drawing = time_shares.draw(projected)
    bars: dict[tuple[str, str], float] = {}
    for row in rows(drawing):
        cell = next(cell for cell in projected.cells if cell.id == row["cell"])
        assert float(row["share"]) == cell.find("time_share", phase=row["phase"], part=row["part"]).value
        bars[row["cell"], row["phase"]] = bars.get((row["cell"], row["phase"]), 0) + float(row["share"])

    assert len(bars) == 8
    assert all(total == pytest.approx(1) for total in bars.values())
    assert "targeted linear layers 50" in drawing.alt.replace("\u00a0", " ")
    assert "time. prefill: " in drawing.alt  # and no model's name: two such titles would overlap


def test_the_waterfall_goes_from_bytes_to_the_measured_speed_up(projected):
    drawing = waterfall.draw(projected)
    first = [row for row in rows(drawing) if (row["cell"], row["phase"]) == (projected.cells[2].id, "decode")]

    assert [row["step"] for row in first] == ["bytes_gain", "product_gain", "layer_gain", "amdahl_gain", "measured"]
    assert [row["kind"] for row in first] == ["counted", "measured", "measured", "modelled", "measured"]
    assert float(first[-1]["speedup"]) == projected.cells[2].find("decode_speedup").value
    assert not any(projected.cells[0].id == row["cell"] for row in rows(drawing))  # dense has none


def test_every_point_of_the_roofline_lies_below_its_bound(projected):
    drawing = roofline.draw(projected)

    for row in rows(drawing):
        cell = next(cell for cell in projected.cells if cell.id == row["cell"])
        flops, size = (cell.value(f"{row['phase']}_{what}") for what in ("flops", "bytes"))
        assert float(row["flop_per_byte"]) == pytest.approx(flops / size)
        assert float(row["ratio"]) == pytest.approx(float(row["measured_s"]) / float(row["bound_s"]))
    assert {row["bound_by"] for row in rows(drawing)} == {"memory", "compute"}


def test_a_machine_without_a_peak_or_caches_is_drawn(projected):
    """An odd data type has no peak here: the slope alone remains."""
    here = projected.machines[0].model_copy(update={"peak": {}, "read_rates": ()})
    bare = projected.model_copy(update={"machines": (here,)})

    assert {row["bound_by"] for row in rows(roofline.draw(bare))} == {"memory, peak not known"}


def test_facets_of_the_same_bars_stand_beside_each_other():
    first, other = [Stack("a", {"x": 1.0}, "1")], [Stack("b", {"x": 1.0}, "1")]

    assert [len(row) for row in rows_of([("1", first), ("2", first), ("3", first), ("4", other)])] == [2, 1, 1]
    assert stack_height([("1", first), ("2", first)]) == stack_height([("1", first)])
