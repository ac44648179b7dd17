"""
Bitmask, few tokens: a tile of T tokens by R rows; each stored value is spread over its lane once and used T times.

A row is read in words of 64 columns: 64 bits of mask, and the packed values where the bits are set. R rows are R
streams of values; x comes from the first cache. Zeros are multiplied: with so few tokens, reading is what takes time.
"""

from __future__ import annotations

from typing import Any

from .emit import F32, I32, I64, LANES, VF, Emitter, intrinsic_of
from .lanes import VALUE_BYTES, spread, spread_lanes, sums

WORD = 64
"""Columns of a word of the mask."""
AHEAD = 4096
"""Bytes of values to ask for in advance, at least."""


@intrinsic_of(known=3)
def tile(
    e: Emitter,
    dtype: str,
    tokens: int,
    rows: int,
    values: Any,
    moved: Any,
    last: Any,
    pointers: Any,
    mask: Any,
    words: Any,
    first: Any,
    x: Any,
    x_stride: Any,
    y: Any,
    y_stride: Any,
    live_tokens: Any,
    live_rows: Any,
) -> None:
    """
    y[:T, :R] = x[:T] W[first : first + R]ᵀ of one tile.

    A row's pointer counts from `values`, from row `last` on from `moved`. Rows and tokens that are not live repeat the
    last one that is.
    """
    lanes = spread_lanes(dtype)
    parts = range(0, lanes, LANES)
    totals = accumulators(e, tokens, rows)
    sets = len(totals[0][0])
    ahead = AHEAD if rows == 1 else tiles_ahead(e, bytes_of_a_tile(e, dtype, pointers, first, live_rows))
    places, masks = streams(e, dtype, rows, values, moved, last, pointers, mask, words, first, live_rows)
    inputs = [e.add(x, e.times(x_stride, last_live(e, token, live_tokens))) for token in range(tokens)]
    with e.loop(words) as word:
        bits = [e.load(e.add(each, e.times(word.index, WORD // 8)), I64) for each in masks]
        at = e.times(word.index, WORD * 4)
        for block in range(0, WORD, lanes):
            x_lanes = [[e.load(e.add(each, at), VF, 4 * (block + part)) for part in parts] for each in inputs]
            for row in range(rows):
                here, address = e.bits_at(bits[row], block, lanes), e.get(places[row])
                if block * VALUE_BYTES[dtype] % 64 == 0:
                    e.prefetch(address, ahead)
                for part, weights in enumerate(spread(e, dtype, address, here)):
                    for token in range(tokens):
                        total = totals[row][token][(block // LANES + part) % sets]
                        e.set(total, e.multiply_add(weights, x_lanes[token][part], e.get(total)))
                e.set(places[row], e.add(address, e.times(e.count_ones(here), VALUE_BYTES[dtype])))
    sums = [[merged(e, each) for each in row] for row in totals]
    store_tile(e, sums, y, y_stride, live_tokens, live_rows)


def accumulators(e: Emitter, tokens: int, rows: int) -> list[list[list[Any]]]:
    """[row][token] sums of a tile: several each where they are few, so that additions do not wait for each other."""
    sets = max(1, min(4, 8 // (tokens * rows)))
    return [[[e.variable(e.zero(VF)) for _ in range(sets)] for _ in range(tokens)] for _ in range(rows)]


def streams(
    e: Emitter,
    dtype: str,
    rows: int,
    values: Any,
    moved: Any,
    last: Any,
    pointers: Any,
    mask: Any,
    words: Any,
    first: Any,
    live_rows: Any,
) -> tuple[list[Any], list[Any]]:
    """Of each row of a tile, a variable with the address of its next values, and the address of its mask."""
    places, masks = [], []
    for row in range(rows):
        number = e.add(first, last_live(e, row, live_rows))
        base = e.builder.select(e.builder.icmp_signed("<", number, last), values, moved)
        count = e.builder.sext(e.load(e.add(pointers, e.times(number, 4)), I32, 0, 4), I64)
        places.append(e.variable(e.add(base, e.times(count, VALUE_BYTES[dtype]))))
        masks.append(e.add(mask, e.times(e.times(words, WORD // 8), number)))
    return places, masks


def tiles_ahead(e: Emitter, size: Any) -> Any:
    """Bytes to ask for in advance where rows are read beside each other: whole tiles, to about the same place there."""
    size = e.builder.select(e.builder.icmp_signed(">", size, e.number(0)), size, e.number(1))
    return e.times(size, e.builder.sdiv(e.add(size, AHEAD - 1), size))


def bytes_of_a_tile(e: Emitter, dtype: str, pointers: Any, first: Any, live_rows: Any) -> Any:
    """Of its values."""
    at = e.add(pointers, e.times(first, 4))
    begin, end = (e.load(place, I32, 0, 4) for place in (at, e.add(at, e.times(live_rows, 4))))
    return e.times(e.builder.sext(e.builder.sub(end, begin), I64), VALUE_BYTES[dtype])


def last_live(e: Emitter, index: int, live: Any) -> Any:
    """The index, or the last live one."""
    return e.number(0) if index == 0 else e.smaller(e.number(index), e.add(live, -1))


def merged(e: Emitter, parts: list[Any]) -> Any:
    """The sum of several variables."""
    total = e.get(parts[0])
    for part in parts[1:]:
        total = e.builder.fadd(total, e.get(part))
    return total


def store_tile(
    e: Emitter,
    totals: list[list[Any]],
    y: Any,
    y_stride: Any,
    live_tokens: Any,
    live_rows: Any,
    kind: Any = F32,
    bias: Any = None,
) -> None:
    """Sums the lanes of each [row][token], adds the bias where there is one, and stores those that are live."""
    rows, tokens = len(totals), len(totals[0])
    size = 4 if kind is F32 else 2
    biases = None if bias is None else [_bias_of(e, bias, last_live(e, row, live_rows)) for row in range(rows)]
    pairs = [(token, row) for token in range(tokens) for row in range(rows)]
    for start in range(0, len(pairs), LANES):
        some = pairs[start : start + LANES]
        reduced = sums(e, [totals[row][token] for token, row in some])
        for lane, (token, row) in enumerate(some):
            # A row that is not live holds the last one's sum, and may be stored in its place.
            to_token = e.add(y, e.times(y_stride, last_live(e, token, live_tokens)))
            address = e.add(to_token, e.times(last_live(e, row, live_rows), size))
            value = e.builder.extract_element(reduced, e.number(lane, I32))
            value = value if biases is None else e.builder.fadd(value, biases[row])
            e.store(value if kind is F32 else e.builder.fptrunc(value, kind), address, 0, size)


def _bias_of(e: Emitter, bias: Any, row: Any) -> Any:
    """A row's bias; address 0: none."""
    none = e.buffer(64)
    e.store(e.zero(F32), none, 0, 4)
    given = e.builder.icmp_signed("!=", bias, e.number(0))
    return e.load(e.builder.select(given, e.add(bias, e.times(row, 4)), none), F32, 0, 4)
