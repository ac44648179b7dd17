"""
Tipping points: the sparsity at which a method leaves the dense model's behaviour, with an interval.

Along a series of states that differ in their sparsity only, window means of a quantity are joined by straight lines
(ln of the perplexity ratio, and the share of changed first tokens, both 0 at sparsity 0). The tipping point is where
the line first passes a stated level. Its 95 % interval repeats that on windows drawn with replacement, the same draw
for all states of the series.

Shapes: N windows, K states by rising sparsity, R resamples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .stats import resampled_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Tipping:
    """
    Where the level is passed, and between which sparsities in 95 % of the resamples.

    None where it is not passed within the series: `value` and `high` together, or `high` alone where some resamples do
    not pass it.
    """

    value: float | None
    low: float | None
    high: float | None


def crossing(sparsity_K: NDArray[np.float64], values_RK: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """(R,): the sparsity at which the line through (0, 0) and the values first exceeds the level; inf where never."""
    sparsity = np.concatenate([[0.0], sparsity_K])
    values = np.concatenate([np.zeros((len(values_RK), 1)), values_RK], axis=1)
    beyond = values > level
    after = np.maximum(beyond.argmax(axis=1), 1)
    rows = np.arange(len(values))
    low, high = values[rows, after - 1], values[rows, after]
    rise = np.where(high > low, high - low, 1.0)
    found = sparsity[after - 1] + (level - low) / rise * (sparsity[after] - sparsity[after - 1])
    return np.where(beyond.any(axis=1), found, np.inf)


def tipping(sparsity_K: NDArray[np.float64], means_NK: NDArray[np.float64], level: float) -> Tipping:
    """The tipping point of window means that rise from 0, and its interval; without an interval below three windows."""
    value = float(crossing(sparsity_K, means_NK.mean(axis=0)[None], level)[0])
    if len(means_NK) < 3:
        return Tipping(finite(value), None, None)
    every = crossing(sparsity_K, resampled_sums(means_NK) / len(means_NK), level)
    low, high = np.percentile(every, (2.5, 97.5), method="nearest")  # others would subtract infinities
    return Tipping(finite(value), finite(float(low)), finite(float(high)))


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
