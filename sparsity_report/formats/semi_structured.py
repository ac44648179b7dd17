"""
PyTorch's semi-structured 2:4: the layout of Ampere's sparse tensor cores (Mishra et al., 2021), for CUDA only.

The two kept values of every four and two bits for each of their positions, in the order in which the kernels read
them. A matrix that the kernels do not take (`CUDA`) is stored dense, and the report says how many were. On a CPU the
packed form is made and counted, but there is no product for it: the cell is not executed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Constraint, Info, NoParams, Pattern
from ._values import finished

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

CUDA = Constraint(
    product="PyTorch's semi-structured 2:4 product",
    device="cuda",
    capability=(8, 0),
    dtypes=("bfloat16", "float16"),
    rows=32,
    cols=64,
    tokens="padded to a multiple of 8",
)
INFO = Info(
    name="semi-structured",
    summary="2:4 for CUDA's sparse tensor cores: two of every four values and two bits for each of their positions",
    equation=r"B_{2:4} \;=\; \dfrac{O\, I}{2}\, b \;+\; \dfrac{O\, I}{8}",
    spoken="bytes are half of out features times in features value bytes, and an eighth of them for the positions",
    cite="mishra2021accelerating",
    constraints=(CUDA,),
)
IN_PLACE = False
SKIPS_ZEROS = False


class Params(NoParams):
    """The pattern is the stage's."""


def refuses(pattern: Pattern) -> str:
    return "" if (pattern.n, pattern.m) == (2, 4) else 'format "semi-structured" needs pattern = "2:4"'


def stored_bytes(
    rows: int, cols: int, kept: int, value_bytes: int, pattern: Pattern, params: Params, permuted: bool = False
) -> dict[str, int]:
    """Values of two bytes are a type that the kernels take; a permutation is none of theirs."""
    if value_bytes != 2 or permuted or CUDA.refuses_shape(rows, cols):
        return {"dense": rows * cols * value_bytes}
    return {"values": rows * cols // 2 * value_bytes, "positions": rows * cols // 8}


def encode(
    weight_OI: Tensor, pattern: Pattern, params: Params, permutation_I: Tensor | None = None
) -> dict[str, Tensor]:
    """Raises ValueError when a group has more than two nonzeros: nothing is dropped silently."""
    import torch

    rows, cols = weight_OI.shape
    if permutation_I is not None or weight_OI.element_size() != 2 or CUDA.refuses_shape(rows, cols):
        return {"dense": weight_OI.contiguous()}
    if (weight_OI.view(rows, -1, 4) != 0).sum(2).max() > 2:
        raise ValueError("a group of 4 weights has more than 2 nonzeros: it is not 2:4")
    if weight_OI.is_cuda and torch.cuda.get_device_capability(weight_OI.device) >= CUDA.capability:
        return {"semi_structured": torch.sparse.to_sparse_semi_structured(weight_OI.contiguous())}
    from torch.sparse import _semi_structured_conversions as packing

    values, positions = packing.sparse_semi_structured_from_dense_cutlass(weight_OI.contiguous())  # type: ignore[no-untyped-call]
    return {"values": values, "positions": positions}


def decode(tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern) -> Tensor:
    from torch.sparse import _semi_structured_conversions as packing

    if "values" in tensors:
        unpacked = packing.sparse_semi_structured_to_dense_cutlass
        weight_OI: Tensor = unpacked(tensors["values"], tensors["positions"])  # type: ignore[no-untyped-call]
        return weight_OI
    return tensors["dense"] if "dense" in tensors else tensors["semi_structured"].to_dense()


def apply(
    tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern, x: Tensor, bias: Tensor | None
) -> Tensor:
    """x Wᵀ + bias. What the kernels do not take is unpacked, which no measured cell does."""
    import torch

    semi = tensors.get("semi_structured")
    weight_OI = semi if semi is not None and semi.dtype == x.dtype else decode(tensors, shape, pattern).to(x.dtype)
    return finished(torch.nn.functional.linear(x, weight_OI), tensors, x, bias)


def fallback(
    device: str, dtype: str, layers: Sequence[dict[str, Tensor]], pattern: Pattern
) -> tuple[str, str, int] | None:
    if device != CUDA.device:
        return ("not executed", f"{CUDA}; this study runs on {device}", len(layers))
    left = [each for each in layers if "semi_structured" not in each or dtype not in CUDA.dtypes]
    if len(left) == len(layers):
        return ("not executed", f"{CUDA}; no matrix here is such a one", len(layers))
    return ("dense instead", f"{CUDA}", len(left)) if left else None
