"""
CSR, compressed sparse row: the nonzero values of each row, their columns, and where each row begins (Saad, 2003, 3.4).

Executed by PyTorch as W_csr @ xᵀ, its best form on a CPU. 32-bit indices are the default: PyTorch's own 64-bit ones
double the index bytes, and MKL would convert them at every call.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING, Literal

from .. import contracts
from ..contracts import Info, Pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

INFO = Info(
    name="csr",
    summary="nonzero values, a column index for each, and row pointers; executed by PyTorch's sparse product",
    equation=r"B_{\mathrm{CSR}} \;=\; \mathrm{nnz}(W)\,(b + b_{\mathrm{idx}}) \;+\; (O + 1)\, b_{\mathrm{idx}}",
    spoken="bytes are the nonzeros times value plus index bytes, plus out features plus one times index bytes",
    cite="saad2003iterative",
)
SKIPS_ZEROS = True
IN_PLACE = False


class Params(contracts.Params):
    """`index`: the type of column indices and row pointers."""

    index: Literal["int32", "int64"] = "int32"

    @property
    def index_bytes(self) -> int:
        return 4 if self.index == "int32" else 8


def refuses(pattern: Pattern) -> str:
    return ""


def stored_bytes(
    rows: int, cols: int, kept: int, value_bytes: int, pattern: Pattern, params: Params, permuted: bool = False
) -> dict[str, int]:
    return {
        "values": kept * value_bytes,
        "indices": kept * params.index_bytes,
        "pointers": (rows + 1) * params.index_bytes,
    }


def encode(
    weight_OI: Tensor, pattern: Pattern, params: Params, permutation_I: Tensor | None = None
) -> dict[str, Tensor]:
    """Values in row-major order. Raises ValueError when int32 cannot number the nonzeros."""
    import torch

    kept = weight_OI != 0
    count = int(kept.sum())
    if params.index == "int32" and count >= 2**31:
        raise ValueError(f'{count} nonzeros are too many for 32-bit row pointers; use index = "int64"')
    index = getattr(torch, params.index)
    pointers = torch.zeros(weight_OI.shape[0] + 1, dtype=index, device=weight_OI.device)
    pointers[1:] = kept.sum(1).cumsum(0).to(index)
    return {"values": weight_OI[kept], "indices": kept.nonzero()[:, 1].to(index), "pointers": pointers}


@cache
def _announce() -> None:
    """PyTorch says once a process that its CSR support is in beta; the report says so instead."""
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
        none = torch.zeros(0)
        torch.sparse_csr_tensor(torch.zeros(2).int(), none.int(), none, (1, 1), check_invariants=False)


def as_csr(tensors: dict[str, Tensor], shape: tuple[int, int]) -> Tensor:
    """A torch CSR tensor over the same memory."""
    import torch

    _announce()
    return torch.sparse_csr_tensor(
        tensors["pointers"], tensors["indices"], tensors["values"], shape, check_invariants=False
    )


def decode(tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern) -> Tensor:
    return as_csr(tensors, shape).to_dense()


def apply(
    tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern, x: Tensor, bias: Tensor | None
) -> Tensor:
    """
    x Wᵀ + bias. A zero weight is never multiplied: where x is infinite, dense gives NaN and CSR does not.
    """
    rows, cols = shape
    flat = x.reshape(-1, cols)
    if flat.shape[0] == 0 or tensors["values"].numel() == 0:  # the sparse product refuses empty operands
        product = x.new_zeros(flat.shape[0], rows)
    else:
        product = (as_csr(tensors, shape) @ flat.t()).t()
    if bias is not None:
        product = product + bias
    return product.reshape(*x.shape[:-1], rows).contiguous()


def fallback(device: str, dtype: str, layers: Sequence[dict[str, Tensor]]) -> tuple[str, str, int] | None:
    if device == "cpu" and dtype != "float32":
        return ("not executed", f"PyTorch has no CSR product for {dtype} on a CPU", len(layers))
    return None
