"""
What may be claimed of a timing: ratio, interval, noise floor, verdict, outliers, drift. Torch-free.

A speed-up is claimed only where it is further from 1 than its own interval and the distance of dense from itself allow
together. On the committed noise traces (tests/results/noise) this calls dense different from dense in less than 1 % of
cases and finds a slow-down of 10 % in more than 95 %: tests/results/test_timing.py holds both.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .model import Measurement, Results

    Floats = NDArray[np.float64]

Verdict = Literal["faster", "slower", "no difference"]
Interval = tuple[float, float]

PRECISION = 0.02
"""Rounds are added until the ratio is known to ± this, as far as time allows."""
LEAST_EFFECT = 0.02
"""
The smallest difference that is ever claimed. The same model in two processes, or twice in one, lies at other addresses,
and its speed differs by that: medians of dense over its copy in
20 processes on a quiet machine reached 1.4 % from 1.
"""


def is_precise(ratio: Floats) -> bool:
    """Whether the exact distribution-free 95 % interval of the median (binomial ranks) is within ± PRECISION."""
    from scipy.stats import quantile_test

    if len(ratio) < 6:  # with fewer there is no such interval
        return False
    interval: Any = quantile_test(ratio, q=1.0, p=0.5).confidence_interval(0.95)  # scipy-stubs has it as a float
    low, high = interval
    return bool(high - low <= 2 * PRECISION * np.median(ratio))


def floor_of(ratio: float, interval: Interval | None) -> float:
    """How far dense is from itself: the end of its interval that is further from 1, as a factor less one."""
    return max(max(bound, 1 / bound) for bound in (interval or (ratio,))) - 1


def reach(floor: float) -> float:
    """The distance from 1, as a logarithm, that the noise floor has."""
    return math.log1p(max(floor, LEAST_EFFECT))


def verdict(ratio: float | None, interval: Interval | None, floor: float) -> Verdict:
    """
    Of a speed-up: "no difference" unless its distance from 1 exceeds √(half of its interval² + floor²).

    Half of the interval is the side that faces 1; distances are logarithms, so that a factor counts alike as time and
    as speed. Without an interval nothing is claimed.
    """
    if not ratio or interval is None or interval[0] <= 0:
        return "no difference"
    distance = math.log(ratio)
    half = distance - math.log(interval[0]) if ratio > 1 else math.log(interval[1]) - distance
    if abs(distance) <= math.hypot(half, reach(floor)):
        return "no difference"
    return "faster" if ratio > 1 else "slower"


def floor_behind(results: Results, speedup: Measurement) -> float:
    """The noise floor of the dense cell beside which a speed-up was measured; 0 where none was recorded."""
    phase = speedup.metric.removesuffix("_speedup")
    anchor = next((cell for cell in results.cells if cell.id == speedup.anchor), None)
    found = None if anchor is None else anchor.value(f"{phase}_noise_floor", **speedup.conditions)
    return found or 0.0


def settled(results: Results) -> Results:
    """The same, but for speed-ups that are no difference: their intervals reach to 1."""

    def reaching(each: Measurement) -> Measurement:
        if not each.metric.endswith("_speedup") or each.value is None:
            return each
        if verdict(each.value, each.ci, floor_behind(results, each)) != "no difference":
            return each
        low, high = each.ci or (each.value, each.value)
        return each.model_copy(update={"ci": (min(low, 1.0), max(high, 1.0))})

    cells = (cell.model_copy(update={"metrics": tuple(map(reaching, cell.metrics))}) for cell in results.cells)
    return results.model_copy(update={"cells": tuple(cells)})


def outliers(samples: Floats) -> int:
    """How many lie beyond Tukey's fences, 1.5 interquartile ranges outside the quartiles (Tukey, 1977)."""
    from scipy.stats import iqr

    low, high = np.percentile(samples, (25, 75))
    reach = 1.5 * float(iqr(samples))
    return int(((samples < low - reach) | (samples > high + reach)).sum())


def drift(samples: Floats) -> tuple[float, Interval | None]:
    """By how much of their median the samples change from first to last (Theil-Sen slope), with a 95 % interval."""
    from scipy.stats import theilslopes

    if len(samples) < 3:
        return 0.0, None
    scale = (len(samples) - 1) / np.median(samples)
    slope, _, low, high = theilslopes(samples)
    return float(slope * scale), (float(low * scale), float(high * scale))
