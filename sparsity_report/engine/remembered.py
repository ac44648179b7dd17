"""Timings of a cell, kept apart from the cell: what else is measured of it may change, and nothing is timed again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .. import registry
from ..planning import digest
from ..results.model import Fallback, Measurement
from ..results.sealed import read_entry, write_entry
from .nodes import mask_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..contracts import Cell
    from .prepare import Prepared
    from .stopwatch import Stopwatch


@dataclass(frozen=True)
class Clocked:
    """What the clock said of a cell: measurements, raw samples, and what could not be read."""

    records: tuple[Measurement, ...] = ()
    samples: dict[str, Any] | None = None
    fallbacks: tuple[Fallback, ...] = ()


def key_of(family: str, stopwatch: Stopwatch, prepared: Prepared, cell: Cell, anchor: str) -> str:
    """All that can change a timing that its protocol allows to repeat: the machine and its threads among it."""
    return digest(
        [
            [family, registry.get("metrics", family).INFO.result_version],
            mask_key(prepared, cell.node),
            [asdict(cell.format), registry.get("formats", cell.format.entry).INFO.result_version],
            stopwatch.spec.metrics.latency.model_dump(mode="json", exclude={"variants"}),
            stopwatch.spec.hardware.device,
            prepared.windows.token_ids_sha256,
            [stopwatch.fingerprint, stopwatch.quick, anchor],
        ]
    )[:16]


def remembered(
    family: str, stopwatch: Stopwatch, prepared: Prepared, cell: Cell, anchor: str, measure: Callable[[], Clocked]
) -> Clocked:
    """The family's timings of a cell from the run folder, or measured now and kept there."""
    file = stopwatch.folder / "timings" / f"{key_of(family, stopwatch, prepared, cell, anchor)}.json"
    kept: Any = None if stopwatch.again else read_entry(file)
    try:
        return Clocked(
            tuple(map(Measurement.model_validate, kept["records"])),
            kept["samples"],
            tuple(map(Fallback.model_validate, kept["fallbacks"])),
        )
    except (TypeError, KeyError, ValueError):  # absent, damaged or of another version: measured anew
        pass
    found = measure()
    entry = {
        "records": [each.model_dump(mode="json") for each in found.records],
        "samples": found.samples or {},
        "fallbacks": [each.model_dump(mode="json") for each in found.fallbacks],
    }
    write_entry(file, entry)
    return found
