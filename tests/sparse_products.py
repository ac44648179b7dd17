"""
Products of random and of trained matrices, against float64, within the error that the arithmetic allows.

`python sparse_products.py` runs them all, in a process whose environment chooses the instruction set; with "guarded",
every tensor lies directly beside pages that must not be touched.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from itertools import product
from typing import TYPE_CHECKING
from unittest.mock import patch

import torch

from sparsity_report import registry
from sparsity_report.contracts import Pattern
from sparsity_report.kernels import products as loops
from sparsity_report.kernels.cpu import instruction_set
from sparsity_report.selection import nm_mask

if TYPE_CHECKING:
    from collections.abc import Sequence

UNIT = {torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
"""Unit roundoff."""
SHAPES = [(1, 1), (3, 5), (16, 64), (17, 65), (40, 129), (96, 384)]
TOKENS = [1, 2, 3, 5, 8, 13, 32, 33, 64, 130]
SPARSITIES = [0.0, 0.3, 0.5, 0.9, 0.99, 1.0]


def sparse_weight(shape: tuple[int, int], pattern: Pattern, sparsity: float, seed: int) -> torch.Tensor:
    """Random weights with a full and an empty row, where the pattern allows them."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(shape, generator=generator)
    if pattern.is_nm:
        return weight * nm_mask(weight.abs(), pattern) + 0.0
    kept = torch.rand(shape, generator=generator) >= sparsity
    kept[0] = True
    kept[-1] = sparsity == 0
    return weight * kept + 0.0


def bound(weight: torch.Tensor, x: torch.Tensor, bias: torch.Tensor | None, rounds: torch.dtype) -> torch.Tensor:
    """
    Largest error of y = x Wᵀ + b with sums in float32 in any order, and y rounded to its type.

    n products and n additions in float32 err by at most n·u/(1 − n·u) of Σ |w x| + |b| (Higham, 2002, 3.1).
    """
    magnitude = x.double().abs() @ weight.double().abs().T + (0 if bias is None else bias.double().abs())
    steps = (weight.shape[1] + 2) * UNIT[torch.float32]
    return magnitude * (steps / (1 - steps) + (UNIT[rounds] if rounds is not torch.float32 else 0)) + 1e-30


def check(name: str, pattern: Pattern, weight: torch.Tensor, x: torch.Tensor, bias: torch.Tensor | None) -> None:
    """One product against float64. Raises AssertionError."""
    module, shape = registry.get("formats", name), tuple(weight.shape)
    tensors = module.encode(weight, pattern, module.Params())
    y = module.apply(tensors, shape, pattern, x, bias)
    expected = x.double() @ weight.double().T + (0 if bias is None else bias.double())
    assert expected.shape == y.shape
    assert x.dtype is y.dtype
    excess = (y.double() - expected).abs() - bound(weight, x, bias, x.dtype)
    assert not (excess > 0).any(), (name, str(pattern), shape, tuple(x.shape), weight.dtype, float(excess.max()))


TYPES = (torch.float32, torch.bfloat16, torch.float16)
FEW_LOOPS = [1, 6, 8, 33, 70]
"""Numbers of tokens that need three loops compiled rather than all."""


def cases(name: str, patterns: tuple[str, ...], seed: int = 0, counts: Sequence[int] = TOKENS) -> int:
    """A seeded walk over shapes, sparsities, types, tokens and biases; the number of products."""
    done = 0
    for number, (shape, pattern) in enumerate(product(SHAPES, map(Pattern.parse, patterns))):
        for step, tokens in enumerate(counts):
            at = number + step + seed
            weight = sparse_weight(shape, pattern, SPARSITIES[at % len(SPARSITIES)], at)
            generator = torch.Generator().manual_seed(at)
            x = torch.randn(tokens, shape[1], generator=generator)
            bias = torch.randn(shape[0], generator=generator) if at % 3 else None
            several = str(pattern) in ("2:4", "unstructured")  # others share the loops, and each type is compiled
            values = TYPES[at % (len(TYPES) if counts is TOKENS else 2)] if several else torch.float32
            check(name, pattern, weight.to(values), x, bias)
            if values is torch.bfloat16:  # pairs of bfloat16 have loops of their own
                check(name, pattern, weight.to(values), x.to(values), None if bias is None else bias.to(values))
            done += 1
    return done


def guarded(tensor: torch.Tensor, at_the_end: bool) -> torch.Tensor:
    """A copy that ends, or begins, where a page without access begins, or ends."""
    size = -(-max(tensor.nbytes, 1) // mmap.PAGESIZE) * mmap.PAGESIZE
    pages = mmap.mmap(-1, size + 2 * mmap.PAGESIZE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    for guard in (start, start + mmap.PAGESIZE + size):
        assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(guard), mmap.PAGESIZE, 0) == 0
    if tensor.numel() == 0:
        return tensor
    offset = mmap.PAGESIZE + (size - tensor.nbytes if at_the_end else 0)
    copy = torch.frombuffer(pages, dtype=tensor.dtype, count=tensor.numel(), offset=offset).view(tensor.shape)
    return copy.copy_(tensor)


def check_guarded(name: str, pattern: Pattern, weight: torch.Tensor, x: torch.Tensor) -> None:
    """One product whose weights, input, bias and result all lie beside guards."""
    module, shape = registry.get("formats", name), tuple(weight.shape)
    bias = torch.ones(shape[0], dtype=x.dtype)
    for at_the_end in (True, False):
        tensors = {
            component: guarded(tensor, at_the_end)
            for component, tensor in module.encode(weight, pattern, module.Params()).items()
        }

        def output_for(
            x: torch.Tensor, rows: int, dtype: torch.dtype = torch.float32, at_the_end: bool = at_the_end
        ) -> torch.Tensor:
            return guarded(torch.full((*x.shape[:-1], rows), torch.nan, dtype=dtype), at_the_end)

        with patch.object(loops, "output_for", output_for):
            y = module.apply(tensors, shape, pattern, guarded(x, at_the_end), guarded(bias, at_the_end))
        expected = x.double() @ weight.double().T + 1
        assert ((y.double() - expected).abs() <= bound(weight, x, bias, x.dtype)).all()


def guarded_cases(name: str, patterns: tuple[str, ...]) -> int:
    done = 0
    for shape, text, tokens in product([(1, 64), (16, 64), (17, 65), (24, 192)], patterns, [1, 2, 4, 8, 16, 33, 64]):
        pattern = Pattern.parse(text)
        for sparsity, values in ((0.5, torch.float32), (0.99, torch.bfloat16)):
            weight = sparse_weight(shape, pattern, sparsity, tokens).to(values)
            for inputs in {torch.float32, values}:
                check_guarded(name, pattern, weight, torch.ones(tokens, shape[1], dtype=inputs))
                done += 1
    return done


PATTERNS = {"bitmask": ("unstructured",), "nm": ("2:4", "4:8", "8:16", "1:2", "1:4", "3:7", "5:16", "2:100")}

if __name__ == "__main__":
    guards = sys.argv[1:] == ["guarded"]
    count = sum(
        guarded_cases(name, patterns) if guards else cases(name, patterns, counts=FEW_LOOPS)
        for name, patterns in PATTERNS.items()
    )
    sys.stdout.write(f"{count} {'guarded ' if guards else ''}products on {instruction_set().level}\n")
