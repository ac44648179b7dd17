"""A measurement from the quantity that defines it: unit, kind, noise and direction stand in one place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..results.model import Measurement

if TYPE_CHECKING:
    from ..contracts import Info
    from ..results.model import Condition


def record(
    info: Info, metric: str, value: float, conditions: dict[str, Condition] | None = None, **more: Any
) -> Measurement:
    """`metric` must be one of `info.quantities`. A value that is not finite becomes null."""
    quantity = next(each for each in info.quantities if each.name == metric)
    return Measurement(
        metric=metric,
        value=value if math.isfinite(value) else None,
        unit=quantity.unit,
        kind=quantity.kind,
        noise=quantity.noise,
        direction=quantity.direction,
        conditions=conditions or {},
        **more,
    )
