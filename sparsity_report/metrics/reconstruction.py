"""Layer-wise reconstruction error: how far the outputs of the pruned matrices are from those of the dense ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info, Quantity
from ._record import record

if TYPE_CHECKING:
    from ..results.model import Measurement, NodeRecord

LEVEL = "pruning"
NEEDS_CALIBRATION = True
INFO = Info(
    name="reconstruction",
    summary="relative error of the pruned matrices' outputs on calibration inputs",
    equation=r"E = \dfrac{\sum_m \Vert (W_m - \hat{W}_m)\, X_m \Vert_F^2}{\sum_m \Vert W_m X_m \Vert_F^2}",
    spoken="the error is the sum over matrices of the squared difference of outputs, over the sum of squared outputs",
    cite="frantar2023sparsegpt",
    quantities=(
        Quantity(
            "reconstruction_error",
            "1",
            "measured",
            "float",
            "lower",
            "squared output error of the targeted matrices relative to their squared outputs, on the dense model's "
            "inputs of the study's first calibration set",
            "judges each matrix alone: errors that later blocks amplify or cancel do not show",
        ),
    ),
)


def measure(made: NodeRecord) -> list[Measurement]:
    """Pooled over all targeted matrices; nothing where it was not measured."""
    if made.reconstruction_total is None:
        return []
    return [record(INFO, "reconstruction_error", made.reconstruction_total)]
