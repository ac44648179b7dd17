"""Cast: every weight rounded to a floating-point type of 16 bits (nearest, ties to even)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .. import contracts
from ..contracts import Info, Values

if TYPE_CHECKING:
    from torch import Tensor

    from ..low_precision import LowPrecision

INFO = Info(
    name="cast",
    summary="round every weight to bfloat16 (8 bits of significand) or float16 (11 bits, and a smaller range)",
    equation=r"\hat W_{ij} = \mathrm{fl}_{16}(W_{ij})",
    spoken="each weight is the nearest number of the type of 16 bits",
    cite="kalamkar2019bfloat16",
)


class Params(contracts.Params):
    """`dtype`: the type."""

    dtype: Literal["bfloat16", "float16"] = "bfloat16"


def values(params: Params) -> Values:
    return Values(params.dtype)


def quantize(weight_OI: Tensor, params: Params) -> LowPrecision:
    """Raises SparsityReportError where a finite weight has no finite neighbour in the type."""
    import torch

    from ..errors import SparsityReportError
    from ..low_precision import LowPrecision

    found_OI = weight_OI.to(getattr(torch, params.dtype))
    if not torch.equal(found_OI.isfinite(), weight_OI.isfinite()):
        largest = float(weight_OI.abs().max())
        raise SparsityReportError(
            f"a weight of {largest:.4g} is beyond {params.dtype}", remedy='dtype = "bfloat16" has float32\'s range'
        )
    # −0.0 and what rounds to it are zeros like all others.
    return LowPrecision(torch.where(found_OI == 0, 0.0, found_OI))
