"""
Products of random and of trained matrices, against float64, within the error that the arithmetic allows.

`python sparse_products.py WALK` takes a walk in a process whose environment chooses the instruction set; with
"guarded", every tensor lies directly beside pages that must not be touched.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from itertools import product
from typing import TYPE_CHECKING, NamedTuple
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


class Walk(NamedTuple):
    """Numbers of tokens: for a bitmask and 2:4 those of each type, and for other patterns, which share loops."""

    types: dict[torch.dtype, Sequence[int]]
    others: Sequence[int]


WALKS = {
    "all": Walk(dict.fromkeys(UNIT, TOKENS), TOKENS),
    "some": Walk({torch.float32: TOKENS, torch.bfloat16: [1, 2, 5, 33, 64], torch.float16: [5, 8]}, [1, 3, 8, 32, 130]),
    "few": Walk({torch.float32: [1, 6, 33], torch.bfloat16: [8]}, [1, 6, 33]),
    "few of each": Walk({values: [1, 6, 33, 70] for values in UNIT}, [1, 6, 33]),
}
"""
Compiling is what takes time: one loop for each type and number of tokens of a tile, and for each N and M.

How values are read does not depend on the number of tokens, nor the other way round: "some" has every type, every
pattern and every number of tokens, but not each with each; "few" is enough for another instruction set.
"""


def cases(name: str, patterns: tuple[str, ...], seed: int, walk: Walk) -> int:
    """A seeded walk over shapes, sparsities, types, tokens and biases; the number of products."""
    done = 0
    for number, (shape, pattern) in enumerate(product(SHAPES, map(Pattern.parse, patterns))):
        types = walk.types if str(pattern) in ("2:4", "unstructured") else {torch.float32: walk.others}
        for values, step, tokens in ((each, *at) for each, counts in types.items() for at in enumerate(counts)):
            at = number + step + seed
            weight = sparse_weight(shape, pattern, SPARSITIES[at % len(SPARSITIES)], at).to(values)
            generator = torch.Generator().manual_seed(at)
            x = torch.randn(tokens, shape[1], generator=generator)
            bias = torch.randn(shape[0], generator=generator) if (at + step) % 3 else None
            check(name, pattern, weight, x, bias)
            if values is torch.bfloat16:  # pairs of bfloat16 have loops of their own
                check(name, pattern, weight, x.to(values), None if bias is None else bias.to(values))
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


def guarded_cases(name: str, patterns: tuple[str, ...], walk: Walk) -> int:
    """The same of shapes whose rows end within words and at their ends."""
    done = 0
    for shape, pattern in product([(1, 64), (16, 64), (17, 65), (24, 192)], map(Pattern.parse, patterns)):
        types = walk.types if str(pattern) in ("2:4", "unstructured") else {torch.float32: walk.others}
        for values, tokens in ((each, tokens) for each, counts in types.items() for tokens in counts):
            weight = sparse_weight(shape, pattern, 0.5 if tokens % 2 else 0.99, tokens).to(values)
            for inputs in {torch.float32, values}:
                check_guarded(name, pattern, weight, torch.ones(tokens, shape[1], dtype=inputs))
                done += 1
    return done


PATTERNS = {"bitmask": ("unstructured",), "nm": ("2:4", "4:8", "8:16", "1:2", "1:4", "3:7", "5:16", "2:100")}

if __name__ == "__main__":
    walk, guards = WALKS[sys.argv[1]], sys.argv[2:] == ["guarded"]
    torch.set_num_threads(3)
    count = sum(
        guarded_cases(name, patterns, walk) if guards else cases(name, patterns, 0, walk)
        for name, patterns in PATTERNS.items()
    )
    sys.stdout.write(f"{count} {'guarded ' if guards else ''}products on {instruction_set().level}\n")
    sys.stdout.write(f"PyTorch has {torch.get_num_threads()} threads\n")
