"""Latency: wall-clock time of prefill and of decoding, beside dense in the same minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info, Quantity
from ..results.stats import bootstrap_median
from ._record import record

if TYPE_CHECKING:
    from ..engine.timing import PairSamples
    from ..results.model import Condition, Measurement

LEVEL = "timing"
_INTERVAL = "median over interleaved rounds; 95 % bootstrap interval"
_LIMITS = "valid for this machine, its load and its threads; compare ratios, not seconds"
INFO = Info(
    name="latency",
    summary="prefill and decode time, interleaved with dense in one process",
    equation=r"R \;=\; \mathrm{median}_{\,r}\;\, t_r^{\,(d)} /\, t_r^{\,(v)}",
    spoken="the speed-up R is the median over rounds of the dense time over the variant's in the same round",
    cite="efron1993bootstrap",
    quantities=(
        Quantity(
            "prefill_latency_s",
            "s",
            "measured",
            "timing",
            "lower",
            f"seconds to process the prompt; {_INTERVAL}",
            _LIMITS,
        ),
        Quantity(
            "prefill_speedup",
            "1",
            "measured",
            "timing",
            "higher",
            f"dense over variant prefill time of the same round; {_INTERVAL}",
            _LIMITS,
        ),
        Quantity(
            "prefill_noise_floor",
            "1",
            "measured",
            "timing",
            "none",
            "largest distance from 1 of the interval of dense against dense: smaller differences are none",
        ),
        Quantity(
            "decode_latency_s", "s", "measured", "timing", "lower", f"seconds per decoded token; {_INTERVAL}", _LIMITS
        ),
        Quantity(
            "decode_speedup",
            "1",
            "measured",
            "timing",
            "higher",
            f"dense over variant time per decoded token of the same round; {_INTERVAL}",
            _LIMITS,
        ),
        Quantity(
            "decode_noise_floor",
            "1",
            "measured",
            "timing",
            "none",
            "largest distance from 1 of the interval of dense against dense: smaller differences are none",
        ),
    ),
)


def measure(pair: PairSamples, conditions: dict[str, Condition], anchor: str, is_reference: bool) -> list[Measurement]:
    """Latency and speed-up of each phase; for dense against dense, latency and noise floor."""
    records = []
    for phase, variant, dense in pair.phases():
        median, ci = bootstrap_median(variant)
        count = len(variant)
        samples = f"{phase}_b{pair.setting.batch}_p{pair.setting.prompt}"
        records.append(
            record(INFO, f"{phase}_latency_s", median, conditions, ci=ci, n=count, samples_ref=samples, anchor=anchor)
        )
        ratio, bounds = bootstrap_median(dense / variant)
        if is_reference:
            floor = max(abs(bound - 1) for bound in (bounds or (ratio,)))
            records.append(record(INFO, f"{phase}_noise_floor", floor, conditions, n=count))
        else:
            records.append(record(INFO, f"{phase}_speedup", ratio, conditions, ci=bounds, n=count, anchor=anchor))
    return records
