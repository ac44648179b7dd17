"""What the reader must know about the hour in which a study was timed: other work, drift, ratios that stayed vague."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .model import Alert
from .timing import PRECISION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .model import CellRecord, EnvironmentRecord, Measurement

BUSY_CORES = 0.2
"""Other processes that kept so many cores busy compete with what is timed."""
DRIFTED = 0.10
"""A dense time that changes by so much from first to last round, its interval apart from zero."""
VAGUE = 2
"""A ratio known only to twice ± PRECISION has not been measured as well as was asked."""


def alerts(cells: Sequence[CellRecord], environment: EnvironmentRecord) -> Iterator[Alert]:
    """At most one of a kind."""
    yield from _contention(cells, environment)
    yield from _drift(cells)
    yield from _vagueness(cells)


def _found(cells: Sequence[CellRecord], ending: str) -> list[tuple[CellRecord, Measurement]]:
    return [(cell, each) for cell in cells for each in cell.metrics if each.metric.endswith(ending)]


def _names(found: Sequence[tuple[CellRecord, Measurement]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(cell.id for cell, _ in found))


def _contention(cells: Sequence[CellRecord], environment: EnvironmentRecord) -> Iterator[Alert]:
    read = _found(cells, "other_cores")
    busy = [(cell, each) for cell, each in read if (each.value or 0) >= BUSY_CORES]
    if not busy:
        return
    most = max(each.value or 0 for _, each in busy)
    spinning = environment.wait_policy != "passive" and (environment.threads or 2) > 1
    remedy = (
        ' Threads that spin while they wait make this worse: hardware.wait_policy = "passive" does without.'
        if spinning
        else ""
    )
    yield Alert(
        text=f"The machine was busy with other work while {_share(busy, read)} were timed: up to {most:.1f} of "
        f"{environment.cores or 'its'} cores. Seconds are those of a loaded machine; ratios hold within their "
        f"intervals.{remedy}",
        cells=_names(busy),
    )


def _drift(cells: Sequence[CellRecord]) -> Iterator[Alert]:
    read = _found(cells, "_drift")
    moved = [
        (cell, each)
        for cell, each in read
        if each.ci is not None and abs(each.value or 0) >= DRIFTED and not each.ci[0] <= 0 <= each.ci[1]
    ]
    if moved:
        most = max(abs(each.value or 0) for _, each in moved)
        yield Alert(
            text=f"The machine's speed drifted while {_share(moved, read)} were timed: the dense time changed by up to "
            f"{100 * most:.0f} % from the first round to the last. Ratios are of the same rounds and hold; seconds do "
            "not.",
            cells=_names(moved),
        )


def _vagueness(cells: Sequence[CellRecord]) -> Iterator[Alert]:
    read = [(cell, each) for cell, each in _found(cells, "_speedup") if each.ci is not None and each.value]
    read += [(cell, each) for cell, each in _found(cells, "_noise_floor")]
    vague = [(cell, each) for cell, each in read if half_width(each) > VAGUE * PRECISION]
    if vague:
        yield Alert(
            text=f"{_share(vague, read, phases=True)} stayed vague: the speed-up is known to no better than "
            f"±{100 * max(half_width(each) for _, each in vague):.0f} %, where ±{100 * PRECISION:.0f} % was wanted. "
            "Smaller differences are called none, whether they are there or not; a quiet machine, or a larger "
            "metrics.latency.max_seconds, would show them.",
            cells=_names(vague),
        )


def half_width(ratio: Measurement) -> float:
    """Of a speed-up's interval, relative; of a noise floor, the floor."""
    if ratio.ci is None or not ratio.value:
        return ratio.value or 0.0
    return (ratio.ci[1] - ratio.ci[0]) / (2 * ratio.value)


def _share(some: Sequence[object], every: Sequence[object], *, phases: bool = False) -> str:
    what = "timed phases" if phases else "timed settings"
    return f"{'all' if len(some) == len(every) else len(some)} of {len(every)} {what}"
