"""
What differs between instruction sets: spreading packed values over lanes, and picking lanes by index.

Shapes: a vector has 16 lanes of float32 everywhere; LLVM cuts it in two for AVX2, in four for Arm.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from .cpu import instruction_set
from .emit import F16, F32, I1, I8, I16, I32, I64, LANES, VF, VI, Emitter, vector

VALUE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}


def in_register(e: Emitter, value: Any) -> Any:
    """
    Keeps a loaded vector in a register.

    LLVM would fold the load into the expansion, whose memory form takes nearly twice as long on Zen 4. The empty
    assembly only says that the value is needed in a register here.
    """
    kind = ir.FunctionType(value.type, [value.type])
    return e.builder.call(ir.InlineAsm(kind, "", "=v,0", side_effect=False), [value])


def raw(dtype: str, lanes: int = LANES) -> Any:
    """So many values of a type as they lie in memory; bfloat16 as its bits."""
    return vector({"float32": F32, "float16": F16, "int8": I8, "bfloat16": I16}[dtype], lanes)


def widen(e: Emitter, dtype: str, address: Any) -> Any:
    """The next 16 values of a type as float32."""
    return widened(e, dtype, e.load(address, raw(dtype)))


def widened(e: Emitter, dtype: str, values: Any) -> Any:
    """16 values of a type as float32."""
    if dtype == "float32":
        return values
    if dtype == "float16":
        return e.builder.fpext(values, VF)
    if dtype == "int8":
        return e.builder.sitofp(values, VF)
    return e.builder.bitcast(e.builder.shl(e.builder.zext(values, VI), e.same(16, I32)), VF)


def spread_lanes(dtype: str) -> int:
    """Packed values that one instruction spreads: a whole vector of them, where the machine can."""
    wide = "avx512vbmi2" in instruction_set().extensions
    return LANES * 4 // VALUE_BYTES[dtype] if wide else LANES


def spread(e: Emitter, dtype: str, address: Any, bits: Any) -> list[Any]:
    """The next values as float32 over the lanes whose bit is set, 0.0 elsewhere: vectors for `spread_lanes` bits."""
    lanes = spread_lanes(dtype)
    if lanes == LANES:
        return [expand(e, widen(e, dtype, address), bits)]
    integer = vector(I8 if dtype == "int8" else I16, lanes)
    wide = expanded(e, in_register(e, e.load(address, integer)), bits)
    parts = [e.shuffle(wide, wide, range(first, first + LANES)) for first in range(0, lanes, LANES)]
    return [widened(e, dtype, e.builder.bitcast(part, raw(dtype))) for part in parts]


def expanded(e: Emitter, packed: Any, bits: Any) -> Any:
    """Integers of 8 or 16 bits, spread over the lanes whose bit is set; 0 elsewhere."""
    kind = packed.type
    wanted = e.builder.bitcast(bits, vector(I1, kind.count))
    name = f"llvm.x86.avx512.mask.expand.v{kind.count}i{kind.element.width}"
    return e.call(name, kind, packed, e.zero(kind), wanted)


def expand(e: Emitter, packed: Any, bits: Any) -> Any:
    """Spreads the first values of a vector over the lanes whose bit is set; 0.0 elsewhere. `bits` has 16."""
    level = instruction_set().level
    if level == "avx512":
        wanted = e.builder.bitcast(bits, vector(I1, LANES))
        return e.call("llvm.x86.avx512.mask.expand.v16f32", VF, in_register(e, packed), e.zero(VF), wanted)
    if level == "avx2":
        return _expand_by_table(e, packed, bits)
    return _expand_by_counting(e, packed, bits)


def _expand_by_table(e: Emitter, packed: Any, bits: Any) -> Any:
    """Two halves of 8 lanes, each permuted by a row of a table; its numbers are negative where nothing belongs."""
    low = e.builder.trunc(bits, I8)
    first = _eight_by_table(e, e.shuffle(packed, packed, range(8)), low)
    taken = e.builder.trunc(e.count_ones(low), I32)
    positions = e.builder.add(e.lanes(range(8)), e.splat(taken, 8))  # the high half begins after `taken` values
    rest = _eight_of_sixteen(e, packed, positions)
    second = _eight_by_table(e, rest, e.builder.trunc(e.builder.lshr(bits, e.number(8, I16)), I8))
    return e.shuffle(first, second, range(16))


def _eight_of_sixteen(e: Emitter, packed: Any, positions: Any) -> Any:
    """Lanes of 16 by 8 positions below 16; what is beyond is never used."""
    half = vector(F32, 8)
    pick = "llvm.x86.avx2.permps"
    low = e.call(pick, half, e.shuffle(packed, packed, range(8)), positions)
    high = e.call(pick, half, e.shuffle(packed, packed, range(8, 16)), positions)
    return e.builder.select(e.builder.icmp_signed("<", positions, e.same(8, I32, 8)), low, high)


def _eight_by_table(e: Emitter, packed: Any, bits: Any) -> Any:
    row = e.builder.load(e.builder.gep(table(e), [e.number(0), e.builder.zext(bits, I64)]), align=32)
    picked = e.call("llvm.x86.avx2.permps", vector(F32, 8), packed, row)
    return e.builder.select(e.builder.icmp_signed("<", row, e.zero(row.type)), e.zero(picked.type), picked)


def table(e: Emitter) -> Any:
    """For each of 256 masks, which packed value goes into each of 8 lanes; −1: none."""
    name = "sparsity_report_expansion"
    if name in e.builder.module.globals:
        return e.builder.module.globals[name]
    bits = np.arange(256)[:, None] >> np.arange(8) & 1
    rows = np.where(bits, bits.cumsum(1) - 1, -1)
    kind = vector(I32, 8)
    made = ir.GlobalVariable(e.builder.module, ir.ArrayType(kind, 256), name)
    made.initializer = ir.Constant(made.type.pointee, [ir.Constant(kind, row.tolist()) for row in rows])
    made.linkage, made.global_constant, made.align = "internal", True, 32
    return made


def _expand_by_counting(e: Emitter, packed: Any, bits: Any) -> Any:
    """Lane by lane from memory: what every machine can do."""
    source = e.buffer(4 * LANES)
    e.store(packed, source, 0, 64)
    spread, position = e.zero(VF), e.zero(I64)
    for lane in range(LANES):
        here = e.builder.and_(e.builder.lshr(bits, e.number(lane, I16)), e.number(1, I16))
        value = e.load(e.add(source, e.times(position, 4)), F32, 0, 4)
        kept = e.builder.select(e.builder.trunc(here, I1), value, e.zero(F32))
        spread = e.builder.insert_element(spread, kept, e.number(lane, I32))
        position = e.add(position, e.builder.zext(here, I64))
    return spread


def pick_of_two(e: Emitter, low: Any, high: Any, positions: Any) -> Any:
    """Lanes of two vectors by 16 positions below 32; AVX-512 only."""
    return e.call("llvm.x86.avx512.vpermi2var.ps.512", VF, low, positions, high)


def sums(e: Emitter, vectors: list[Any]) -> Any:
    """Up to 16 vectors → one, whose lane k is the sum of vector k: a tree of shuffles and additions."""
    level = [*vectors, *[e.zero(VF)] * (LANES - len(vectors))]
    for distance in (8, 4, 2, 1):
        kept = [lane if not lane & distance else LANES + lane - distance for lane in range(LANES)]
        moved = [lane + distance if not lane & distance else LANES + lane for lane in range(LANES)]
        level = [
            e.builder.fadd(e.shuffle(one, other, kept), e.shuffle(one, other, moved))
            for one, other in zip(level[:distance], level[distance:], strict=True)
        ]
    return level[0]


def transposed(e: Emitter, rows: list[Any]) -> list[Any]:
    """16 vectors of 16 lanes, transposed in registers."""
    rows = list(rows)
    for distance in (8, 4, 2, 1):
        first = [lane if not lane & distance else LANES + lane - distance for lane in range(LANES)]
        second = [lane + distance if not lane & distance else LANES + lane for lane in range(LANES)]
        for row in range(LANES):
            if not row & distance:
                one, other = rows[row], rows[row + distance]
                rows[row], rows[row + distance] = e.shuffle(one, other, first), e.shuffle(one, other, second)
    return rows
