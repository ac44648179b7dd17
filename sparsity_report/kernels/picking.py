"""
N:M, few tokens, where 16 values take 32 neighbouring inputs (1:2, 2:4, 4:8, 8:16): x is picked for the values.

A chunk is 16 values of a row, the positions of each in its group, and the 32 inputs of their groups, which two vectors
hold: one instruction picks 16 of 32 lanes. Nothing is multiplied that is not stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import dots
from .cpu import instruction_set
from .dots import PAIRS
from .emit import BF16, I16, I32, I64, LANES, VF, Emitter, intrinsic_of, vector
from .lanes import VALUE_BYTES, pick_of_two, widen
from .tiles import AHEAD, accumulators, last_live, merged, store_tile, tiles_ahead

if TYPE_CHECKING:
    from collections.abc import Callable


def takes(n: int, m: int, slots: int) -> bool:
    """Whether the rows of an N:M matrix, of so many values each, are whole chunks, and the machine can pick."""
    return m == 2 * n and LANES % n == 0 and slots % LANES == 0 and instruction_set().level == "avx512"


@intrinsic_of(known=5)
def picking_tile(
    e: Emitter,
    dtype: str,
    n: int,
    bits: int,
    tokens: int,
    rows: int,
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
    totals = accumulators(e, tokens, rows)
    sets = len(totals[0][0])
    number = [last_live(e, row, live_rows) for row in range(rows)]
    weights = [e.add(values, e.times(e.times(chunks, chunk_bytes), row)) for row in number]
    ahead = AHEAD if rows == 1 else tiles_ahead(e, e.times(chunks, chunk_bytes * rows))
    places = [e.add(positions, e.times(e.times(chunks, position_bytes), row)) for row in number]
    inputs = [e.add(x, e.times(x_stride, last_live(e, token, live_tokens))) for token in range(tokens)]

    def add_chunk(chunk: Any, turn: int) -> None:
        at = e.times(chunk, 2 * LANES * 4)
        x_lanes = [[e.load(e.add(each, at), VF, 64 * half) for half in (0, 1)] for each in inputs]
        for row in range(rows):
            address = e.add(weights[row], e.times(chunk, chunk_bytes))
            if turn * chunk_bytes % 64 == 0:
                e.prefetch(address, ahead)
            lanes = _lanes_of(e, e.add(places[row], e.times(chunk, position_bytes)), n, bits)
            wide = widen(e, dtype, address)
            for token in range(tokens):
                picked = pick_of_two(e, x_lanes[token][0], x_lanes[token][1], lanes)
                total = totals[row][token][turn]
                e.set(total, e.multiply_add(wide, picked, e.get(total)))

    _in_turns(e, chunks, sets, add_chunk)
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


def takes_dots(n: int, m: int, slots: int) -> bool:
    """Whether the rows of a 2:4 matrix, of so many values each, are whole chunks of pairs, and the machine can pick."""
    return (n, m) == (2, 4) and slots % PAIRS == 0 and dots.takes()


@intrinsic_of(known=2)
def picking_dots(
    e: Emitter,
    tokens: int,
    rows: int,
    values: Any,
    positions: Any,
    chunks: Any,
    x: Any,
    y: Any,
    out_features: Any,
    bias: Any,
    live_tokens: Any,
    live_rows: Any,
) -> None:
    """
    y[:T, :R] = x[:T] W[:R]ᵀ + bias of one tile of 2:4 in bfloat16: 32 values a chunk, of 64 inputs.
    """
    totals = accumulators(e, tokens, rows)
    sets = len(totals[0][0])
    number = [last_live(e, row, live_rows) for row in range(rows)]
    weights = [e.add(values, e.times(e.times(chunks, 64), row)) for row in number]
    ahead = AHEAD if rows == 1 else tiles_ahead(e, e.times(chunks, 64 * rows))
    places = [e.add(positions, e.times(e.times(chunks, 8), row)) for row in number]
    inputs = [e.add(x, e.times(e.times(chunks, 128), last_live(e, token, live_tokens))) for token in range(tokens)]
    whole, pairs = vector(I16, PAIRS), vector(BF16, PAIRS)

    def add_chunk(chunk: Any, turn: int) -> None:
        at = e.times(chunk, 128)
        x_lanes = [[e.load(e.add(each, at), whole, 64 * half) for half in (0, 1)] for each in inputs]
        for row in range(rows):
            address = e.add(weights[row], e.times(chunk, 64))
            e.prefetch(address, ahead)
            stream = e.load(e.add(places[row], e.times(chunk, 8)), vector(I16, 4))
            spread = e.shuffle(stream, stream, [lane // 8 for lane in range(PAIRS)])
            shifted = e.builder.lshr(spread, e.lanes([2 * (lane % 8) for lane in range(PAIRS)], I16))
            bases = e.lanes([lane // 2 * 4 for lane in range(PAIRS)], I16)
            lanes = e.builder.or_(e.builder.and_(shifted, e.same(3, I16, PAIRS)), bases)
            own = e.load(address, pairs)
            for token in range(tokens):
                low, high = x_lanes[token]
                picked = e.call("llvm.x86.avx512.vpermi2var.hi.512", whole, low, lanes, high)
                total = totals[row][token][turn]
                e.set(total, dots.added(e, e.get(total), own, e.builder.bitcast(picked, pairs)))

    _in_turns(e, chunks, sets, add_chunk)
    sums = [[merged(e, each) for each in row] for row in totals]
    store_tile(e, sums, y, e.times(out_features, 2), live_tokens, live_rows, BF16, bias)


def _in_turns(e: Emitter, chunks: Any, sets: int, add_chunk: Callable[[Any, int], None]) -> None:
    """All chunks; neighbours go to different sums."""
    with e.loop(e.builder.sdiv(chunks, e.number(sets))) as several:
        for turn in range(sets):
            add_chunk(e.add(e.times(several.index, sets), turn), turn)
    if sets > 1:
        done = e.builder.and_(chunks, e.number(-sets))
        with e.loop(e.builder.sub(chunks, done)) as single:
            add_chunk(e.add(done, single.index), 0)


def _two(e: Emitter, stream: Any, bits: int) -> Any:
    """The lower bits and the others, as two lanes."""
    nothing = e.zero(e.lanes([0, 0]).type)
    low = e.builder.insert_element(nothing, e.builder.trunc(stream, I32), e.number(0, I32))
    high = e.builder.trunc(e.builder.lshr(stream, e.number(bits)), I32)
    return e.builder.insert_element(low, high, e.number(1, I32))
