"""
A leaf must execute its node's function: its logits are compared with the masked model's on a few windows.

Both run the same batches, so that what differs is the format. A leaf that turns finite logits into NaN or infinity has
missed, however few they are.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch

from ..contracts import Info, Quantity
from ..metrics._record import record
from ..models.blocks import batches, device_of
from ..results.model import CheckRecord
from .behaviour import apply_head, forward_hidden
from .nodes import MASKED
from .variant import build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from ..results.model import CellRecord, Measurement
    from .behaviour import Behaviour
    from .prepare import Prepared
    from .state import ModelState

CHECK_WINDOWS = 2
"""Windows on which logits are compared."""

TOLERANCE = {"float32": 1e-3, "float16": 1e-2, "bfloat16": 5e-2}
"""Of the largest logit, by dtype: several roundings of the type, accumulated over the layers of a model."""

INFO = Info(
    name="equivalence",
    summary="largest logit difference between an executed format and the masked model",
    quantities=(
        Quantity(
            "max_abs_logit_difference",
            "1",
            "measured",
            "float",
            "lower",
            "largest absolute difference of any logit between the executed format and the masked model, on a few "
            "windows: rounding, if the format computes the same function",
        ),
        Quantity("max_abs_logit", "1", "measured", "float", "none", "largest absolute logit of the masked model there"),
    ),
)


def larger(one: float, other: float) -> float:
    """The larger of two numbers; NaN wins, so that it cannot get lost."""
    return one if math.isnan(one) or one > other else other


@torch.inference_mode()
def largest_difference(variant: nn.Module, ids_NL: Tensor, node: Behaviour, config: object) -> tuple[float, float]:
    """Largest |difference| of logits between an executed leaf and its node, and the node's largest |logit|."""
    difference = scale = 0.0
    for ids, hidden in zip(batches(ids_NL), batches(node.hidden_NLD), strict=True):
        own = variant(input_ids=ids.to(device_of(variant)), use_cache=False).logits.float()
        expected = apply_head(node.head, hidden, config)
        difference = larger(float((own - expected).abs().max()), difference)
        scale = larger(float(expected.abs().max()), scale)
    return difference, scale


def measure(prepared: Prepared, state: ModelState, variant: nn.Module) -> list[Measurement]:
    """The difference and the scale to judge it by; null where they are not finite."""
    ids = prepared.windows.ids[:CHECK_WINDOWS]
    node = forward_hidden(build(state, MASKED).model, ids)
    difference, scale = largest_difference(variant, ids, node, prepared.loaded.model.config)
    return [
        record(INFO, "max_abs_logit_difference", difference, n=ids.numel()),
        record(INFO, "max_abs_logit", scale, n=ids.numel()),
    ]


def check(cell: CellRecord, dtype: str) -> CheckRecord | None:
    """The verdict on one cell; None for a cell that was not compared."""
    difference, scale = cell.find("max_abs_logit_difference"), cell.find("max_abs_logit")
    if difference is None or scale is None:
        return None
    what, tolerance = f"{cell.id} computes the same function as the masked model", TOLERANCE[dtype]
    bound = None if scale.value is None else tolerance * scale.value
    verdict: Literal["pass", "miss", "cannot_check"] = "pass"
    if bound is None:
        verdict = "cannot_check"
    elif difference.value is None or difference.value > bound:
        verdict = "miss"
    return CheckRecord(
        what=what,
        origin="contract",
        expected=f"largest logit difference ≤ {'?' if bound is None else f'{bound:.2g}'} "
        f"({tolerance:g} of the largest logit)",
        observed="not finite" if difference.value is None else f"{difference.value:.2g}",
        verdict=verdict,
        cells=(cell.id,),
        metric=difference.metric,
    )


def checks(cells: Sequence[CellRecord], dtypes: dict[str, str]) -> list[CheckRecord]:
    """The verdict on every compressed leaf; `dtypes` by model id."""
    found = (check(cell, dtypes[cell.variant.model]) for cell in cells)
    return [each for each in found if each is not None]
