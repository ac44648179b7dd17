"""
x Wᵀ for a bitmask: which loop for how many tokens.

The layout: `mask` has ⌈I / 64⌉ little-endian words of 64 bits a row, `values` the weights whose bit is set, row by row,
and `pointers` (O + 1, 32 bits) where each row's values begin. One layout serves every number of tokens.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import prange

from .compiled import loop, step
from .emit import F32, I32, I64, Emitter, intrinsic_of
from .lanes import VALUE_BYTES
from .skipping import LIST_BYTES, list_inputs, skip_row, tile_words, transpose_in, transpose_out
from .tiles import tile

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

TILES = {1: (1, 1), 2: (2, 1), 4: (4, 4), 8: (8, 2)}
"""By tokens: tokens and rows of a tile."""


@intrinsic_of()
def count_at(e: Emitter, address: Any) -> Any:
    return e.builder.sext(e.load(address, I32, 0, 4), I64)


@intrinsic_of()
def copy_bytes(e: Emitter, target: Any, source: Any, size: Any) -> None:
    from numba.core import cgutils

    to, source = (e.builder.inttoptr(each, cgutils.voidptr_t) for each in (target, source))
    cgutils.raw_memcpy(e.builder, to, source, size, 1)


@step
def end_of(values: int, pointers: int, rows: int, size: int) -> tuple[int, int, NDArray[np.uint8]]:
    """
    The first row whose values, read 64 bytes at a time, might be read beyond the last one; the address from which its
    pointer and those after it count instead; and the copy of these values with room behind them, in use until the end.
    """
    total = count_at(pointers + 4 * rows)
    last = rows
    while last > 0 and count_at(pointers + 4 * last) * size + 64 > total * size:
        last -= 1
    begin = count_at(pointers + 4 * last)
    copy = np.zeros((total - begin) * size + 128, np.uint8)
    copy_bytes(copy.ctypes.data, values + begin * size, (total - begin) * size)
    return last, copy.ctypes.data - begin * size, copy


@intrinsic_of()
def scale_and_shift(e: Emitter, y: Any, count: Any, scales: Any, bias: Any) -> None:
    """y · scales + bias for neighbouring rows of one token; address 0: none."""
    for address, combine in ((scales, e.builder.fmul), (bias, e.builder.fadd)):
        with e.builder.if_then(e.builder.icmp_signed("!=", address, e.number(0))), e.loop(count) as row:
            at = e.times(row.index, 4)
            e.store(combine(e.load(e.add(y, at), F32, 0, 4), e.load(e.add(address, at), F32, 0, 4)), e.add(y, at), 0, 4)


@step
def finish(y: int, rows: int, low: int, high: int, count: int, scales: int, bias: int) -> None:
    """Scales the rows and adds the bias, for all tokens."""
    if scales == 0 and bias == 0:
        return
    for token in range(count):
        scale_and_shift(
            y + (token * rows + low) * 4,
            high - low,
            scales + low * 4 if scales != 0 else 0,
            bias + low * 4 if bias != 0 else 0,
        )


ROWS_AHEAD = 4
"""In the first group a row's values are asked for so many rows before."""
GROUP_BYTES = 196608
"""Values of the rows that go through all tiles before the next rows do: they stay in the second cache."""
TOKENS_TOGETHER = 512
"""Tokens that go through two parallel regions; waking a thread for a region may take as long as a small product."""
PASS_COST = (4.8, 2.7)
"""What a pass of 8 tokens over a matrix in tiles costs anyway, and what all weights add; only ratios matter."""
BLOCK_COSTS = {1: (4.9, 13.4), 2: (6.5, 13.7), 4: (9.2, 31.0)}
"""The same for a block that skips zeros, by vectors of 16 tokens."""


@cache
def choose(dtype: str, tokens: int, percent: int) -> Callable[..., Any]:
    """The fastest loop for so many tokens where this share of the weights is stored: costs measured on Zen 5."""
    if tokens <= max(TILES):
        return few_tokens(dtype, next(each for each in TILES if tokens <= each))
    in_tiles = -(-tokens // max(TILES)) * _cost(PASS_COST, percent)
    in_blocks = {
        vectors: -(-tokens // (16 * vectors)) * _cost(costs, percent) for vectors, costs in BLOCK_COSTS.items()
    }
    vectors = min(in_blocks, key=in_blocks.__getitem__)
    return few_tokens(dtype, max(TILES)) if in_tiles < in_blocks[vectors] else many_tokens(dtype, vectors)


def skip_cost(tokens: int, percent: int) -> float:
    """Of the fastest loop over blocks of tokens."""
    return min(-(-tokens // (16 * vectors)) * _cost(costs, percent) for vectors, costs in BLOCK_COSTS.items())


def _cost(costs: tuple[float, float], percent: int) -> float:
    """Of a matrix of which so many percent are stored."""
    anyway, weights = costs
    return anyway + weights * percent / 100


@cache
def few_tokens(dtype: str, tokens: int) -> Callable[..., Any]:
    """The loop over tiles of so many tokens."""
    tile_tokens, tile_rows = TILES[tokens]
    size = VALUE_BYTES[dtype]

    @loop
    def run(
        values: int,
        mask: int,
        pointers: int,
        scales: int,
        bias: int,
        x: int,
        y: int,
        rows: int,
        words: int,
        count: int,
        parts: int,
    ) -> int:
        last, moved, end = end_of(values, pointers, rows, size)
        tiles = (rows + tile_rows - 1) // tile_rows
        for part in prange(parts):
            low, high = tiles * part // parts, tiles * (part + 1) // parts
            for number in range(low, high):
                row = number * tile_rows
                for token in range(0, count, tile_tokens):
                    tile(
                        dtype,
                        tile_tokens,
                        tile_rows,
                        values,
                        moved,
                        last,
                        pointers,
                        mask,
                        words,
                        row,
                        x + token * words * 256,
                        words * 256,
                        y + (token * rows + row) * 4,
                        rows * 4,
                        min(tile_tokens, count - token),
                        min(tile_rows, rows - row),
                    )
            finish(y, rows, low * tile_rows, min(rows, high * tile_rows), count, scales, bias)
        return int(end[0])  # in use until here: Numba frees what only an address refers to

    return run


@step
def put_inputs(x: int, inputs: int, token: int, count: int, vectors: int, low: int, high: int, x_T: int) -> None:
    """Transposes a block of tokens, of its inputs those from 16 · low to 16 · high."""
    for at in range(low, high):
        for each in range(vectors):
            first = min(token + 16 * each, count - 1)
            source = x + (first * inputs + at * 16) * 4
            target = x_T + (at * 16 * vectors + each) * 64
            transpose_in(source, inputs * 4, count - first, target, vectors * 64)


@step
def put_outputs(y_T: int, rows: int, token: int, count: int, vectors: int, low: int, high: int, y: int) -> None:
    """Transposes a block of tokens back, of its rows those from low, a multiple of 16, to high."""
    for row in range(low, high, 16):
        for each in range(vectors):
            first = token + 16 * each
            if first < count:
                source = y_T + (row * vectors + each) * 64
                transpose_out(source, vectors * 64, y + (first * rows + row) * 4, rows * 4, count - first, rows - row)


@cache
def many_tokens(dtype: str, vectors: int) -> Callable[..., Any]:
    """The loop over tokens, 16 times `vectors` at once, that skips the zeros."""
    size, block, most = VALUE_BYTES[dtype], 16 * vectors, tile_words(vectors)
    most_blocks = TOKENS_TOGETHER // block

    @loop
    def run(
        values: int,
        mask: int,
        pointers: int,
        scales: int,
        bias: int,
        x: int,
        y: int,
        rows: int,
        words: int,
        count: int,
        parts: int,
    ) -> int:
        last, moved, end = end_of(values, pointers, rows, size)
        inputs = words * 64
        together = min((count + block - 1) // block, most_blocks)
        blocks = (inputs * together + (rows + 15) // 16 * 16) * block * 4
        scratch = np.empty(blocks + parts * 2 * LIST_BYTES + 64, np.uint8)
        x_T = (scratch.ctypes.data + 63) // 64 * 64
        y_T = x_T + inputs * together * block * 4
        all_lists = y_T + (rows + 15) // 16 * 16 * block * 4
        starts = np.empty(rows, np.int64)
        value_bytes = count_at(pointers + 4 * rows) * size
        group = max(16, GROUP_BYTES * rows // max(1, value_bytes) // 16 * 16)
        turns = (words + most - 1) // most
        piece = value_bytes // (rows * turns * 64) + 1
        for begin in range(0, count, together * block):
            chunk = min(count, begin + together * block)
            for part in prange(parts):
                low, high = inputs // 16 * part // parts, inputs // 16 * (part + 1) // parts
                for token in range(begin, chunk, block):
                    put_inputs(x, inputs, token, count, vectors, low, high, x_T + (token - begin) * inputs * 4)
            for part in prange(parts):
                groups = (rows + 15) // 16
                low, high = groups * part // parts * 16, min(rows, groups * (part + 1) // parts * 16)
                lists = all_lists + part * 2 * LIST_BYTES  # of this row and of the next
                for token in range(begin, chunk, block):
                    for row in range(low, high):
                        starts[row] = (moved if row >= last else values) + count_at(pointers + 4 * row) * size
                    for top in range(low, high, group):
                        bottom = min(top + group, high)
                        # Values of the next group are asked for while this one is multiplied, in equal pieces.
                        here = count_at(pointers + 4 * bottom)
                        there = count_at(pointers + 4 * min(bottom + group, high))
                        later = values + here * size
                        lines = ((there - here) * size // ((bottom - top) * turns) + 63) // 64
                        for word in range(0, words, most):
                            live = min(most, words - word)
                            following = list_inputs(mask + (top * words + word) * 8, live, lists)
                            for row in range(top, bottom):
                                kept = following
                                if row + 1 < bottom:
                                    target = lists + (row + 1) % 2 * LIST_BYTES
                                    following = list_inputs(mask + ((row + 1) * words + word) * 8, live, target)
                                starts[row] = skip_row(
                                    dtype,
                                    vectors,
                                    starts[row],
                                    starts[min(row + ROWS_AHEAD, bottom - 1)],
                                    piece if top == low else 0,
                                    later,
                                    lines,
                                    lists + row % 2 * LIST_BYTES,
                                    kept,
                                    x_T + ((token - begin) * inputs + word * 64 * block) * 4,
                                    y_T + row * block * 4,
                                    1 if word == 0 else 0,
                                )
                                later += lines * 64
                    put_outputs(y_T, rows, token, count, vectors, low, high, y)
                    finish(y + token * rows * 4, rows, low, high, min(block, count - token), scales, bias)
        return int(end[0]) + int(scratch[0] > 0)  # both are in use until here

    return run
