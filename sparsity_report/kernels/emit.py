"""
LLVM from Python: intrinsics over addresses and counts.

An intrinsic takes integers only: leading ones are known when its caller is compiled (a type of value, the size of a
tile), all others are addresses in bytes and counts, 64 bits wide. Whoever passes an address keeps its array alive.

LLVM assumes natural alignment, 64 bytes for a vector, unless told otherwise: every load and store here says 1 byte or
what its caller knows. Variables are stack slots that LLVM turns into registers.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
F16, F32 = ir.HalfType(), ir.FloatType()
LANES = 16
"""Lanes of every vector of floats; LLVM cuts them into what the machine has."""
VF, VI = ir.VectorType(F32, LANES), ir.VectorType(I32, LANES)


class _BFloat(ir.types._BaseFloatType):  # type: ignore[misc]  # llvmlite has no name for LLVM's bfloat
    null = "0.0"
    intrinsic_name = "bf16"

    def __str__(self) -> str:
        return "bfloat"

    def format_constant(self, value: float) -> str:
        raise NotImplementedError


_BFloat._create_instance()
BF16 = _BFloat()


def vector(element: Any, lanes: int) -> Any:
    return ir.VectorType(element, lanes)


def intrinsic_of(known: int = 0) -> Callable[[Callable[..., Any]], Any]:
    """
    An intrinsic from `emit(e, *known, *runtime)`, which emits LLVM and returns a 64-bit value or None (0).

    The first `known` arguments of a call must be constants where the call is compiled.
    """

    def decorate(emit: Callable[..., Any]) -> Any:
        def typed(typingctx: Any, *arguments: Any) -> Any:
            constants = [each.literal_value for each in arguments[:known]]

            def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
                result = emit(Emitter(builder), *constants, *values[known:])
                return ir.Constant(I64, 0) if result is None else result

            return types.int64(*arguments[:known], *[types.int64] * (len(arguments) - known)), generate

        # Numba cannot lower *arguments: a function with the emitter's own names stands before it.
        names = ", ".join(["typingctx", *list(inspect.signature(emit).parameters)[1:]])
        return intrinsic(prefer_literal=True)(eval(f"lambda {names}: typed({names})", {"typed": typed}))

    return decorate


class Emitter:
    """LLVM's builder with short names for what the loops do."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    # constants

    def number(self, value: float, kind: Any = I64) -> Any:
        return ir.Constant(kind, value)

    def zero(self, kind: Any) -> Any:
        return ir.Constant(kind, None)

    def lanes(self, values: Sequence[int], kind: Any = I32) -> Any:
        """A vector of known numbers."""
        return ir.Constant(vector(kind, len(values)), list(values))

    def same(self, value: float, kind: Any, lanes: int = LANES) -> Any:
        """A known number in all lanes."""
        return ir.Constant(vector(kind, lanes), [value] * lanes)

    # addresses

    def add(self, left: Any, right: Any) -> Any:
        if isinstance(right, int):
            return left if right == 0 else self.builder.add(left, self.number(right))
        return self.builder.add(left, right)

    def times(self, left: Any, right: Any) -> Any:
        return self.builder.mul(left, self.number(right) if isinstance(right, int) else right)

    def load(self, address: Any, kind: Any, offset: int = 0, align: int = 1) -> Any:
        pointer = self.builder.inttoptr(self.add(address, offset), kind.as_pointer())
        return self.builder.load(pointer, align=align)

    def store(self, value: Any, address: Any, offset: int = 0, align: int = 1) -> None:
        pointer = self.builder.inttoptr(self.add(address, offset), value.type.as_pointer())
        self.builder.store(value, pointer, align=align)

    def masked_store(self, value: Any, pointer: Any, wanted: Any) -> None:
        """Stores the wanted lanes; memory of the others is not touched."""
        kind = ir.FunctionType(ir.VoidType(), [value.type, pointer.type, I32, wanted.type])
        element = value.type.element
        name = f"llvm.masked.store.v{value.type.count}{'f32' if element == F32 else f'i{element.width}'}.p0"
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        self.builder.call(function, [value, pointer, self.number(1, I32), wanted])

    def prefetch(self, address: Any, ahead: Any, nearness: int = 3) -> None:
        """
        Asks for the line `ahead` bytes further on; an address that is not there does no harm.

        `nearness`: 3 for the first cache, 2 for the second.
        """
        pointer = self.builder.inttoptr(self.add(address, ahead), I8.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [I8.as_pointer(), I32, I32, I32])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        self.builder.call(function, [pointer, *(self.number(each, I32) for each in (0, nearness, 1))])

    # variables and control

    def variable(self, value: Any) -> Any:
        """A variable; set anew wherever this stands, so also in every turn of a loop around it."""
        slot = cgutils.alloca_once(self.builder, value.type)
        self.builder.store(value, slot)
        return slot

    def get(self, slot: Any) -> Any:
        return self.builder.load(slot)

    def set(self, slot: Any, value: Any) -> None:
        self.builder.store(value, slot)

    def buffer(self, size: int) -> Any:
        """Address of so many bytes on the stack, aligned to 64."""
        slot = cgutils.alloca_once(self.builder, ir.ArrayType(I8, size))
        slot.align = 64
        return self.builder.ptrtoint(slot, I64)

    def loop(self, count: Any) -> AbstractContextManager[Any]:
        turns: AbstractContextManager[Any] = cgutils.for_range(
            self.builder, self.number(count) if isinstance(count, int) else count
        )
        return turns

    def smaller(self, left: Any, right: Any) -> Any:
        return self.builder.select(self.builder.icmp_signed("<", left, right), left, right)

    # arithmetic

    def call(self, name: str, returns: Any, *arguments: Any, **options: Any) -> Any:
        """Calls an intrinsic of LLVM."""
        kind = ir.FunctionType(returns, [each.type for each in arguments])
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, arguments, **options)

    def count_ones(self, bits: Any) -> Any:
        """Set bits of an integer, as 64 bits."""
        counted = self.call(f"llvm.ctpop.i{bits.type.width}", bits.type, bits)
        return counted if bits.type.width == 64 else self.builder.zext(counted, I64)

    def bits_at(self, bits: Any, first: int, count: int) -> Any:
        """So many bits of an integer, from the first on, as an integer of that width."""
        shifted = self.builder.lshr(bits, ir.Constant(bits.type, first)) if first else bits
        return shifted if count == bits.type.width else self.builder.trunc(shifted, ir.IntType(count))

    def splat(self, value: Any, lanes: int = LANES) -> Any:
        """A value in all lanes."""
        nothing = ir.Constant(vector(value.type, lanes), ir.Undefined)
        first = self.builder.insert_element(nothing, value, self.number(0, I32))
        return self.builder.shuffle_vector(first, nothing, self.lanes([0] * lanes))

    def shuffle(self, left: Any, right: Any, order: Sequence[int]) -> Any:
        return self.builder.shuffle_vector(left, right, self.lanes(order))

    def multiply_add(self, one: Any, other: Any, total: Any) -> Any:
        """one · other + total, fused where the machine can."""
        kind = f"v{one.type.count}f32" if isinstance(one.type, ir.VectorType) else "f32"
        return self.call(f"llvm.fmuladd.{kind}", one.type, one, other, total)
