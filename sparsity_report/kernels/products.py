"""
The sparse products of tensors: checks types, makes room for y, picks the loop and hands it addresses.

x is (…, I) of a floating type, y is (…, O) of the same; sums are float32. The weights' tensors are used where they
are: a call copies activations at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from . import bfloat16, bitmask, dots, nm, picking
from .compiled import POOL
from .lanes import VALUE_BYTES
from .tiles import WORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

DTYPES = {getattr(torch, name): name for name in VALUE_BYTES}
"""Types of values that the loops read."""


def as_input(x: Tensor, columns: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """x as contiguous rows of a type, filled up with zeros to so many columns; x itself where it is that."""
    if x.dtype is dtype and x.shape[-1] == columns and x.is_contiguous():
        return x
    missing = columns - x.shape[-1]
    return (torch.nn.functional.pad(x, (0, missing)) if missing else x).to(dtype).contiguous()


def output_for(x: Tensor, rows: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """(…, O), not filled."""
    return torch.empty(*x.shape[:-1], rows, dtype=dtype)


def in_type_of(x: Tensor, y: Tensor) -> Tensor:
    """y in the type of x."""
    return y if x.dtype is torch.float32 else y.to(x.dtype)


def float_bias(bias: Tensor | None) -> Tensor | None:
    """The bias as the loops read it."""
    return bias if bias is None or bias.dtype is torch.float32 else bias.to(torch.float32)


def address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def bitmask_linear(
    x: Tensor, values: Tensor, mask: Tensor, pointers: Tensor, scales: Tensor | None, bias: Tensor | None
) -> Tensor:
    """x Wᵀ · scales + bias for a bitmask (`formats/bitmask.py`)."""
    if in_bfloat16(x, values, scales, bias):
        way = bfloat16.choose(x.numel() // x.shape[-1], 100 * values.numel() // (8 * mask.numel()))
        if way != "skip":
            return (in_dots if way == "dots" else unpacked_product)(x, values, mask, pointers, bias)
    rows, columns = mask.shape[0], mask.shape[1] * 8
    inputs = as_input(x, columns)
    y = output_for(x, rows)
    if y.numel():
        multiply(y, inputs, rows, columns, values, mask, pointers, scales, bias)
    return in_type_of(x, y)


def multiply(
    y: Tensor,
    inputs: Tensor,
    rows: int,
    columns: int,
    values: Tensor,
    mask: Tensor,
    pointers: Tensor,
    scales: Tensor | None,
    bias: Tensor | None,
) -> None:
    """Fills y (…, O) from inputs (…, 64 · words)."""
    count, bias = y.numel() // rows, float_bias(bias)
    POOL.run(
        bitmask.choose(DTYPES[values.dtype], count, 100 * values.numel() // (rows * columns)),
        values.data_ptr(),
        mask.data_ptr(),
        pointers.data_ptr(),
        address(scales),
        address(bias),
        inputs.data_ptr(),
        y.data_ptr(),
        rows,
        columns // WORD,
        count,
        POOL.parts(),
    )


def in_bfloat16(x: Tensor, values: Tensor, scales: Tensor | None, bias: Tensor | None) -> bool:
    """Whether the loops for pairs of bfloat16 can run: there is something to multiply, and all of it in this type."""
    return (
        x.dtype is torch.bfloat16
        and values.dtype is torch.bfloat16
        and scales is None
        and (bias is None or bias.dtype is torch.bfloat16)
        and dots.takes()
        and x.numel() > 0
        and values.numel() > 0
    )


def in_dots(x: Tensor, values: Tensor, mask: Tensor, pointers: Tensor, bias: Tensor | None) -> Tensor:
    """The product of bfloat16 values and inputs, in bfloat16."""
    rows, columns = mask.shape[0], mask.shape[1] * 8
    inputs = as_input(x, columns, torch.bfloat16)
    y = output_for(x, rows, torch.bfloat16)
    count, bias = y.numel() // rows, float_bias(bias)
    POOL.run(
        bfloat16.few_dots(bfloat16.tile_of(count)),
        values.data_ptr(),
        mask.data_ptr(),
        pointers.data_ptr(),
        address(bias),
        inputs.data_ptr(),
        y.data_ptr(),
        rows,
        columns // WORD,
        count,
        POOL.parts(),
    )
    return y


def unpacked_product(x: Tensor, values: Tensor, mask: Tensor, pointers: Tensor, bias: Tensor | None) -> Tensor:
    """The product of bfloat16 values and inputs by PyTorch, with the matrix unpacked for this call."""
    rows, columns = mask.shape[0], mask.shape[1] * 8
    weight = torch.empty(rows, columns, dtype=torch.bfloat16)
    loop, place = bfloat16.unpacking(), (values.data_ptr(), mask.data_ptr(), pointers.data_ptr())
    POOL.run(loop, *place, weight.data_ptr(), rows, columns // WORD, POOL.parts())
    return torch.nn.functional.linear(as_input(x, columns, torch.bfloat16), weight, bias)


def nm_linear(
    x: Tensor, values: Tensor, positions: Tensor, scales: Tensor | None, bias: Tensor | None, n: int, m: int
) -> Tensor:
    """x Wᵀ · scales + bias for packed N:M (`formats/nm.py`)."""
    rows, slots = values.shape
    count = x.numel() // x.shape[-1] if x.numel() else 0
    dense_pairs = in_bfloat16(x, values, scales, bias)
    if dense_pairs and picking.takes_dots(n, m, slots):
        return pick_in_bfloat16(bfloat16.choose_for_2_4(count), x, values, positions, bias)
    if not dense_pairs and (loop := nm.choose(DTYPES[values.dtype], n, m, slots, count)) is not None:
        return pick(loop, x, values, positions, scales, bias, slots // n * m)
    groups = slots // n
    words = -(-groups * m // WORD)
    if dense_pairs:
        mask, pointers = unpacked(positions, rows, groups, n, m, words)
        return bitmask_linear(x, values.view(-1), mask.view(torch.uint8), pointers, None, bias)
    inputs = as_input(x, words * WORD)
    y = output_for(x, rows)
    if y.numel():
        mask, pointers = unpacked(positions, rows, groups, n, m, words)
        multiply(y, inputs, rows, words * WORD, values, mask, pointers, scales, bias)
    return in_type_of(x, y)


def pick_in_bfloat16(
    loop: Callable[..., Any], x: Tensor, values: Tensor, positions: Tensor, bias: Tensor | None
) -> Tensor:
    """The product of 2:4, values and inputs in bfloat16, in bfloat16."""
    rows, slots = values.shape
    inputs = as_input(x, 2 * slots, torch.bfloat16)
    y = output_for(x, rows, torch.bfloat16)
    weights, bias = (values.data_ptr(), positions.data_ptr()), float_bias(bias)
    count = y.numel() // rows
    POOL.run(loop, *weights, address(bias), inputs.data_ptr(), y.data_ptr(), rows, slots // 32, count, POOL.parts())
    return y


def pick(
    loop: Callable[..., Any],
    x: Tensor,
    values: Tensor,
    positions: Tensor,
    scales: Tensor | None,
    bias: Tensor | None,
    columns: int,
) -> Tensor:
    """The product by picking inputs, summed in float32."""
    inputs = as_input(x, columns)
    y = output_for(x, values.shape[0])
    if y.numel():
        rows, slots = values.shape
        count, bias = y.numel() // rows, float_bias(bias)
        weights = (values.data_ptr(), positions.data_ptr(), address(scales), address(bias))
        POOL.run(loop, *weights, inputs.data_ptr(), y.data_ptr(), rows, slots // 16, count, POOL.parts())
    return in_type_of(x, y)


def unpacked(positions: Tensor, rows: int, groups: int, n: int, m: int, words: int) -> tuple[Tensor, Tensor]:
    """The bitmask of packed positions and its row pointers, for this call only."""
    mask = torch.empty(rows, words, dtype=torch.int64)
    pointers = torch.empty(rows + 1, dtype=torch.int32)
    bits = nm.position_bits(m)
    table = nm.table(n, m, bits).ctypes.data if nm.looked_up(n, m, bits) else 0
    POOL.run(
        nm.unpacking(),
        positions.data_ptr(),
        positions.shape[1],
        groups,
        n,
        m,
        bits,
        table,
        nm.columns_of_a_byte(n, m, bits),
        mask.data_ptr(),
        pointers.data_ptr(),
        rows,
        words,
        POOL.parts(),
    )
    return mask, pointers
