"""
CSC, compressed sparse column: the nonzero values of each column, their rows, and where each column begins (Saad, 2003,
3.4).

Executed by SciPy as W_csc @ xᵀ, on one thread: PyTorch's own product of a CSC matrix converts it at every call and is
tens of times slower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info, Pattern
from . import csr
from ._compressed import Params, compressed, indices
from ._values import finished, wide, widened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = [
    "INFO",
    "IN_PLACE",
    "SKIPS_ZEROS",
    "Params",
    "apply",
    "decode",
    "encode",
    "fallback",
    "refuses",
    "stored_bytes",
]

INFO = Info(
    name="csc",
    summary="nonzero values, a row index for each, and column pointers; executed by SciPy's sparse product",
    equation=r"B_{\mathrm{CSC}} \;=\; \mathrm{nnz}(W)\,(b + b_{\mathrm{idx}}) \;+\; (I + 1)\, b_{\mathrm{ptr}}",
    spoken="bytes are the nonzeros times value plus index bytes, plus in features plus one times pointer bytes",
    cite="saad2003iterative",
)
SKIPS_ZEROS = True
IN_PLACE = False


def refuses(pattern: Pattern) -> str:
    return ""


def stored_bytes(
    rows: int, cols: int, kept: int, value_bytes: int, pattern: Pattern, params: Params, permuted: bool = False
) -> dict[str, int]:
    return {"values": kept * value_bytes, **params.index_bytes(cols, rows, kept)}


def encode(
    weight_OI: Tensor, pattern: Pattern, params: Params, permutation_I: Tensor | None = None
) -> dict[str, Tensor]:
    """Values in column-major order. Raises ValueError when int32 cannot number the nonzeros."""
    weight_IO = weight_OI.t().contiguous()
    kept = weight_IO != 0
    return {"values": weight_IO[kept], **compressed(kept, params)}


def decode(tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern) -> Tensor:
    """The columns of W are the rows of Wᵀ."""
    return csr.decode(tensors, (shape[1], shape[0]), pattern).t().contiguous()


def apply(
    tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern, x: Tensor, bias: Tensor | None
) -> Tensor:
    """x Wᵀ + bias. A zero weight is never multiplied."""
    import torch
    from scipy.sparse import csc_array

    values = wide(tensors["values"], x).numpy()
    weight_OI = csc_array((values, indices(tensors).numpy(), tensors["pointers"].numpy()), shape=shape)
    product_OT = weight_OI @ wide(x.reshape(-1, shape[1]), x).detach().numpy().T
    return finished(torch.from_numpy(product_OT).t(), tensors, x, bias)


def fallback(
    device: str, dtype: str, layers: Sequence[dict[str, Tensor]], pattern: Pattern
) -> tuple[str, str, int] | None:
    if device != "cpu":
        return ("not executed", f"there is no CSC product on {device}", len(layers))
    return widened("SciPy's CSC product", device, dtype, layers)
