"""
Many tokens: only the stored values are multiplied, each by one input of 16, 32 or 64 tokens at once.

x lies transposed, [input][token], cut into tiles of inputs that stay in the first cache. For each row and tile the
bits of the mask become a list of inputs; then every stored value is broadcast and multiplied by its input's tokens.
Nothing else than the bitmask is stored, and the lists cost a few instructions for 64 columns. A row's list is made
before the row above is multiplied: made at once, the loads of inputs would wait for it.
"""

from __future__ import annotations

from typing import Any

from .cpu import instruction_set
from .emit import F32, I1, I8, I64, LANES, VF, Emitter, intrinsic_of, vector
from .lanes import VALUE_BYTES, transposed, widen
from .tiles import WORD, merged

MOST_WORDS = 4
"""Words of the longest tile: an input of a tile is numbered in a byte."""


def tile_words(vectors: int) -> int:
    """Words of a tile: where a byte can number them, its inputs of so many vectors of 16 tokens are 32 KB."""
    return min(MOST_WORDS, max(1, 8 // vectors))


STEP = 8
"""Values of one turn of the loop, whose inputs' numbers are read at once; those left over are taken one by one."""
CHAINS = 8
"""Sums that grow side by side: two multiply-adds a cycle of four cycles each (Zen 5) keep so many busy."""


LIST_BYTES = MOST_WORDS * WORD + WORD
"""Room for a list: whole vectors are written."""


@intrinsic_of()
def list_inputs(e: Emitter, mask: Any, words: Any, target: Any) -> Any:
    """Writes the numbers of the inputs whose bit is set, one byte each; returns how many there are."""
    count = e.variable(e.number(0))
    with e.loop(words) as word:
        bits = e.load(e.add(mask, e.times(word.index, 8)), I64)
        first = e.times(word.index, WORD)
        if "avx512vbmi2" in instruction_set().extensions:
            numbers = e.builder.add(e.lanes(range(WORD), I8), e.splat(e.builder.trunc(first, I8), WORD))
            wanted = e.builder.bitcast(bits, vector(I1, WORD))
            packed = e.call("llvm.x86.avx512.mask.compress.v64i8", numbers.type, numbers, e.zero(numbers.type), wanted)
            e.store(packed, e.add(target, e.get(count)))
            e.set(count, e.add(e.get(count), e.count_ones(bits)))
        else:
            _list_one_by_one(e, bits, first, target, count)
    return e.get(count)


@intrinsic_of(known=2)
def skip_row(
    e: Emitter,
    dtype: str,
    vectors: int,
    values: Any,
    soon: Any,
    soon_lines: Any,
    later: Any,
    later_lines: Any,
    inputs: Any,
    count: Any,
    x: Any,
    y: Any,
    is_first: Any,
) -> Any:
    """
    y[row, tokens] (+)= Σ over the `count` stored values of one row in one tile, whose inputs are listed at `inputs`;
    returns where the row's values go on.

    `vectors` of 16 tokens each. y begins at zero with the first tile. Values at `soon` and
    `later` are asked for, in lines of 64 bytes.
    """
    for address, lines in ((soon, soon_lines), (later, later_lines)):
        with e.loop(lines) as line:
            e.prefetch(e.add(address, e.times(line.index, 64)), 0)
    size = 64 * vectors
    weights = values if dtype == "float32" else e.buffer((MOST_WORDS * WORD + LANES) * 4)
    if dtype != "float32":
        with e.loop(e.builder.lshr(e.add(count, LANES - 1), e.number(4))) as turn:
            packed = e.add(values, e.times(turn.index, LANES * VALUE_BYTES[dtype]))
            e.store(widen(e, dtype, packed), e.add(weights, e.times(turn.index, 64)), 0, 64)
    totals = [[e.variable(_begin(e, y, 64 * each, is_first)) for each in range(vectors)]]
    totals += [[e.variable(e.zero(VF)) for _ in range(vectors)] for _ in range(1, max(1, CHAINS // vectors))]

    def one(address: Any, number: Any, offset: int) -> None:
        row = e.add(x, e.times(number, size))
        weight = e.splat(e.load(address, F32, 4 * offset))
        for each, total in enumerate(totals[offset % len(totals)]):
            e.set(total, e.multiply_add(weight, e.load(row, VF, 64 * each, 64), e.get(total)))

    with e.loop(e.builder.sdiv(count, e.number(STEP))) as turn:
        numbers = e.load(e.add(inputs, e.times(turn.index, STEP)), I64)
        for offset in range(STEP):
            number = e.builder.and_(e.builder.lshr(numbers, e.number(8 * offset)), e.number(255))
            one(e.add(weights, e.times(turn.index, 4 * STEP)), number, offset)
    done = e.builder.and_(count, e.number(-STEP))
    with e.loop(e.builder.sub(count, done)) as turn:
        at = e.add(done, turn.index)
        one(e.add(weights, e.times(at, 4)), e.builder.zext(e.load(e.add(inputs, at), I8), I64), 0)
    for each, parts in enumerate(zip(*totals, strict=True)):
        e.store(merged(e, list(parts)), y, 64 * each, 64)
    return e.add(values, e.times(count, VALUE_BYTES[dtype]))


def _begin(e: Emitter, y: Any, offset: int, is_first: Any) -> Any:
    return e.builder.select(e.builder.icmp_signed("!=", is_first, e.number(0)), e.zero(VF), e.load(y, VF, offset, 64))


def _list_one_by_one(e: Emitter, bits: Any, first: Any, found: Any, count: Any) -> None:
    left = e.variable(bits)
    with e.loop(e.count_ones(bits)):
        now = e.get(left)
        position = e.call("llvm.cttz.i64", I64, now, e.number(1, I1))
        e.store(e.builder.trunc(e.add(first, position), I8), e.add(found, e.get(count)))
        e.set(count, e.add(e.get(count), 1))
        e.set(left, e.builder.and_(now, e.add(now, -1)))


@intrinsic_of()
def transpose_in(e: Emitter, x: Any, stride: Any, live: Any, target: Any, target_stride: Any) -> None:
    """16 tokens × 16 inputs → 16 inputs × 16 tokens; tokens that are not live repeat the last one."""
    rows = [e.load(e.add(x, e.times(stride, e.smaller(e.number(row), e.add(live, -1)))), VF) for row in range(LANES)]
    for row, lanes in enumerate(transposed(e, rows)):
        e.store(lanes, e.add(target, e.times(target_stride, row)), 0, 64)


@intrinsic_of()
def transpose_out(
    e: Emitter, source: Any, source_stride: Any, y: Any, stride: Any, live_tokens: Any, live_rows: Any
) -> None:
    """16 rows × 16 tokens → y, 16 tokens × 16 rows, of which only the live ones are written."""
    rows = transposed(e, [e.load(e.add(source, e.times(source_stride, row)), VF, 0, 64) for row in range(LANES)])
    columns = e.builder.icmp_signed("<", e.lanes(range(LANES), I64), e.splat(live_rows))
    for token, lanes in enumerate(rows):
        live = e.builder.icmp_signed("<", e.number(token), live_tokens)
        wanted = e.builder.and_(columns, e.splat(live))
        pointer = e.builder.inttoptr(e.add(y, e.times(stride, token)), VF.as_pointer())
        e.masked_store(lanes, pointer, wanted)
