"""Masks of one corner side by side, checked by hand."""

from __future__ import annotations

import csv
import io

from sparsity_report.report.figures import mask_patterns
from sparsity_report.results.model import ExcerptRecord

WEIGHTS = (
    (9.0, -8.0, 7.0, 6.0, 0.1, 0.2, 0.3, 0.4),
    (1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 5.0),
    (1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0),
    (1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0),
)


def with_excerpt(course, weights=WEIGHTS):
    record = ExcerptRecord(model=course.models[0].id, matrix="layers.0.fc1", weights=weights)
    return course.model_copy(update={"excerpts": (record,)})


def test_two_of_four_keeps_the_larger_half_of_every_group():
    kept = mask_patterns.two_of_four(WEIGHTS)

    assert {(0, 0), (0, 1), (0, 6), (0, 7), (1, 7)} <= kept
    assert len(kept) == 16
    assert all(sum((row, col + shift) in kept for shift in range(4)) == 2 for row in range(4) for col in (0, 4))


def test_tiles_stay_or_go_as_wholes_by_their_norm():
    assert mask_patterns.tiles(WEIGHTS) == {(row, col) for row in range(4) for col in range(4)}


def test_unstructured_keeps_the_largest_and_ties_go_by_position():
    kept = mask_patterns.unstructured(WEIGHTS)

    assert {(0, 0), (0, 1), (0, 2), (0, 3), (1, 7)} <= kept
    assert len(kept) == 16
    assert (3, 3) not in kept


def test_the_freer_pattern_keeps_at_least_as_much_of_the_norm():
    free, *bound = (mask_patterns.kept_norm(WEIGHTS, choose(WEIGHTS)) for _, choose in mask_patterns.PATTERNS)

    assert all(free >= each for each in bound)


def test_the_figure_says_what_it_shows_and_that_these_are_not_the_studys_masks(course):
    drawing = mask_patterns.draw(with_excerpt(course))
    rows = list(csv.DictReader(io.StringIO(drawing.csv)))

    assert "2:4 keeps 16 of 32 weights" in drawing.alt
    assert "from the corner alone" in drawing.caption
    assert sum(int(row["2:4"]) for row in rows) == 16


def test_there_is_none_without_an_excerpt_or_of_zeros(course):
    assert mask_patterns.draw(course.model_copy(update={"excerpts": ()})) is None
    assert mask_patterns.draw(with_excerpt(course, ((0.0,) * 4,) * 4)) is None
    assert mask_patterns.draw(with_excerpt(course, ((1.0, 2.0),))) is None
