"""
Bitmask: one bit for every weight, and the nonzero values, row by row.

The bits of a row are little-endian words of 64 columns, the last one filled up with zeros; `pointers` says where each
row's values begin. At one half of the weights, float32 takes 17/32 of the dense bytes, bfloat16 9/16. There is nothing
else to store: the same layout serves one token and many (`kernels/`). Where values and inputs are bfloat16, many tokens
are multiplied by PyTorch, with the weights unpacked at each call: only bytes are saved there.

−0.0 is a zero: it is not stored, and decodes to +0.0. Infinite and NaN weights are values like others. A pruned weight
times a finite input is 0. Where an input is infinite or NaN, dense execution gives NaN for its token even under a
pruned weight; this format may give what the stored weights give instead. Other tokens are never touched by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info, NoParams, Pattern
from ._values import finished, unpacked_in_bfloat16

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

INFO = Info(
    name="bitmask",
    summary="one bit for every weight and the nonzero values; executed by compiled loops on a CPU",
    equation=r"B_{\mathrm{bitmask}} \;=\; \mathrm{nnz}(W)\, b \;+\; 8\, O \left\lceil I / 64 \right\rceil"
    r" \;+\; 4\,(O + 1)",
    spoken="bytes are the nonzeros times value bytes, plus 8 for every word of 64 in features of each out feature, "
    "plus 4 for each out feature plus one",
    cite="fan2025spinfer",
    result_version=3,
)
SKIPS_ZEROS = False
"""Many tokens skip the zeros; few multiply by them, in the lanes of the vectors that the values are spread over."""
IN_PLACE = False
WORD = 64
"""Columns of a word of the mask."""


class Params(NoParams):
    """Nothing to choose."""


def refuses(pattern: Pattern) -> str:
    return ""


def stored_bytes(
    rows: int, cols: int, kept: int, value_bytes: int, pattern: Pattern, params: Params, permuted: bool = False
) -> dict[str, int]:
    return {"values": kept * value_bytes, "mask": rows * -(-cols // WORD) * WORD // 8, "pointers": (rows + 1) * 4}


def encode(
    weight_OI: Tensor, pattern: Pattern, params: Params, permutation_I: Tensor | None = None
) -> dict[str, Tensor]:
    """Values in row-major order. Raises ValueError when 32 bits cannot number the nonzeros."""
    import torch

    kept_OI = weight_OI != 0
    count_O = kept_OI.sum(1)
    if int(count_O.sum()) >= 2**31:
        raise ValueError(f"{int(count_O.sum())} nonzeros are too many for 32-bit row pointers")
    pointers = torch.zeros(len(weight_OI) + 1, dtype=torch.int32, device=weight_OI.device)
    pointers[1:] = count_O.cumsum(0)
    return {"values": weight_OI[kept_OI], "mask": packed_bits(kept_OI), "pointers": pointers}


def packed_bits(kept_OI: Tensor) -> Tensor:
    """(O, I) booleans to (O, bytes) uint8: bit k of a byte is its k-th column; whole words of 64 columns."""
    import torch

    bits = torch.nn.functional.pad(kept_OI, (0, -kept_OI.shape[1] % WORD)).view(len(kept_OI), -1, 8)
    powers = torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8, device=kept_OI.device)
    return (bits * powers).sum(-1, dtype=torch.uint8)


def unpacked_bits(mask: Tensor, cols: int) -> Tensor:
    """The inverse of `packed_bits`."""
    import torch

    bits = (mask[..., None] >> torch.arange(8, dtype=torch.uint8, device=mask.device)) & 1
    return bits.view(len(mask), -1)[:, :cols].bool()


def decode(tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern) -> Tensor:
    weight_OI = tensors["values"].new_zeros(shape)
    weight_OI[unpacked_bits(tensors["mask"], shape[1])] = tensors["values"]
    return weight_OI


def apply(
    tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern, x: Tensor, bias: Tensor | None
) -> Tensor:
    if not x.is_cpu:
        import torch

        return finished(torch.nn.functional.linear(x, decode(tensors, shape, pattern).to(x.dtype)), tensors, x, bias)
    from ..kernels import operators

    y: Tensor = operators.bitmask(
        x, tensors["values"], tensors["mask"], tensors["pointers"], tensors.get("scales"), bias
    )
    return y


def fallback(
    device: str, dtype: str, layers: Sequence[dict[str, Tensor]], pattern: Pattern
) -> tuple[str, str, int] | None:
    if device == "cpu":
        return unpacked_in_bfloat16(dtype, layers)
    return ("unpacked", f"no bitmask kernel on {device}: each call unpacks, then multiplies densely", len(layers))
