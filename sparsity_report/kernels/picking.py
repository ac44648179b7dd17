"""
N:M, few tokens, where 16 values take 32 neighbouring inputs (1:2, 2:4, 4:8, 8:16): x is picked for the values.

A chunk is 16 values of a row, the positions of each in its group, and the 32 inputs of their groups, which two vectors
hold: one instruction picks 16 of 32 lanes. Nothing is multiplied that is not stored.
"""

from __future__ import annotations

from typing import Any

from .cpu import instruction_set
from .emit import I16, I32, I64, LANES, VF, Emitter, intrinsic_of
from .lanes import VALUE_BYTES, pick_of_two, widen
from .tiles import last_live, merged, store_tile


def takes(n: int, m: int, slots: int) -> bool:
    """Whether the rows of an N:M matrix, of so many values each, are whole chunks, and the machine can pick."""
    return m == 2 * n and LANES % n == 0 and slots % LANES == 0 and instruction_set().level == "avx512"


@intrinsic_of(known=6)
def picking_tile(
    e: Emitter,
    dtype: str,
    n: int,
    bits: int,
    tokens: int,
    rows: int,
    ahead: int,
    values: Any,
    positions: Any,
    chunks: Any,
    x: Any,
    x_stride: Any,
    y: Any,
    y_stride: Any,
    live_tokens: Any,
    live_rows: Any,
) -> None:
    """y[:T, :R] = x[:T] W[:R]ᵀ of one tile; rows and tokens that are not live repeat the last one that is."""
    chunk_bytes, position_bytes = LANES * VALUE_BYTES[dtype], LANES * bits // 8
    sets = max(1, min(4, 8 // (tokens * rows)))
    totals = [[[e.variable(e.zero(VF)) for _ in range(sets)] for _ in range(tokens)] for _ in range(rows)]
    number = [last_live(e, row, live_rows) for row in range(rows)]
    weights = [e.add(values, e.times(e.times(chunks, chunk_bytes), row)) for row in number]
    places = [e.add(positions, e.times(e.times(chunks, position_bytes), row)) for row in number]
    inputs = [e.add(x, e.times(x_stride, last_live(e, token, live_tokens))) for token in range(tokens)]

    def add_chunk(chunk: Any, turn: int) -> None:
        at = e.times(chunk, 2 * LANES * 4)
        x_lanes = [[e.load(e.add(each, at), VF, 64 * half) for half in (0, 1)] for each in inputs]
        for row in range(rows):
            address = e.add(weights[row], e.times(chunk, chunk_bytes))
            if ahead and turn * chunk_bytes % 64 == 0:
                e.prefetch(address, ahead)
            lanes = _lanes_of(e, e.add(places[row], e.times(chunk, position_bytes)), n, bits)
            wide = widen(e, dtype, address)
            for token in range(tokens):
                picked = pick_of_two(e, x_lanes[token][0], x_lanes[token][1], lanes)
                total = totals[row][token][turn]
                e.set(total, e.multiply_add(wide, picked, e.get(total)))

    with e.loop(e.builder.sdiv(chunks, e.number(sets))) as several:
        for turn in range(sets):
            add_chunk(e.add(e.times(several.index, sets), turn), turn)
    if sets > 1:
        done = e.builder.and_(chunks, e.number(-sets))
        with e.loop(e.builder.sub(chunks, done)) as single:
            add_chunk(e.add(done, single.index), 0)
    store_tile(e, [[merged(e, each) for each in row] for row in totals], y, y_stride, live_tokens, live_rows)


def _lanes_of(e: Emitter, address: Any, n: int, bits: int) -> Any:
    """Where in the 32 inputs of a chunk each of its 16 values belongs."""
    bases = e.lanes([lane // n * 2 * n for lane in range(LANES)])
    if bits <= 2:  # all 16 positions fit into every lane's own 32 bits
        stream = e.load(address, I16 if bits == 1 else I32)
        spread = e.splat(e.builder.zext(stream, I32) if bits == 1 else stream)
        shifted = e.builder.lshr(spread, e.lanes([lane * bits for lane in range(LANES)]))
        return e.builder.or_(e.builder.and_(shifted, e.same(2**bits - 1, I32)), bases)
    if bits == 3:
        high = e.builder.shl(e.builder.zext(e.load(address, I16, 4), I64), e.number(32))
        stream = e.builder.or_(e.builder.zext(e.load(address, I32), I64), high)
    else:
        stream = e.load(address, I64)
    halves = e.builder.bitcast(stream, e.lanes([0, 0]).type) if bits == 4 else _two(e, stream, 8 * bits)
    spread = e.shuffle(halves, halves, [0] * 8 + [1] * 8)
    shifted = e.builder.lshr(spread, e.lanes([lane % 8 * bits for lane in range(LANES)]))
    within = e.builder.and_(shifted, e.same(2**bits - 1, I32))
    return e.builder.or_(within, bases)


def _two(e: Emitter, stream: Any, bits: int) -> Any:
    """The lower bits and the others, as two lanes."""
    nothing = e.zero(e.lanes([0, 0]).type)
    low = e.builder.insert_element(nothing, e.builder.trunc(stream, I32), e.number(0, I32))
    high = e.builder.trunc(e.builder.lshr(stream, e.number(bits)), I32)
    return e.builder.insert_element(low, high, e.number(1, I32))
