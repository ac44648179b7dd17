"""Numbers as they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsity_report.report import numbers
from sparsity_report.results.model import Measurement


def measurement(value, ci):
    return Measurement(metric="m", value=value, kind="measured", noise="float", ci=ci)


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0.3, "30 %"), (0.23551, "23.55 %"), (1.0, "100 %"), (0.0, "0 %"), (0.125, "12.5 %"), (0.99999, "99.999 %")],
)
def test_percent_drops_trailing_zeros_and_says_100_of_1_only(fraction, text):
    assert text.replace(" ", "\u00a0") == numbers.percent(fraction)


@pytest.mark.parametrize(
    ("value", "ci", "decimals"),
    [(61.4, (59.558, 63.242), 1), (0.87, (0.8624, 0.877), 3), (100.0, (97.0, 103.0), 1), (160.0, (150.0, 170.0), 0)],
)
def test_decimals_follow_the_interval(value, ci, decimals):
    """Half widths 1.84, 0.0073, 3 and 10 support 1, 3, 1 and 0 decimals."""
    assert decimals == numbers.decimals_for(measurement(value, ci))


def test_a_wide_interval_leaves_three_digits_of_the_value():
    """Two perplexities of 31.4 and 34.2 must not read as 31 and 34 because their intervals are wide."""
    assert numbers.with_interval(measurement(34.2, (27.1, 41.3))) == "34.2 [27.1, 41.3]"


def test_a_value_that_is_not_finite_is_said_to_be_so():
    assert numbers.with_interval(measurement(None, None)) == "not finite"


def test_value_and_interval_have_the_same_decimals():
    assert numbers.with_interval(measurement(61.4, (59.558, 63.242))) == "61.4 [59.6, 63.2]"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0000021, "2.10\u00a0µs"), (0.02137, "21.4\u00a0ms"), (2.5, "2.50\u00a0s"), (62, "62.0\u00a0s")],
)
def test_seconds_choose_their_unit(seconds, text):
    assert text == numbers.seconds(seconds)


def test_sizes_are_mebibytes_of_1024_squared():
    assert numbers.mebibytes(125_239_296 * 4) == "477.75\u00a0MiB"


def test_small_numbers_have_a_power_of_ten():
    assert numbers.significant(3.1e-5, 2) == "3.1\u00a0·\u00a010⁻⁵"


@given(st.floats(1e-3, 1e6))
def test_three_significant_digits_are_within_half_a_unit_of_the_last(value):
    shown = float(numbers.significant(value).replace(",", ""))

    assert abs(shown - value) <= 0.00501 * value
