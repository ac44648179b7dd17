"""
Round to nearest: every row of a weight in whole multiples of its own scale, symmetric about 0.

Codes of 8 bits run from −127 to 127 and those of 4 bits from −7 to 7, so that the largest |W| of a row is hit exactly
and 0 is 0. Both are kept in a byte each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .. import contracts
from ..contracts import Info, Values

if TYPE_CHECKING:
    from torch import Tensor

    from ..low_precision import LowPrecision

INFO = Info(
    name="rtn",
    summary="round to the nearest of 255 (8 bits) or 15 (4 bits) multiples of a scale for each output row",
    equation=r"\hat W_{ij} = s_i \, \mathrm{round}(W_{ij} / s_i), \qquad"
    r" s_i = \max_j |W_{ij}| \,/\, (2^{\,b-1} - 1)",
    spoken="each weight is its row's scale times a whole number; the scale is the row's largest absolute weight over "
    "two to the b minus one, minus one",
    cite="jacob2018quantization",
)


class Params(contracts.Params):
    """`bits`: of a code. Codes of 4 bits take a byte each as well: no format here packs two of them."""

    bits: Literal[8, 4] = 8


def values(params: Params) -> Values:
    return Values("int8", scaled=True)


def quantize(weight_OI: Tensor, params: Params) -> LowPrecision:
    """
    Codes and scales, computed in float32. A row without a nonzero weight has the scale 1.

    Raises SparsityReportError on weights that are not finite.
    """
    import torch

    from ..errors import SparsityReportError
    from ..low_precision import LowPrecision

    if not weight_OI.isfinite().all():
        raise SparsityReportError("a weight that is not finite has no nearest multiple of anything")
    weight_OI, largest = weight_OI.float(), 2 ** (params.bits - 1) - 1
    scales_O = weight_OI.abs().amax(1) / largest
    scales_O = torch.where(scales_O > 0, scales_O, 1.0)
    codes_OI = (weight_OI / scales_O[:, None]).round().clamp(-largest, largest)
    return LowPrecision(codes_OI.to(torch.int8), scales_O)
