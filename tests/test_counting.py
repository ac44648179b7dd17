"""How many weights go: exact in decimal arithmetic, whatever an allocation wants."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsity_report.contracts import MatrixShape, Pattern
from sparsity_report.counting import group_count, matrix_counts, prune_count
from sparsity_report.errors import SpecError

UNSTRUCTURED = Pattern()


def shape(name: str, rows: int, cols: int, block: int = 0) -> MatrixShape:
    return MatrixShape(name, name, "mlp_linear", block, rows, cols)


def test_counts_are_decimal():
    """T1: 100 · 0.29 is 29; in binary floats it is 28.999…"""
    assert prune_count(100, Decimal("0.29")) == 29
    assert prune_count(84_934_656, Decimal("0.3")) == 25_480_396


def test_a_matrix_and_a_group_each_lose_their_floor():
    shapes = [shape("a", 3, 3), shape("b", 5, 5)]

    assert matrix_counts(shapes, UNSTRUCTURED, Decimal("0.5")) == {"a": 4, "b": 12}
    assert group_count(shapes, Decimal("0.5")) == 17


def test_n_of_m_implies_its_count():
    """T6, T7: 2:4 of ten columns keeps 2 + 2 and one of the tail's two: five go of every row."""
    assert matrix_counts([shape("a", 3, 10)], Pattern(2, 4), None) == {"a": 15}
    assert matrix_counts([shape("a", 3, 8)], Pattern(1, 4), None) == {"a": 18}


def test_an_allocation_is_shifted_until_the_total_is_right():
    """By hand: wanted 0.2 and 0.6 of equal matrices average 0.4; asked 0.5 shifts both by 0.1."""
    shapes = [shape("a", 10, 10), shape("b", 10, 10)]

    assert matrix_counts(shapes, UNSTRUCTURED, Decimal("0.5"), {"a": 0.2, "b": 0.6}) == {"a": 30, "b": 70}


def test_what_a_bound_cuts_off_the_others_make_up_for():
    """By hand: b stops at 0.8, so that a must lose 0.4."""
    shapes = [shape("a", 10, 10), shape("b", 10, 10)]
    counts = matrix_counts(shapes, UNSTRUCTURED, Decimal("0.6"), {"a": 0.1, "b": 0.9}, (0.0, 0.8))

    assert counts == {"a": 40, "b": 80}


def test_bounds_that_leave_no_way_are_refused():
    with pytest.raises(SpecError, match=r"allow sparsities of 0 to 0\.4, and 0\.5 is asked for"):
        matrix_counts([shape("a", 10, 10)], UNSTRUCTURED, Decimal("0.5"), {"a": 0.5}, (0.0, 0.4))


def test_bounds_are_decimal_too():
    """0.29 of a hundred weights is 29, and 0.07 of a hundred 7, where binary floats say 28.99… and 7.000…1."""
    shapes = [shape("a", 10, 10), shape("b", 10, 10)]

    assert matrix_counts(shapes, UNSTRUCTURED, Decimal("0.18"), {"a": 0, "b": 1}, (0.07, 0.29)) == {"a": 7, "b": 29}


def test_shares_of_whole_weights_that_add_up_stay():
    """A named matrix keeps its count where the others make up the total, whatever the floats round to."""
    shapes = [shape(str(number), 7, 11 + number) for number in range(20)]
    wanted = {each.path: (3 * number + 1) / each.numel for number, each in enumerate(shapes)}
    total, size = sum(3 * number + 1 for number in range(20)), sum(each.numel for each in shapes)
    asked = (Decimal(total) / size).quantize(Decimal("1e-12"), ROUND_CEILING)

    counts = matrix_counts(shapes, UNSTRUCTURED, asked, wanted)

    assert list(counts.values()) == [3 * number + 1 for number in range(20)]


MATRICES = st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 40), st.floats(0, 1)), min_size=1, max_size=8)


@given(MATRICES, st.decimals(0, Decimal("0.99"), places=4), st.floats(0, 0.4), st.floats(0.5, 0.99))
def test_the_total_is_exact_every_bound_holds_and_the_others_move_together(matrices, sparsity, minimum, maximum):
    """T38: with unequal matrices, too, the achieved sparsity is the asked one, if the bounds leave a way."""
    shapes = [shape(str(number), rows, cols) for number, (rows, cols, _) in enumerate(matrices)]
    wanted = {str(number): share for number, (_, _, share) in enumerate(matrices)}
    most = {each.path: int(Decimal(str(maximum)) * each.numel) for each in shapes}
    least = {each.path: min(math.ceil(Decimal(str(minimum)) * each.numel), most[each.path]) for each in shapes}
    total = group_count(shapes, sparsity)

    if not sum(least.values()) <= total <= sum(most.values()):
        with pytest.raises(SpecError, match="the bounds of the allocation allow"):
            matrix_counts(shapes, UNSTRUCTURED, sparsity, wanted, (minimum, maximum))
        return
    counts = matrix_counts(shapes, UNSTRUCTURED, sparsity, wanted, (minimum, maximum))

    assert sum(counts.values()) == total
    assert all(least[each.path] <= counts[each.path] <= most[each.path] for each in shapes)
    free = [each for each in shapes if least[each.path] < counts[each.path] < most[each.path]]
    moved = [(counts[each.path] / each.numel - wanted[each.path], 1 / each.numel) for each in free]
    for offset, weight in moved:
        assert all(abs(offset - other) <= weight + unit + 1e-9 for other, unit in moved)
