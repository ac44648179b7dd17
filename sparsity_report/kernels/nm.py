"""
x Wᵀ for packed N:M: which loop for how many tokens.

The layout is that of `formats/nm.py`: N values of every group of M, and the bit string of their positions. Few tokens
pick their inputs by position where chunks of 16 values allow it. Otherwise, and for many tokens, a call first writes
the bitmask that the positions amount to, in scratch memory, and runs the bitmask's loops.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import prange

from .bitmask import finish
from .compiled import loop, step
from .emit import I8, I32, I64, Emitter, intrinsic_of
from .lanes import VALUE_BYTES
from .picking import picking_tile, takes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

TILES = {1: (1, 1), 2: (2, 2), 4: (4, 4)}
"""By tokens: tokens and rows of a tile."""
MOST_IN_TILES = 24
"""Tokens up to which picking inputs is faster than skipping zeros, 2:4 in float32 on Zen 5."""
TABLE_BITS = 12
"""A group's positions in at most so many bits are looked up; longer ones are taken one by one."""


@intrinsic_of()
def byte_at(e: Emitter, address: Any) -> Any:
    return e.builder.zext(e.load(address, I8), I64)


@intrinsic_of()
def entry_at(e: Emitter, address: Any) -> Any:
    return e.load(address, I64, 0, 8)


@intrinsic_of()
def put_word(e: Emitter, address: Any, word: Any) -> None:
    e.store(word, address, 0, 8)


@intrinsic_of()
def put_count(e: Emitter, address: Any, count: Any) -> None:
    e.store(e.builder.trunc(count, I32), address, 0, 4)


def position_bits(m: int) -> int:
    return max(1, (m - 1).bit_length())


def bits_of_a_group(n: int, m: int, bits: int) -> NDArray[np.int64]:
    """For every string of N positions, the bits of the group that it sets."""
    strings = np.arange(2 ** (n * bits))
    masks: NDArray[np.int64] = np.bitwise_or.reduce(
        [1 << (strings >> (slot * bits) & 2**bits - 1) for slot in range(n)]
    )
    return masks


def looked_up(n: int, m: int, bits: int) -> bool:
    """Whether a group's positions are few enough to look its mask up."""
    return n * bits <= TABLE_BITS and m <= 32


def columns_of_a_byte(n: int, m: int, bits: int) -> int:
    """Columns that a byte of positions stands for, where it holds whole groups and they divide a word; else 0."""
    columns = 8 // (n * bits) * m if 8 % (n * bits) == 0 else 0
    return columns if looked_up(n, m, bits) and columns and 64 % columns == 0 else 0


@cache
def table(n: int, m: int, bits: int) -> NDArray[np.int64]:
    """Mask bits by a byte of positions where bytes stand for columns, else by a group's positions."""
    group = bits_of_a_group(n, m, bits)
    if not columns_of_a_byte(n, m, bits):
        return group
    strings = np.arange(256)
    each = [strings >> (number * n * bits) & 2 ** (n * bits) - 1 for number in range(8 // (n * bits))]
    masks: NDArray[np.int64] = np.bitwise_or.reduce(
        [group[string] << (number * m) for number, string in enumerate(each)]
    )
    return masks


@step
def row_by_bytes(positions: int, size: int, each: int, columns: int, table: int, mask: int, words: int) -> None:
    """The mask of one row of so many columns, where each byte of positions stands for `each` of them."""
    bytes_a_word = 64 // each
    for word in range(words):
        bits = 0
        for number in range(min(bytes_a_word, size - word * bytes_a_word)):
            bits |= entry_at(table + 8 * byte_at(positions + word * bytes_a_word + number)) << (number * each)
        if columns - 64 * word < 64:  # the last byte is filled up with zeros, which are no positions
            bits &= (1 << (columns - 64 * word)) - 1
        put_word(mask + 8 * word, bits)


@step
def row_by_groups(positions: int, groups: int, m: int, wanted: int, table: int, mask: int, words: int) -> None:
    """The mask of one row, group by group, where a group's positions are looked up."""
    string, have, at = 0, 0, 0
    word, filled, done = 0, 0, 0
    for _ in range(groups):
        while have < wanted:
            string |= byte_at(positions + at) << have
            have += 8
            at += 1
        found = entry_at(table + 8 * (string & ((1 << wanted) - 1)))
        string >>= wanted
        have -= wanted
        word |= found << filled
        filled += m
        if filled >= 64:
            put_word(mask + 8 * done, word)
            done += 1
            filled -= 64
            word = found >> (m - filled)  # what did not fit
    while done < words:
        put_word(mask + 8 * done, word)
        word = 0
        done += 1


@step
def row_by_positions(positions: int, groups: int, n: int, m: int, bits: int, mask: int, words: int) -> None:
    """The mask of one row, position by position: what any N:M allows."""
    for word in range(words):
        put_word(mask + 8 * word, 0)
    string, have, at = 0, 0, 0
    for slot in range(groups * n):
        while have < bits:
            string |= byte_at(positions + at) << have
            have += 8
            at += 1
        column = slot // n * m + (string & ((1 << bits) - 1))
        string >>= bits
        have -= bits
        word = mask + 8 * (column // 64)
        put_word(word, entry_at(word) | 1 << (column % 64))


@cache
def unpacking() -> Callable[..., Any]:
    """The loop that writes the bitmask of packed positions, and where the values of its rows begin."""

    @loop
    def run(
        positions: int,
        size: int,
        groups: int,
        n: int,
        m: int,
        bits: int,
        table: int,
        columns: int,
        mask: int,
        pointers: int,
        rows: int,
        words: int,
        parts: int,
    ) -> int:
        for part in prange(parts):
            for row in range(rows * part // parts, rows * (part + 1) // parts):
                put_count(pointers + 4 * row, row * groups * n)
                own, target = positions + row * size, mask + row * words * 8
                if columns > 0:
                    row_by_bytes(own, size, columns, groups * m, table, target, words)
                elif table != 0:
                    row_by_groups(own, groups, m, n * bits, table, target, words)
                else:
                    row_by_positions(own, groups, n, m, bits, target, words)
        put_count(pointers + 4 * rows, rows * groups * n)
        return 0

    return run


@cache
def choose(dtype: str, n: int, m: int, slots: int, tokens: int) -> Callable[..., Any] | None:
    """The loop that picks inputs, for rows of so many values; None where it is slower or cannot run."""
    if tokens > MOST_IN_TILES or not takes(n, m, slots):
        return None
    return few_tokens(dtype, n, position_bits(m), next((each for each in TILES if tokens <= each), max(TILES)))


@cache
def few_tokens(dtype: str, n: int, bits: int, tokens: int) -> Callable[..., Any]:
    """The loop over tiles that picks inputs for the values."""
    tile_tokens, tile_rows = TILES[tokens]
    chunk_bytes, position_bytes = 16 * VALUE_BYTES[dtype], 2 * bits

    @loop
    def run(
        values: int,
        positions: int,
        scales: int,
        bias: int,
        x: int,
        y: int,
        rows: int,
        chunks: int,
        count: int,
        parts: int,
    ) -> int:
        tiles = (rows + tile_rows - 1) // tile_rows
        for part in prange(parts):
            low, high = tiles * part // parts, tiles * (part + 1) // parts
            for number in range(low, high):
                row = number * tile_rows
                for token in range(0, count, tile_tokens):
                    picking_tile(
                        dtype,
                        n,
                        bits,
                        tile_tokens,
                        tile_rows,
                        values + row * chunks * chunk_bytes,
                        positions + row * chunks * position_bytes,
                        chunks,
                        x + token * chunks * 128,
                        chunks * 128,
                        y + (token * rows + row) * 4,
                        rows * 4,
                        min(tile_tokens, count - token),
                        min(tile_rows, rows - row),
                    )
            finish(y, rows, low * tile_rows, min(rows, high * tile_rows), count, scales, bias)
        return 0

    return run
