"""
x Wᵀ where values and inputs are bfloat16: which loop for how many tokens, for a bitmask and for 2:4.

The layouts are those of `bitmask` and `nm`. Few tokens multiply pairs in tiles. For many, 2:4 has a table of pairs; for
a bitmask PyTorch's own product is as fast as the machine, and the matrix is unpacked for each call.
Costs were measured on Zen 5; only ratios matter.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import prange

from .bitmask import ROWS_AHEAD, TOKENS_TOGETHER, count_at, end_of, skip_cost
from .compiled import loop
from .dots import dot_tile, unpack_row
from .pairs import ENTRIES, GROUPS, pair_row, put_numbers, put_pairs, put_tokens, words_of_a_tile
from .picking import picking_dots

if TYPE_CHECKING:
    from collections.abc import Callable

DOT_TILES = {1: (1, 1), 2: (2, 1), 4: (4, 1), 8: (8, 2)}
"""By tokens: tokens and rows of a tile."""
PICK_TILES = {1: (1, 1), 2: (2, 2), 4: (4, 2), 8: (8, 2)}
"""The same where inputs are picked for 2:4."""
DOT_COST = 3.3
"""A pass of 8 tokens in bfloat16."""
UNPACK_COST = (6.0, 0.185)
"""Unpacking and PyTorch's product in bfloat16: for the matrix, and for each token."""
PICK_COST = (1.0, 3.15)
"""In bfloat16, 2:4: what picking costs anyway, and a pass of 8 tokens."""
PAIR_COSTS = {1: 4.0, 2: 6.2, 4: 11.5}
"""A block that multiplies pairs, by vectors of 16 tokens."""
PAIRS_ANYWAY = 1.5


@cache
def choose(tokens: int, percent: int) -> str:
    """What is fastest for values and inputs in bfloat16: "dots", "unpack" to a dense product, or "skip" the zeros."""
    costs = {
        "dots": -(-tokens // max(DOT_TILES)) * DOT_COST,
        "unpack": UNPACK_COST[0] + UNPACK_COST[1] * tokens,
        "skip": skip_cost(tokens, percent),
    }
    return min(costs, key=costs.__getitem__)


@cache
def choose_for_2_4(tokens: int) -> Callable[..., Any]:
    """The fastest loop for 2:4 where values and inputs are bfloat16."""
    costs: dict[int, float] = {0: PICK_COST[0] + PICK_COST[1] * -(-tokens // max(PICK_TILES))}
    costs |= {each: PAIRS_ANYWAY + cost * -(-tokens // (16 * each)) for each, cost in PAIR_COSTS.items()}
    vectors = min(costs, key=costs.__getitem__)
    return many_pairs(vectors) if vectors else few_picks(tile_of(tokens))


def tile_of(tokens: int) -> int:
    """Tokens of the tiles for so many tokens."""
    return next((each for each in DOT_TILES if tokens <= each), max(DOT_TILES))


@cache
def few_dots(tokens: int) -> Callable[..., Any]:
    """The loop over tiles of so many tokens in bfloat16."""
    tile_tokens, tile_rows = DOT_TILES[tokens]

    @loop
    def run(
        values: int,
        mask: int,
        pointers: int,
        bias: int,
        x: int,
        y: int,
        rows: int,
        words: int,
        count: int,
        parts: int,
    ) -> int:
        last, moved, end = end_of(values, pointers, rows, 2)
        tiles = (rows + tile_rows - 1) // tile_rows
        for part in prange(parts):
            for number in range(tiles * part // parts, tiles * (part + 1) // parts):
                row = number * tile_rows
                for token in range(0, count, tile_tokens):
                    dot_tile(
                        tile_tokens,
                        tile_rows,
                        values,
                        moved,
                        last,
                        pointers,
                        mask,
                        words,
                        row,
                        x + token * words * 128,
                        y + token * rows * 2,
                        rows,
                        bias,
                        min(tile_tokens, count - token),
                        min(tile_rows, rows - row),
                    )
        return int(end[0])  # in use until here

    return run


@cache
def unpacking() -> Callable[..., Any]:
    """The loop that writes the matrix, of 16-bit values, zeros among them."""

    @loop
    def run(values: int, mask: int, pointers: int, target: int, rows: int, words: int, parts: int) -> int:
        last, moved, end = end_of(values, pointers, rows, 2)
        for part in prange(parts):
            for row in range(rows * part // parts, rows * (part + 1) // parts):
                begin = (moved if row >= last else values) + count_at(pointers + 4 * row) * 2
                unpack_row(begin, mask + row * words * 8, words, target + row * words * 128)
        return int(end[0])  # in use until here

    return run


@cache
def few_picks(tokens: int) -> Callable[..., Any]:
    """The loop over tiles that picks inputs for the values of 2:4, both in bfloat16."""
    tile_tokens, tile_rows = PICK_TILES[tokens]

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
        scratch = np.empty(whole * together + (rows + 15) // 16 * 16 * entry + rows * words * GROUPS + 64, np.uint8)
        tables = (scratch.ctypes.data + 63) // 64 * 64
        y_T = tables + whole * together
        numbers = y_T + (rows + 15) // 16 * 16 * entry
        for begin in range(0, count, together * block):
            end = min(count, begin + together * block)
            for part in prange(parts):
                if begin == 0:
                    low, high = rows * words * part // parts, rows * words * (part + 1) // parts
                    put_numbers(positions + low * 8, high - low, numbers + low * GROUPS)
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
                                numbers + (row * words + word) * GROUPS,
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
