"""
The sparse products as PyTorch operators: `torch.compile`, hooks and fake tensors see them like any other.

x is (…, I) of a floating type, y is (…, O) of the same; sums are float32. The weights' tensors are used where they
are: a call copies activations at most. There is no backward: the operators are for inference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from . import bitmask
from .compiled import POOL
from .tiles import WORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

NAMESPACE = "sparsity_report"


def as_input(x: Tensor, multiple: int) -> Tensor:
    """(T, I) float32, contiguous, its columns padded with zeros to a multiple."""
    flat = x.reshape(-1, x.shape[-1])
    missing = -flat.shape[1] % multiple
    if missing:
        flat = torch.nn.functional.pad(flat, (0, missing))
    return flat.to(torch.float32).contiguous()


def address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def bitmask_linear(
    x: Tensor, values: Tensor, mask: Tensor, pointers: Tensor, scales: Tensor | None, bias: Tensor | None
) -> Tensor:
    """x Wᵀ · scales + bias for a bitmask (`formats/bitmask.py`)."""
    rows, words = mask.shape[0], mask.shape[1] // 8
    inputs = as_input(x, WORD)
    count = inputs.shape[0]
    y = inputs.new_empty(count, rows)
    if count and rows:
        if bias is not None:
            bias = bias.to(torch.float32)
        loop = bitmask.choose(str(values.dtype)[6:], count, values.numel() / (rows * words * WORD))
        weights = (values.data_ptr(), mask.data_ptr(), pointers.data_ptr(), address(scales), address(bias))
        POOL.run(loop, *weights, inputs.data_ptr(), y.data_ptr(), rows, words, count, POOL.parts())
    return y.view(*x.shape[:-1], rows).to(x.dtype)


def fake_bitmask_linear(
    x: Tensor, values: Tensor, mask: Tensor, pointers: Tensor, scales: Tensor | None, bias: Tensor | None
) -> Tensor:
    return x.new_empty(*x.shape[:-1], mask.shape[0])


def register(name: str, schema: str, run: Callable[..., Tensor], fake: Callable[..., Tensor]) -> Any:
    """A new operator; `fake` says what comes out without computing it."""
    full = f"{NAMESPACE}::{name}"
    torch.library.define(full, schema)
    torch.library.impl(full, "CPU", run)
    torch.library.register_fake(full, fake)
    return getattr(torch.ops.sparsity_report, name).default


BITMASK = register(
    "bitmask_linear",
    "(Tensor x, Tensor values, Tensor mask, Tensor pointers, Tensor? scales, Tensor? bias) -> Tensor",
    bitmask_linear,
    fake_bitmask_linear,
)
