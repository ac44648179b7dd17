"""What making a pruned state took: seconds and memory, calibration included, loading the model excluded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info, Quantity
from ._record import record

if TYPE_CHECKING:
    from ..results.model import Measurement, NodeRecord

LEVEL = "pruning"
INFO = Info(
    name="pruning",
    summary="seconds and memory that making the pruned state took",
    quantities=(
        Quantity(
            "prune_seconds",
            "s",
            "measured",
            "timing",
            "lower",
            "wall-clock seconds from the dense model in memory to its pruned state, calibration included",
            "one run, beside whatever else the machine did: an order of magnitude, not a benchmark; a pass over the "
            "model that several states share counts in each of them",
        ),
        Quantity(
            "prune_memory_bytes",
            "B",
            "measured",
            "timing",
            "lower",
            "largest resident memory of the process while pruning, the dense model and the libraries included",
        ),
    ),
)


def measure(made: NodeRecord) -> list[Measurement]:
    """Seconds, and memory where the system tells it."""
    records = []
    if made.seconds is not None:
        records.append(record(INFO, "prune_seconds", made.seconds))
    if made.peak_memory_bytes is not None:
        records.append(record(INFO, "prune_memory_bytes", made.peak_memory_bytes))
    return records
