"""
Weights in few bits, exactly: what a quantize stage leaves, and what a format stores.

The weight is values (O, I) times the scale of its row (O,), where there are scales; a zero value is a zero weight, so
that pruned weights stay exactly 0 (symmetric quantisation has no zero point). Shapes: O out features, I in features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class LowPrecision:
    """values_OI: int8 codes with a scale for each row, or bfloat16 or float16 without; scales_O: float32."""

    values_OI: Tensor
    scales_O: Tensor | None = None

    def weight_OI(self, dtype: torch.dtype) -> Tensor:
        """The weight that the values stand for: one product in float32, rounded once to the model's type."""
        return dequantised(self.values_OI, self.scales_O, dtype)

    def masked(self, keep_mask: Tensor) -> LowPrecision:
        """The same, with what a mask removes as zeros."""
        return LowPrecision(self.values_OI.masked_fill(~keep_mask, 0), self.scales_O)


def dequantised(values_OI: Tensor, scales_O: Tensor | None, dtype: torch.dtype) -> Tensor:
    """values · scale of the row, in float32, then `dtype`; without scales the values as they are, in `dtype`."""
    if scales_O is None:
        return values_OI.to(dtype)
    return (values_OI.float() * scales_O[:, None]).to(dtype)
