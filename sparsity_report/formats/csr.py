"""
CSR, compressed sparse row: the nonzero values of each row, their columns, and where each row begins (Saad, 2003, 3.4).

Executed by PyTorch as W_csr @ xᵀ, its best form on a CPU. 32-bit indices are the default: PyTorch's own 64-bit ones
double the index bytes, and MKL would convert them at every call. 16-bit ones halve them where the columns fit, and are
widened inside the call, as values are that are not float32.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING

from ..contracts import Constraint, Info, Pattern
from ._compressed import Params, compressed, indices, lines_of
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

CUDA = (
    Constraint("cuSPARSE's CSR product", "cuda", (5, 3), ("float32", "float16")),
    Constraint("cuSPARSE's CSR product", "cuda", (8, 0), ("bfloat16",)),
)
"""cuSPARSE takes the types that a GPU has instructions for."""

INFO = Info(
    name="csr",
    summary="nonzero values, a column index for each, and row pointers; executed by PyTorch's sparse product",
    equation=r"B_{\mathrm{CSR}} \;=\; \mathrm{nnz}(W)\,(b + b_{\mathrm{idx}}) \;+\; (O + 1)\, b_{\mathrm{ptr}}",
    spoken="bytes are the nonzeros times value plus index bytes, plus out features plus one times pointer bytes",
    cite="saad2003iterative",
    constraints=CUDA,
    result_version=2,
)
SKIPS_ZEROS = True
IN_PLACE = False


def refuses(pattern: Pattern) -> str:
    return ""


def stored_bytes(
    rows: int, cols: int, kept: int, value_bytes: int, pattern: Pattern, params: Params, permuted: bool = False
) -> dict[str, int]:
    return {"values": kept * value_bytes, **params.index_bytes(rows, cols, kept)}


def encode(
    weight_OI: Tensor, pattern: Pattern, params: Params, permutation_I: Tensor | None = None
) -> dict[str, Tensor]:
    """Values in row-major order. Raises ValueError when int32 cannot number the nonzeros."""
    kept = weight_OI != 0
    return {"values": weight_OI[kept], **compressed(kept, params)}


@cache
def announce() -> None:
    """PyTorch says once a process that its CSR support is in beta; the report says so instead."""
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
        none = torch.zeros(0)
        torch.sparse_csr_tensor(torch.zeros(2).int(), none.int(), none, (1, 1), check_invariants=False)


def as_csr(tensors: dict[str, Tensor], shape: tuple[int, int], values: Tensor) -> Tensor:
    """A torch CSR tensor over the same memory where nothing has to be widened."""
    import torch

    announce()
    return torch.sparse_csr_tensor(tensors["pointers"], indices(tensors), values, shape, check_invariants=False)


def decode(tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern) -> Tensor:
    values = tensors["values"]
    weight_OI = values.new_zeros(shape)
    weight_OI[lines_of(tensors), tensors["indices"].long()] = values
    return weight_OI


def apply(
    tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern, x: Tensor, bias: Tensor | None
) -> Tensor:
    """
    x Wᵀ + bias. A zero weight is never multiplied: where x is infinite, dense gives NaN and CSR does not.
    """
    rows, cols = shape
    flat, values = wide(x.reshape(-1, cols), x), tensors["values"]
    if flat.shape[0] == 0 or values.numel() == 0:  # the sparse product refuses empty operands
        product = flat.new_zeros(flat.shape[0], rows)
    else:
        product = (as_csr(tensors, shape, wide(values, x)) @ flat.t()).t()
    return finished(product, tensors, x, bias)


def fallback(
    device: str, dtype: str, layers: Sequence[dict[str, Tensor]], pattern: Pattern
) -> tuple[str, str, int] | None:
    import torch

    if device == "cuda" and not any(each.takes(dtype, torch.cuda.get_device_capability()) for each in CUDA):
        needed = next(each for each in CUDA if dtype in each.dtypes)
        return ("not executed", str(needed), len(layers))
    return widened("PyTorch's CSR product", device, dtype, layers)
