"""Tipping points: lines whose crossings are known by hand, and an interval that holds the truth."""

from __future__ import annotations

import numpy as np
import pytest

from sparsity_report.results.stability import crossing, tipping

SPARSITY = np.array([0.3, 0.5, 0.7])


@pytest.mark.parametrize(
    ("values", "point"),
    [
        ([0.0, 0.2, 0.4], 0.4),  # 0.1 lies half-way between 0 at 30 % and 0.2 at 50 %
        ([0.2, 0.3, 0.4], 0.15),  # from 0 at dense to 0.2 at 30 %
        ([0.1, 0.1, 0.3], 0.5),  # reaching is not passing
        ([0.3, 0.0, 0.3], 0.1),  # the first crossing counts
        ([0.0, 0.05, 0.1], np.inf),
    ],
)
def test_the_level_is_passed_where_the_line_says(values: list[float], point: float) -> None:
    assert crossing(SPARSITY, np.array([values]), 0.1)[0] == pytest.approx(point)


def test_windows_that_agree_leave_no_width() -> None:
    found = tipping(SPARSITY, np.tile([0.0, 0.2, 0.4], (8, 1)), 0.1)

    assert (found.value, found.low, found.high) == pytest.approx((0.4, 0.4, 0.4))


def test_states_are_resampled_with_the_same_windows() -> None:
    """Windows differ by a factor, which moves all states together; the spread is that of the factors."""
    factors = np.random.default_rng(0).normal(1.0, 0.2, 64)
    found = tipping(SPARSITY, factors[:, None] * np.array([0.0, 0.2, 0.4]), 0.1)
    mean = factors.mean()
    standard_error = factors.std(ddof=1) / 8

    assert found.value == pytest.approx(0.3 + 0.2 * 0.1 / (0.2 * mean))
    low, high = (0.3 + 0.1 / (mean + side * 1.96 * standard_error) for side in (1, -1))
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.02)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """95 %, less what a percentile bootstrap over 40 windows loses."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(100):
        means = rng.normal([0.02, 0.2, 0.5], 0.05, (40, 3))
        found = tipping(SPARSITY, means, 0.1)
        held += found.low <= 0.3 + 0.2 * 0.08 / 0.18 <= found.high

    assert held >= 88


def test_a_level_that_some_resamples_do_not_reach_has_an_open_interval() -> None:
    means = np.random.default_rng(2).normal([0.0, 0.02, 0.11], 0.05, (10, 3))

    found = tipping(SPARSITY, means, 0.1)

    assert found.low is not None
    assert found.high is None
    never = tipping(SPARSITY, np.zeros((10, 3)), 0.1)
    assert (never.value, never.low, never.high) == (None, None, None)
    two = tipping(SPARSITY, np.tile([0.0, 0.2, 0.4], (2, 1)), 0.1)
    assert (two.value, two.low) == (pytest.approx(0.4), None)
