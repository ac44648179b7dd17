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

from .bitmask import ROWS_AHEAD, TOKENS_TOGETHER, UNPACK_COST, finish
from .compiled import loop, step
from .emit import I8, I32, I64, Emitter, intrinsic_of
from .lanes import VALUE_BYTES
from .pairs import ENTRIES, pair_row, put_pairs, put_tokens, words_of_a_tile
from .picking import picking_dots, picking_tile

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

TILES = {1: (1, 1, 4096), 2: (2, 2, 4096), 4: (4, 4, 0)}
"""By tokens: tokens and rows of a tile, and bytes of values to ask for in advance."""
DOT_TILES = {1: (1, 1, 4096), 2: (2, 2, 4096), 4: (4, 2, 2048), 8: (8, 2, 2048)}
"""The same for bfloat16 inputs and values."""
MOST_IN_TILES = 24
"""Tokens up to which picking inputs is faster than skipping zeros, 2:4 in float32 on Zen 5."""
PICK_COST = (1.0, 3.15)
"""In bfloat16, 2:4: what picking costs anyway, and a pass of 8 tokens; in the units of `bitmask.UNPACK_COST`."""
PAIR_COSTS = {1: 4.4, 2: 7.0, 4: 13.1}
"""A block that multiplies pairs, by vectors of 16 tokens."""
PAIRS_ANYWAY = 1.5
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
def choose_in_bfloat16(tokens: int) -> Callable[..., Any] | None:
    """The fastest loop for 2:4 where values and inputs are bfloat16; None: unpack, and let PyTorch multiply."""
    costs: dict[int, float] = {0: PICK_COST[0] + PICK_COST[1] * -(-tokens // max(DOT_TILES))}
    costs |= {each: PAIRS_ANYWAY + cost * -(-tokens // (16 * each)) for each, cost in PAIR_COSTS.items()}
    vectors = min(costs, key=costs.__getitem__)
    if UNPACK_COST[0] + UNPACK_COST[1] * tokens < costs[vectors]:
        return None
    if vectors:
        return many_pairs(vectors)
    return few_dots(next((each for each in DOT_TILES if tokens <= each), max(DOT_TILES)))


@cache
def few_tokens(dtype: str, n: int, bits: int, tokens: int) -> Callable[..., Any]:
    """The loop over tiles that picks inputs for the values."""
    tile_tokens, tile_rows, ahead = TILES[tokens]
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
                        ahead,
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


@cache
def few_dots(tokens: int) -> Callable[..., Any]:
    """The loop over tiles that picks inputs for the values of 2:4, both in bfloat16."""
    tile_tokens, tile_rows, ahead = DOT_TILES[tokens]

    @loop
    def run(
        values: int,
        positions: int,
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
            for number in range(tiles * part // parts, tiles * (part + 1) // parts):
                row = number * tile_rows
                for token in range(0, count, tile_tokens):
                    picking_dots(
                        tile_tokens,
                        tile_rows,
                        ahead,
                        values + row * chunks * 64,
                        positions + row * chunks * 8,
                        chunks,
                        x + token * chunks * 128,
                        y + (token * rows + row) * 2,
                        rows,
                        bias + row * 4 if bias != 0 else 0,
                        min(tile_tokens, count - token),
                        min(tile_rows, rows - row),
                    )
        return 0

    return run


@cache
def many_pairs(vectors: int) -> Callable[..., Any]:
    """The loop over tokens, 16 times `vectors` at once, that multiplies pairs of 2:4 in bfloat16."""
    block, most = 16 * vectors, words_of_a_tile(vectors)
    most_blocks, entry = TOKENS_TOGETHER // block, 64 * vectors

    @loop
    def run(
        values: int,
        positions: int,
        bias: int,
        x: int,
        y: int,
        rows: int,
        words: int,
        count: int,
        parts: int,
    ) -> int:
        together = min((count + block - 1) // block, most_blocks)
        whole = words * ENTRIES * entry
        scratch = np.empty(whole * together + (rows + 15) // 16 * 16 * entry + 64, np.uint8)
        tables = (scratch.ctypes.data + 63) // 64 * 64
        y_T = tables + whole * together
        for begin in range(0, count, together * block):
            end = min(count, begin + together * block)
            for part in prange(parts):
                for token in range(begin, end, 16):
                    at, each = (token - begin) // block, (token - begin) % block // 16
                    target = tables + at * whole + each * 64
                    for half in range(2 * words * part // parts, 2 * words * (part + 1) // parts):
                        source = x + token * words * 128 + half * 64
                        put_pairs(vectors, source, words * 128, end - token, target + half * ENTRIES // 2 * entry)
            for part in prange(parts):
                groups = (rows + 15) // 16
                low, high = groups * part // parts * 16, min(rows, groups * (part + 1) // parts * 16)
                for token in range(begin, end, block):
                    table = tables + (token - begin) // block * whole
                    for word in range(0, words, most):
                        for row in range(low, high):
                            pair_row(
                                vectors,
                                values + (row * words + word) * 64,
                                ROWS_AHEAD * words * 64,
                                positions + (row * words + word) * 8,
                                min(most, words - word),
                                table + word * ENTRIES * entry,
                                y_T + row * entry,
                                1 if word == 0 else 0,
                            )
                    for row in range(low, high, 16):
                        for first in range(token, min(token + block, end), 16):
                            put_tokens(
                                y_T + row * entry + (first - token) * 4,
                                entry,
                                y + (first * rows + row) * 2,
                                rows * 2,
                                end - first,
                                high - row,
                                bias + row * 4 if bias != 0 else 0,
                            )
        return int(scratch[0])  # in use until here

    return run
