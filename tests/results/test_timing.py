"""What may be claimed of a timing: by hand, and by error rates on recorded noise."""

from __future__ import annotations

from pathlib import Path

import noise_rates
import numpy as np
import pytest

from sparsity_report.results.timing import drift, floor_of, is_precise, outliers, verdict

TRACES = sorted((Path(__file__).parent / "noise").glob("*.npz"))


@pytest.mark.parametrize(
    ("ratio", "interval", "floor", "expected"),
    [
        (1.20, (1.18, 1.22), 0.03, "faster"),
        (0.80, (0.78, 0.82), 0.03, "slower"),
        (1.02, (1.019, 1.021), 0.03, "no difference"),  # T57: sure, and smaller than the floor
        (1.20, (0.99, 1.40), 0.0, "no difference"),  # the interval contains 1
        (1.05, (1.01, 1.09), 0.04, "no difference"),  # excludes 1 and exceeds the floor, but not both together
        (1.015, (1.014, 1.016), 0.0, "no difference"),  # less than is ever claimed
        (2.00, None, 0.0, "no difference"),
        (None, None, 0.0, "no difference"),
    ],
)
def test_a_claim_needs_more_than_interval_and_floor_together(ratio, interval, floor, expected):
    assert verdict(ratio, interval, floor) == expected


def test_as_time_or_as_speed_a_factor_counts_alike():
    """Faster by a factor is judged as slower by the same factor."""
    for factor in (1.03, 1.05, 1.07):
        faster = verdict(factor, (factor / 1.03, factor * 1.02), 0.03)
        slower = verdict(1 / factor, (1 / factor / 1.02, 1 / factor * 1.03), 0.03)
        assert (faster == "faster") == (slower == "slower")


def test_the_noise_floor_is_the_further_end_of_the_interval():
    assert floor_of(1.0, (0.96, 1.03)) == pytest.approx(1 / 0.96 - 1)
    assert floor_of(1.0, (0.98, 1.03)) == pytest.approx(0.03)
    assert floor_of(0.9, None) == pytest.approx(1 / 0.9 - 1)


def test_a_ratio_is_precise_by_the_ranks_of_the_binomial():
    """Of 10 values the 2nd and the 9th bound the median (Conover: 0.979); an outlier beyond them changes nothing."""
    ratio = np.linspace(0.99, 1.01, 10)
    assert is_precise(ratio)
    assert is_precise(np.append(ratio[:-1], 50.0))
    assert not is_precise(np.linspace(0.9, 1.1, 10))
    assert not is_precise(np.ones(5))


def test_outliers_are_those_beyond_tukeys_fences():
    """Quartiles 3 and 7 of 1 … 9: the fences are -3 and 13."""
    assert outliers(np.arange(1.0, 10.0)) == 0
    assert outliers(np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 100])) == 1
    assert outliers(np.array([-100.0, 2, 3, 4, 5, 6, 7, 8, 100])) == 2


def test_drift_is_the_change_from_first_to_last_over_the_median():
    change, interval = drift(np.linspace(1.0, 1.2, 21))
    assert change == pytest.approx(0.2 / 1.1)
    assert interval == (pytest.approx(0.2 / 1.1), pytest.approx(0.2 / 1.1))

    rng = np.random.default_rng(0)
    change, interval = drift(1 + 0.01 * rng.standard_normal(60))
    assert interval[0] < 0 < interval[1]
    assert abs(change) < 0.02


@pytest.mark.parametrize("file", TRACES, ids=lambda file: file.stem)
def test_the_rule_rarely_errs_on_recorded_noise(file):
    """T57. At most 1 % false alarms and 95 % of 10 % slow-downs found, with the default rounds and seconds."""
    trace = noise_rates.read(file)
    rates = noise_rates.rates(trace, slow_down=1.10, cells=160, judgements=1000)

    assert len(trace.seconds) >= 8
    assert rates.n == 1000
    assert rates.false_alarms <= 0.01
    assert rates.found >= 0.95


def test_a_rule_without_a_floor_would_err():
    """The traces can tell a bad rule: that the interval excludes 1 is too little."""
    trace = noise_rates.read(next(file for file in TRACES if file.stem == "quiet"))
    rng = np.random.default_rng(0)
    intervals = [
        noise_rates.bootstrap_median(phase.ratio)[1]
        for number in range(40)
        for phase in noise_rates.stretch(trace.seconds[number % len(trace.seconds)], trace.setting, rng).phases()
    ]

    assert np.mean([not low <= 1 <= high for low, high in intervals]) > 0.01


def test_traces_were_recorded_with_the_defaults():
    from sparsity_report.spec.model import Latency

    default = Latency()
    for file in TRACES:
        setting = noise_rates.read(file).setting
        assert (setting.runs, setting.seconds, setting.limit) == (default.runs, default.seconds, default.max_seconds)
        assert file.stat().st_size < 200_000
    assert {"quiet", "busy"} <= {file.stem for file in TRACES}
