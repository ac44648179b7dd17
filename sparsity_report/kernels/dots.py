"""
Bitmask, bfloat16 inputs and values: pairs of neighbouring columns are multiplied and summed by one instruction.

A word of 64 columns is two vectors of 32 values. They are spread where they belong, and lie beside each other as the
inputs do: nothing is converted, and the products are exact before they are summed in float32 (`vdpbf16ps`).
"""

from __future__ import annotations

from typing import Any

from .cpu import instruction_set
from .emit import BF16, I16, I64, VF, Emitter, intrinsic_of, vector
from .lanes import expanded, in_register
from .tiles import AHEAD, WORD, accumulators, bytes_of_a_tile, last_live, merged, store_tile, streams, tiles_ahead

PAIRS = 32
"""Values of a vector."""


def takes() -> bool:
    """Whether the machine spreads 16-bit values and multiplies bfloat16 pairs."""
    return {"avx512vbmi2", "avx512bf16"} <= instruction_set().extensions


def added(e: Emitter, total: Any, left: Any, right: Any) -> Any:
    """16 sums in float32, each with the products of two neighbours in bfloat16."""
    return e.call("llvm.x86.avx512bf16.dpbf16ps.512", VF, total, left, right)


@intrinsic_of(known=2)
def dot_tile(
    e: Emitter,
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
    y: Any,
    out_features: Any,
    bias: Any,
    live_tokens: Any,
    live_rows: Any,
) -> None:
    """y[:T, first : first + R] = x[:T] W[first : first + R]ᵀ + bias, as `tiles.tile` describes it; y is bfloat16."""
    totals = accumulators(e, tokens, rows)
    sets = len(totals[0][0])
    ahead = AHEAD if rows == 1 else tiles_ahead(e, bytes_of_a_tile(e, "bfloat16", pointers, first, live_rows))
    places, masks = streams(e, "bfloat16", rows, values, moved, last, pointers, mask, words, first, live_rows)
    inputs = [e.add(x, e.times(e.times(words, 2 * WORD), last_live(e, token, live_tokens))) for token in range(tokens)]
    with e.loop(words) as word:
        bits = [e.load(e.add(each, e.times(word.index, WORD // 8)), I64) for each in masks]
        at = e.times(word.index, WORD * 2)
        for block in range(WORD // PAIRS):
            x_lanes = [e.load(e.add(each, at), vector(BF16, PAIRS), 64 * block) for each in inputs]
            for row in range(rows):
                here, address = e.bits_at(bits[row], PAIRS * block, PAIRS), e.get(places[row])
                e.prefetch(address, ahead)
                weights = e.builder.bitcast(values_at(e, address, here), vector(BF16, PAIRS))
                for token in range(tokens):
                    total = totals[row][token][block % sets]
                    e.set(total, added(e, e.get(total), weights, x_lanes[token]))
                e.set(places[row], e.add(address, e.times(e.count_ones(here), 2)))
    sums = [[merged(e, each) for each in row] for row in totals]
    y = e.add(y, e.times(first, 2))
    bias = e.builder.select(e.builder.icmp_signed("==", bias, e.number(0)), bias, e.add(bias, e.times(first, 4)))
    store_tile(e, sums, y, e.times(out_features, 2), live_tokens, live_rows, BF16, bias)


def values_at(e: Emitter, address: Any, bits: Any) -> Any:
    """The next values as 16 bits each, over the 32 lanes whose bit is set; 0 elsewhere."""
    return expanded(e, in_register(e, e.load(address, vector(I16, PAIRS))), bits)


@intrinsic_of()
def unpack_row(e: Emitter, values: Any, mask: Any, words: Any, target: Any) -> None:
    """Writes a row of 16-bit values, zeros among them."""
    place = e.variable(values)
    with e.loop(words) as word:
        bits = e.load(e.add(mask, e.times(word.index, WORD // 8)), I64)
        for block in range(WORD // PAIRS):
            here, address = e.bits_at(bits, PAIRS * block, PAIRS), e.get(place)
            e.prefetch(address, 3072)
            e.store(values_at(e, address, here), e.add(target, e.times(word.index, WORD * 2)), 64 * block, 2)
            e.set(place, e.add(address, e.times(e.count_ones(here), 2)))
