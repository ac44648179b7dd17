"""Points above an axis: every one has its mark and its number, and nothing lies over anything else."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsity_report.report import style
from sparsity_report.report.figures import beyond

SIZE = (60.0, 50.0)
extents = st.tuples(st.floats(0, 100), st.floats(0.1, 30)).map(lambda each: (each[0], each[0] + each[1]))


@given(st.lists(extents, max_size=12), st.integers(0, 2))
def test_nothing_in_one_row_touches(found: list[tuple[float, float]], first: int):
    placed = list(zip(beyond.rows(found, first), found, strict=True))

    assert all(row >= first for row, _ in placed)
    for (row, (low, high)), (other, (left, right)) in itertools.combinations(placed, 2):
        assert row != other or high <= left or right <= low


def test_what_has_room_stays_in_the_first_row():
    assert beyond.rows([(0, 10), (20, 30), (5, 25), (9, 12)]) == [0, 0, 1, 2]


@pytest.fixture
def axes():
    """A logarithmic axis from 10 to 1,000, and a linear one from 0 to 100."""
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    axes.set_xlim(0, 100)
    axes.set_yscale("log")
    axes.set_ylim(10, 1000)
    return axes


def test_a_height_is_a_value_of_a_logarithmic_axis(axes):
    assert beyond.at(axes, 0.5) == pytest.approx(100)


def test_higher_values_stand_higher_and_ends_of_lines_carry_their_number_in_the_name(axes):
    points = {"low": [(50.0, 20.0), (70.0, 2000.0)], "high": [(60.0, 3000.0), (70.0, 74000.0)], "in": [(70.0, 500.0)]}
    marks = dict(zip(points, style.PAIRS, strict=False))

    beyond.name_lines(axes, points, marks, SIZE, lost=False)

    words = {each.get_text(): each for each in axes.texts}
    assert set(words) == {"low 2,000 ↑", "high 74,000 ↑", "in", "3,000 ↑"}
    ends = [words[name].get_position()[1] for name in ("high 74,000 ↑", "low 2,000 ↑", "in")]
    assert ends == sorted(ends, reverse=True)
    marked = {(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if len(line.get_xdata()) == 1}
    assert marked == {(60.0, beyond.TOP), (70.0, beyond.TOP), (70.0, beyond.TOP - beyond.ROW_MM / SIZE[1])}


def test_the_crosses_of_what_is_not_finite_keep_their_row(axes):
    beyond.name_lines(axes, {"far": [(70.0, 2000.0)]}, {"far": style.PAIRS[0]}, SIZE, lost=True)

    assert axes.lines[0].get_ydata()[0] == pytest.approx(beyond.TOP - beyond.ROW_MM / SIZE[1])


@pytest.mark.parametrize(("x", "side"), [(2.0, "left"), (50.0, "right")])
def test_a_number_at_the_left_edge_stands_right_of_its_mark(axes, x, side):
    beyond.mark(axes, [beyond.Beyond(x, 2000.0, style.PAIRS[0])], SIZE)

    assert axes.texts[0].get_horizontalalignment() == side
