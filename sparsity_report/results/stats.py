"""Intervals, through SciPy. Deterministic: the resampling is seeded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


def bootstrap_strata(sizes: Sequence[int], statistic: Callable[..., NDArray[np.float64]]) -> tuple[float, float] | None:
    """
    95 % percentile bootstrap interval where each of several samples is drawn from by itself.

    `statistic(*indices)` is given which members of each sample were drawn, along the last axis: samples that are
    drawn together stay in pairs. None where a sample has fewer than three members or a result is not finite.
    """
    from scipy.stats import bootstrap

    if min(sizes) < 3:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        result = bootstrap(
            tuple(np.arange(size) for size in sizes),
            lambda *indices, axis: statistic(*(each.astype(np.int64) for each in indices)),
            n_resamples=RESAMPLES,
            batch=100,
            method="percentile",
            vectorized=True,
            rng=np.random.default_rng(SEED),
        )
    low, high = (float(end) for end in result.confidence_interval)
    return (low, high) if np.isfinite(low) and np.isfinite(high) else None


def bootstrap_mean(values: NDArray[np.float64]) -> tuple[float, tuple[float, float] | None]:
    """Mean and its interval."""
    return float(np.mean(values)), bootstrap_interval(values, np.mean)


def bootstrap_median(values: NDArray[np.float64]) -> tuple[float, tuple[float, float] | None]:
    """Median and its interval."""
    return float(np.median(values)), bootstrap_interval(values, np.median)


def bootstrap_shares(parts: Sequence[NDArray[np.float64]]) -> list[tuple[float, tuple[float, float] | None]]:
    """
    Share of each part's median in the sum of all medians, and its interval; rounds (R,) are resampled whole.

    Medians of shares would not add up to one: a round in which one part was disturbed has other shares of all.
    """
    from scipy.stats import bootstrap

    def shares(*samples: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
        medians = np.stack([np.median(each, axis=axis) for each in samples])
        return np.asarray(medians / medians.sum(axis=0))

    values = shares(*parts)
    if parts[0].size < 3 or not np.isfinite(values).all() or all(np.ptp(each) == 0 for each in parts):
        return [(float(value), None if parts[0].size < 3 else (float(value), float(value))) for value in values]
    result = bootstrap(
        tuple(parts),
        shares,
        n_resamples=RESAMPLES,
        method="percentile",
        paired=True,
        vectorized=True,
        rng=np.random.default_rng(SEED),
    )
    low, high = (np.asarray(bound) for bound in (result.confidence_interval.low, result.confidence_interval.high))
    return [(float(values[k]), (float(low[k]), float(high[k]))) for k in range(len(parts))]


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
