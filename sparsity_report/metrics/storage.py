"""Stored bytes: every tensor that a variant holds, indices and pointers included, tied weights once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info, Quantity
from ._record import record

if TYPE_CHECKING:
    from ..engine.structure import Structure
    from ..results.model import Measurement

LEVEL = "structure"
INFO = Info(
    name="storage",
    summary="bytes of every stored tensor, parameters and buffers, indices and pointers included",
    quantities=(
        Quantity(
            "stored_bytes",
            "B",
            "counted",
            "exact",
            "lower",
            "bytes of all tensors that the variant holds in memory; over the targeted matrices' weights or over the "
            "whole model (parameters and buffers), by component where one is named",
            "bytes in memory, not of a compressed file, and without activations or the KV cache",
        ),
    ),
)


def measure(structure: Structure) -> list[Measurement]:
    """Over the model, over the target, and the target's components."""
    target = sum(structure.components.values())
    return [
        record(INFO, "stored_bytes", structure.model_bytes, {"over": "model"}),
        record(INFO, "stored_bytes", target, {"over": "target"}),
        *(
            record(INFO, "stored_bytes", size, {"over": "target", "component": component})
            for component, size in structure.components.items()
        ),
    ]
