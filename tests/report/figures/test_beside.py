"""Names beside points: none over another, none over a mark, all inside, as far as there is room."""

from __future__ import annotations

import itertools

import pytest

from sparsity_report.report.figures import beside

SIZE = (180.0, 150.0)


def boxes(points, names, lines=()):
    found = beside.places(points, names, lines, SIZE)
    widths = [beside.LETTER_PT * len(name) for name in names]
    return [
        beside.Box(x - w / 2, y - beside.LINE_PT / 2, x + w / 2, y + beside.LINE_PT / 2)
        for (x, y), w in zip(found, widths, strict=True)
    ]


@pytest.mark.parametrize(
    "points",
    [
        [(90.0, 75.0), (90.0, 75.0), (90.0, 79.0), (92.0, 70.0)],
        [(20.0, 20.0), (60.0, 22.0), (100.0, 20.0), (140.0, 22.0)],
    ],
)
def test_nothing_is_covered(points):
    names = ["magnitude 30 %", "magnitude 50 %", "magnitude 70 %", "magnitude 2:4"]
    found = boxes(points, names)

    assert not any(one.shared(other) for one, other in itertools.combinations(found, 2))
    for box in found:
        assert box.left >= 0
        assert box.right <= SIZE[0]
        assert not any(box.left < x < box.right and box.bottom < y < box.top for x, y in points)


def test_a_point_alone_has_its_name_at_the_right_and_one_at_the_edge_at_the_left():
    (alone,), (edge,) = boxes([(50.0, 70.0)], ["magnitude"]), boxes([(175.0, 70.0)], ["magnitude"])

    assert alone.left == 50 + beside.DISTANCES_PT[0]
    assert edge.right == 175 - beside.DISTANCES_PT[0]


def test_a_line_is_left_free():
    line = beside.Box(0, 74.5, SIZE[0], 75.5)
    (box,) = boxes([(90.0, 75.0)], ["magnitude"], [line])

    assert not box.shared(line)


def test_the_diagonal_runs_from_corner_to_corner():
    found = beside.diagonal(SIZE)

    assert (found[0].left, found[0].bottom) == (0, 0)
    assert (found[-1].right, found[-1].top) == SIZE
