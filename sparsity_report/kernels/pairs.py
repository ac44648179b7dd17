"""
2:4, bfloat16, many tokens: each group of four inputs has six pairs, and a group's two weights are multiplied by one.

For every group a table holds its six pairs of inputs as neighbours in 32 bits, 16, 32 or 64 tokens beside each other.
The positions become numbers of pairs; then one pair of weights is broadcast, and one instruction a vector of tokens
multiplies and sums both (`vdpbf16ps`): half the products of dense, and none with a zero.

A word is 64 inputs: 16 groups, 16 pairs of values in 64 bytes, 8 bytes of positions, and 96 entries of the table.
"""

from __future__ import annotations

from typing import Any

from .dots import added
from .emit import BF16, I8, I16, I32, I64, LANES, VF, VI, Emitter, intrinsic_of, vector
from .lanes import transposed
from .tiles import last_live, merged

GROUPS = 16
ENTRIES = 96
"""Of a word."""
PAIRS = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
"""Positions of a group, in the order of the table."""
CHAINS = 12
"""Sums that grow side by side: two instructions a cycle, six cycles each (Zen 5)."""


def words_of_a_tile(vectors: int) -> int:
    """So that the tile's entries stay in the first cache, and a byte can number them."""
    return 1 if vectors > 2 else 2


@intrinsic_of(known=1)
def put_pairs(e: Emitter, vectors: int, x: Any, stride: Any, live: Any, target: Any) -> None:
    """The table's entries of 8 groups for 16 tokens; tokens that are not live repeat the last one."""
    rows = [e.load(e.add(x, e.times(stride, last_live(e, row, live))), VF) for row in range(LANES)]
    inputs = [e.builder.bitcast(lanes, VI) for lanes in transposed(e, rows)]
    sixteen, low = e.same(16, I32), e.same(0xFFFF, I32)
    for group in range(GROUPS // 2):
        halves = [inputs[2 * group], inputs[2 * group + 1]]
        for number, (first, second) in enumerate(PAIRS):
            one, other = halves[first // 2], halves[second // 2]
            if (first, second) in ((0, 1), (2, 3)):
                both = one
            else:
                below = e.builder.lshr(one, sixteen) if first % 2 else e.builder.and_(one, low)
                above = e.builder.and_(other, e.builder.not_(low)) if second % 2 else e.builder.shl(other, sixteen)
                both = e.builder.or_(below, above)
            e.store(both, target, (group * len(PAIRS) + number) * 64 * vectors, 64)


@intrinsic_of()
def put_numbers(e: Emitter, positions: Any, words: Any, target: Any) -> None:
    """
    Entries of the 16 groups of each word, a byte each.

    They are written before any row is multiplied: worked out row by row, what follows would wait for them.
    """
    kind = vector(I8, GROUPS)
    order = [0] * 16
    for number, (first, second) in enumerate(PAIRS):
        order[first | second << 2] = number
    with e.loop(words) as word:
        stored = e.load(e.add(positions, e.times(word.index, 8)), vector(I8, GROUPS // 2))
        twice = e.shuffle(stored, stored, [group // 2 for group in range(GROUPS)])
        codes = e.builder.and_(e.builder.lshr(twice, e.lanes([0, 4] * (GROUPS // 2), I8)), e.same(15, I8, GROUPS))
        within = e.call("llvm.x86.ssse3.pshuf.b.128", kind, e.lanes(order, I8), codes)
        numbers = e.builder.add(within, e.lanes([len(PAIRS) * group for group in range(GROUPS)], I8))
        e.store(numbers, e.add(target, e.times(word.index, GROUPS)))


@intrinsic_of(known=1)
def pair_row(
    e: Emitter, vectors: int, values: Any, ahead: Any, numbers: Any, words: Any, table: Any, y: Any, is_first: Any
) -> None:
    """y[row, tokens] (+)= Σ over the pairs of one row in one tile; y begins at zero with the first tile."""
    begins = e.builder.icmp_signed("!=", is_first, e.number(0))
    chains = CHAINS // vectors
    totals = [
        [e.variable(e.builder.select(begins, e.zero(VF), e.load(y, VF, 64 * each, 64))) for each in range(vectors)]
    ]
    totals += [[e.variable(e.zero(VF)) for _ in range(vectors)] for _ in range(1, chains)]
    with e.loop(words) as word:
        at = e.add(values, e.times(word.index, 64))
        e.prefetch(e.add(at, ahead), 0)
        halves = [e.load(e.add(numbers, e.times(word.index, GROUPS)), I64, 8 * half) for half in (0, 1)]
        entries = e.add(table, e.times(word.index, ENTRIES * 64 * vectors))
        for group in range(GROUPS):
            weights = e.builder.bitcast(e.splat(e.load(at, I32, 4 * group)), vector(BF16, 2 * LANES))
            number = e.builder.and_(e.builder.lshr(halves[group // 8], e.number(8 * (group % 8))), e.number(255))
            entry = e.add(entries, e.times(number, 64 * vectors))
            for each, total in enumerate(totals[group % chains]):
                pairs = e.load(entry, vector(BF16, 2 * LANES), 64 * each, 64)
                e.set(total, added(e, e.get(total), weights, pairs))
    for each, parts in enumerate(zip(*totals, strict=True)):
        e.store(merged(e, list(parts)), y, 64 * each, 64)


@intrinsic_of()
def put_tokens(
    e: Emitter, source: Any, source_stride: Any, y: Any, stride: Any, live_tokens: Any, live_rows: Any, bias: Any
) -> None:
    """16 rows × 16 tokens, and the bias → y, 16 tokens × 16 rows of bfloat16, of which the live ones are written."""
    none = e.buffer(64)
    e.store(e.zero(VF), none, 0, 64)
    given = e.builder.icmp_signed("!=", bias, e.number(0))
    rows = []
    for row in range(LANES):
        own = e.builder.select(given, e.add(bias, e.times(last_live(e, row, live_rows), 4)), none)
        lanes = e.load(e.add(source, e.times(source_stride, row)), VF, 0, 64)
        rows.append(e.builder.fadd(lanes, e.splat(e.load(own, VF.element, 0, 4))))
    columns = e.builder.icmp_signed("<", e.lanes(range(LANES), I64), e.splat(live_rows))
    for token, lanes in enumerate(transposed(e, rows)):
        live = e.builder.icmp_signed("<", e.number(token), live_tokens)
        kind = vector(I16, LANES)
        pointer = e.builder.inttoptr(e.add(y, e.times(stride, token)), kind.as_pointer())
        narrow = e.builder.bitcast(e.builder.fptrunc(lanes, vector(BF16, LANES)), kind)
        e.masked_store(narrow, pointer, e.builder.and_(columns, e.splat(live)))
