"""
BSR, block sparse row: dense blocks that hold at least one nonzero, their block columns, and where each row of blocks
begins.

A block is stored whole: its zeros are explicit, take bytes and are multiplied. Blocks at an edge are filled up with
zeros. So tiles that are pruned together ("block:8x8") pay, and single weights hardly ever empty a block. Square blocks
are executed by PyTorch (MKL), others by SciPy on one thread.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import field_validator

from ..contracts import Info, Pattern
from . import _compressed
from ._compressed import compressed, indices, lines_of
from ._values import finished, wide, widened
from .csr import announce

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

INFO = Info(
    name="bsr",
    summary="dense blocks with at least one nonzero, a block column index for each, and block row pointers",
    equation=r"B_{\mathrm{BSR}} \;=\; \mathrm{blocks}(W)\,(h\,w\,b + b_{\mathrm{idx}})"
    r" \;+\; (\lceil O / h \rceil + 1)\, b_{\mathrm{ptr}}",
    spoken="bytes are the blocks that are not all zero times their height, width and value bytes plus an index, plus "
    "rows of blocks plus one times pointer bytes",
    cite="saad2003iterative",
)
SKIPS_ZEROS = True
IN_PLACE = False


class Params(_compressed.Params):
    """`block`: height x width of a block, out_features by in_features. `index`: as of CSR."""

    block: str = "8x8"

    @field_validator("block")
    @classmethod
    def _is_a_block(cls, text: str) -> str:
        if not re.fullmatch(r"[1-9][0-9]{0,3}x[1-9][0-9]{0,3}", text):
            raise ValueError(f"{text!r} is no block: rows x columns, such as 8x8")
        return text

    @property
    def sides(self) -> tuple[int, int]:
        height, _, width = self.block.partition("x")
        return int(height), int(width)


def refuses(pattern: Pattern) -> str:
    return ""


def stored_bytes(
    rows: int, cols: int, kept: int, value_bytes: int, pattern: Pattern, params: Params, permuted: bool = False
) -> dict[str, int]:
    """
    Exact where the pattern removes whole blocks of this size or multiples of it, and they fill the matrix; otherwise
    the most that `kept` weights can take, each in a block of its own.
    """
    height, width = params.sides
    lines, places = -(-rows // height), -(-cols // width)
    whole = pattern.unit == "block" and not (pattern.height % height or pattern.width % width)
    whole = whole and not (rows % height or cols % width)
    blocks = -(-kept // (height * width)) if whole else min(lines * places, kept)
    return {"values": blocks * height * width * value_bytes, **params.index_bytes(lines, places, blocks)}


def encode(
    weight_OI: Tensor, pattern: Pattern, params: Params, permutation_I: Tensor | None = None
) -> dict[str, Tensor]:
    """Values (blocks, height, width), row of blocks by row of blocks."""
    import torch

    height, width = params.sides
    rows, cols = weight_OI.shape
    padded = torch.nn.functional.pad(weight_OI, (0, -cols % width, 0, -rows % height))
    blocks = padded.view(padded.shape[0] // height, height, -1, width).transpose(1, 2)
    kept = (blocks != 0).flatten(2).any(2)
    # −0.0 in a block that stays is a zero like all others.
    values = torch.where(blocks == 0, torch.zeros((), dtype=blocks.dtype, device=blocks.device), blocks)[kept]
    return {"values": values.contiguous(), **compressed(kept, params)}


def whole_shape(tensors: dict[str, Tensor], shape: tuple[int, int]) -> tuple[int, int]:
    """(O, I) with the blocks at the edges filled up."""
    _, height, width = tensors["values"].shape
    return shape[0] + -shape[0] % height, shape[1] + -shape[1] % width


def decode(tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern) -> Tensor:
    values = tensors["values"]
    _, height, width = values.shape
    rows, cols = whole_shape(tensors, shape)
    blocks = values.new_zeros(rows // height, cols // width, height, width)
    blocks[lines_of(tensors), tensors["indices"].long()] = values
    return blocks.transpose(1, 2).reshape(rows, cols)[: shape[0], : shape[1]].contiguous()


def apply(
    tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern, x: Tensor, bias: Tensor | None
) -> Tensor:
    """x Wᵀ + bias. Zeros of a stored block are multiplied, those of the others are not."""
    import torch

    rows, cols = whole_shape(tensors, shape)
    flat = torch.nn.functional.pad(wide(x.reshape(-1, shape[1]), x), (0, cols - shape[1]))
    if flat.shape[0] == 0 or tensors["values"].numel() == 0:
        product = flat.new_zeros(flat.shape[0], rows)
    else:
        product = _product(tensors, (rows, cols), flat)
    return finished(product[:, : shape[0]], tensors, x, bias)


def _product(tensors: dict[str, Tensor], shape: tuple[int, int], flat_TI: Tensor) -> Tensor:
    """(T, O) of whole blocks. MKL, behind PyTorch's product on a CPU, takes square blocks only."""
    import torch

    values, pointers = wide(tensors["values"], flat_TI), tensors["pointers"]
    if flat_TI.device.type != "cpu" or values.shape[1] == values.shape[2]:
        announce()
        weight_OI = torch.sparse_bsr_tensor(pointers, indices(tensors), values, shape, check_invariants=False)
        return (weight_OI @ flat_TI.t()).t()
    from scipy.sparse import bsr_array

    triple = (values.numpy(), indices(tensors).numpy(), pointers.numpy())
    return torch.from_numpy(bsr_array(triple, shape=shape) @ flat_TI.detach().numpy().T).t()


def fallback(
    device: str, dtype: str, layers: Sequence[dict[str, Tensor]], pattern: Pattern
) -> tuple[str, str, int] | None:
    return widened("the BSR product", device, dtype, layers)
