"""Intervals, through SciPy. Deterministic: the resampling is seeded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

RESAMPLES = 2000
SEED = 0


def bootstrap_interval(
    values: NDArray[np.float64], statistic: Callable[..., NDArray[np.float64]]
) -> tuple[float, float] | None:
    """
    95 % percentile bootstrap interval of `statistic(values, axis=…)` (Efron and Tibshirani, 1993).

    None for fewer than three values or when one is not finite; a constant sample has an interval of no width.
    """
    from scipy.stats import bootstrap  # takes a second, and the heads of metrics must be read without it

    if values.size < 3 or not np.isfinite(values).all():
        return None
    if np.ptp(values) == 0:
        constant = float(statistic(values, axis=0))
        return (constant, constant)
    result = bootstrap(
        (values,),
        statistic,
        n_resamples=RESAMPLES,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(SEED),
    )
    return (float(result.confidence_interval.low), float(result.confidence_interval.high))


def bootstrap_mean(values: NDArray[np.float64]) -> tuple[float, tuple[float, float] | None]:
    """Mean and its interval."""
    return float(np.mean(values)), bootstrap_interval(values, np.mean)


def bootstrap_median(values: NDArray[np.float64]) -> tuple[float, tuple[float, float] | None]:
    """Median and its interval."""
    return float(np.median(values)), bootstrap_interval(values, np.median)


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(hits, count).proportion_ci(method="wilson")
    return (float(interval.low), float(interval.high))


def resampled_sums(tables_N: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    (RESAMPLES, …): sums over the first axis of N rows drawn with replacement; all columns are of the same draw.

    For statistics of several quantities of the same windows: a ratio, a crossing, an error over bins.
    """
    count = len(tables_N)
    draws = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    return (draws.astype(np.float64) @ tables_N.reshape(count, -1)).reshape(RESAMPLES, *tables_N.shape[1:])


def interval_of(resampled: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % percentile interval of resampled values."""
    low, high = np.percentile(resampled, (2.5, 97.5))
    return (float(low), float(high))
