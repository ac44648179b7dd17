"""
Which instructions the loops may use: those that Numba compiles for on this machine, or fewer by request.

`SPARSITY_REPORT_ISA=portable|avx2|avx512` asks for fewer; asking for more than the machine has changes nothing.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from ..errors import UsageError

VARIABLE = "SPARSITY_REPORT_ISA"
LEVELS = {
    "portable": frozenset[str](),
    "avx2": frozenset({"avx2", "fma", "f16c"}),
    "avx512": frozenset({"avx512f", "avx512bw", "avx512vl"}),
}
"""Levels in order, and what each needs."""
EXTENSIONS = ("avx512vbmi2", "avx512bf16", "avx512vnni")
"""What some machines with AVX-512 have beside; each loop that wants one asks for it."""


@dataclass(frozen=True)
class InstructionSet:
    """A level, and the extensions of it that are there."""

    level: str
    extensions: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return " + ".join([self.level, *sorted(each.removeprefix("avx512") for each in self.extensions)])


def of_features(features: frozenset[str], asked: str = "") -> InstructionSet:
    """The best level that the features allow, and at most the one that is asked for."""
    if asked and asked not in LEVELS:
        raise UsageError(f"{VARIABLE}={asked!r}: there is {', '.join(LEVELS)}")
    known = list(LEVELS)
    level = max(
        (name for name in known[: known.index(asked) + 1 if asked else None] if LEVELS[name] <= features),
        key=known.index,
    )
    return InstructionSet(level, features & frozenset(EXTENSIONS) if level == "avx512" else frozenset())


def compiled_features() -> frozenset[str]:
    """Features of the processor that Numba compiles for, as LLVM names them."""
    from numba.core.registry import cpu_target

    triple, _, features = cpu_target.target_context.codegen().magic_tuple()
    on = frozenset(each[1:] for each in features.split(",") if each.startswith("+"))
    return on if triple.startswith("x86_64") else frozenset()


@cache
def instruction_set() -> InstructionSet:
    """The instruction set of this process."""
    return of_features(compiled_features(), os.environ.get(VARIABLE, ""))


@cache
def fingerprint() -> str:
    """Changes whenever the machine code would: by this package's loops, Numba, the processor and the level."""
    from numba.core.registry import cpu_target

    parts = [file.read_text(encoding="utf-8") for file in sorted(Path(__file__).parent.glob("*.py"))]
    parts += [metadata.version("numba"), metadata.version("llvmlite"), str(instruction_set())]
    parts += [str(each) for each in cpu_target.target_context.codegen().magic_tuple()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
