"""
Dense: every weight stored, every weight multiplied. The reference of every comparison.

Low-precision values are stored as they are; each call widens them to x's type and multiplies densely.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info, NoParams, Pattern
from ._values import finished

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

INFO = Info(
    name="dense",
    summary="every weight stored in place; PyTorch's dense matrix product",
    equation=r"B_{\mathrm{dense}} \;=\; O \, I \, b",
    spoken="bytes are out features times in features times bytes per value",
)
SKIPS_ZEROS = False
IN_PLACE = True


class Params(NoParams):
    """Nothing to choose."""


def refuses(pattern: Pattern) -> str:
    return ""


def stored_bytes(
    rows: int, cols: int, kept: int, value_bytes: int, pattern: Pattern, params: Params, permuted: bool = False
) -> dict[str, int]:
    return {"dense": rows * cols * value_bytes}


def encode(
    weight_OI: Tensor, pattern: Pattern, params: Params, permutation_I: Tensor | None = None
) -> dict[str, Tensor]:
    return {"dense": weight_OI.contiguous()}


def decode(tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern) -> Tensor:
    return tensors["dense"]


def apply(
    tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern, x: Tensor, bias: Tensor | None
) -> Tensor:
    import torch

    if tensors["dense"].dtype == x.dtype and "scales" not in tensors:
        return torch.nn.functional.linear(x, tensors["dense"], bias)
    return finished(torch.nn.functional.linear(x, tensors["dense"].to(x.dtype)), tensors, x, bias)


def fallback(
    device: str, dtype: str, layers: Sequence[dict[str, Tensor]], pattern: Pattern
) -> tuple[str, str, int] | None:
    unpacked = sum(str(tensors["dense"].dtype) != f"torch.{dtype}" for tensors in layers)
    if not unpacked:
        return None
    return ("unpacked", f"each call widens the values to {dtype}, then multiplies densely", unpacked)
