"""How numbers are written: units, rounding, intervals. Pure text, no HTML."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .replicates import PooledMeasurement

if TYPE_CHECKING:
    from ..results.model import Measurement

NBSP = "\u00a0"
MINUS = "\u2212"
DASH = "\u2013"
MIB = 1024**2


def number(value: float, decimals: int) -> str:
    """`-1234.5` with 1 decimal is "−1,234.5"; a rounded zero has no sign."""
    text = f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def count(value: float) -> str:
    return number(value, 0)


def significant(value: float, digits: int = 3) -> str:
    """`digits` significant digits without an exponent where that stays readable, else "3.1 · 10⁻⁵"."""
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if -4 <= exponent < 7:
        return number(value, max(digits - 1 - exponent, 0))
    mantissa = number(value / 10**exponent, digits - 1)
    power = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa}{NBSP}·{NBSP}10{power}"


def percent(fraction: float, decimals: int = 2) -> str:
    """0.3 is "30 %", 0.23551 is "23.55 %": trailing zeros are dropped, and "100 %" is said of 1 only."""
    hundredths = fraction * 100
    text = number(hundredths, decimals)
    while decimals < 9 and fraction != 1 and text == number(100, decimals):
        decimals += 1
        text = number(hundredths, decimals)
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}{NBSP}%"


def mebibytes(size: float) -> str:
    """Bytes in MiB, with two decimals or, below 0.1 MiB, two significant digits."""
    value = size / MIB
    return f"{number(value, 2) if value >= 0.1 or value == 0 else significant(value, 2)}{NBSP}MiB"


def times(ratio: float) -> str:
    """A factor with two decimals, from 10 on with three significant digits: "0.65×", "161×"."""
    return f"{number(ratio, 2) if abs(ratio) < 10 else significant(ratio)}×"


def seconds(value: float) -> str:
    """Three significant digits in µs, ms or s."""
    for scale, unit in ((1e-6, "µs"), (1e-3, "ms")):
        if value < scale * 1000:
            return f"{significant(value / scale)}{NBSP}{unit}"
    return f"{significant(value)}{NBSP}s" if value < 1000 else f"{count(value)}{NBSP}s"


def decimals_for(measurement: Measurement, scale: float = 1.0, fallback: int = 2) -> int:
    """
    Decimals that the interval supports, and at least three significant digits of the value.

    Two digits of the half width where it begins with less than 3.55, else one (the rule of the Particle Data Group).
    Of several seeds it is the range of their values that counts, up to four significant digits.
    """
    seeds = _seed_range(measurement)
    bounds = seeds or measurement.ci
    if bounds is None:
        return fallback
    half = (bounds[1] - bounds[0]) / 2 * scale
    value = abs(measurement.value or 0) * scale
    shown = 2 - math.floor(math.log10(value)) if value else 0
    if half <= 0:
        return max(shown, 0) if seeds else fallback
    exponent = math.floor(math.log10(half))
    digits = 2 if half / 10**exponent < 3.55 else 1
    places = digits - 1 - exponent
    return min(max(min(places, shown + 1) if seeds else places, shown, 0), 6)


def _seed_range(measurement: Measurement) -> tuple[float, float] | None:
    """Smallest and largest of several seeds."""
    if not isinstance(measurement, PooledMeasurement) or measurement.low is None or measurement.high is None:
        return None
    return measurement.low, measurement.high


def interval(measurement: Measurement, scale: float = 1.0, decimals: int | None = None) -> str:
    """The 95 % interval as "[59.6, 63.2]", or "" where there is none; of several seeds what they span, "59.6–63.2"."""
    places = decimals_for(measurement, scale) if decimals is None else decimals
    if (ends := _seed_range(measurement)) is not None:
        return DASH.join(number(end * scale, places) for end in ends)
    if measurement.ci is None:
        return ""
    return f"[{', '.join(number(bound * scale, places) for bound in measurement.ci)}]"


def with_interval(measurement: Measurement, scale: float = 1.0, unit: str = "", fallback: int = 2) -> str:
    """Value and interval, "61.4 [59.6, 63.2]" with its unit, or "61.4 [60.9–61.8 over 3 seeds]"; null: "not finite"."""
    if measurement.value is None:
        return "not finite"
    places = decimals_for(measurement, scale, fallback)
    text = number(measurement.value * scale, places)
    unit = f"{NBSP}{unit}" if unit else ""
    if isinstance(measurement, PooledMeasurement):
        return f"{text}{unit} [{interval(measurement, scale, places)} over {measurement.seeds} seeds]"
    return f"{text}{unit} {interval(measurement, scale, places)}".rstrip()
