"""
The sparse products as PyTorch operators: `torch.compile`, hooks and fake tensors see them like any other.

Dispatching takes about as long as one token's product of a small matrix. Where nobody would see the operator, it is not
dispatched but called. There is no backward: the operators are for inference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from .products import bitmask_linear, nm_linear

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

NAMESPACE = "sparsity_report"


def watched(x: Tensor) -> bool:
    """
    Whether anybody would see the operator: a compiler, a tracer, a mode (fake tensors, counters), a profiler, autograd,
    a transformation such as vmap, or x itself, of another class than Tensor.
    """
    return (
        torch.compiler.is_compiling()
        or type(x) is not torch.Tensor
        or torch.is_grad_enabled()
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._functorch.maybe_current_level() is not None
        or torch._C._get_tracing_state() is not None
        or torch._C._autograd._profiler_enabled()
    )


def bitmask(
    x: Tensor, values: Tensor, mask: Tensor, pointers: Tensor, scales: Tensor | None, bias: Tensor | None
) -> Tensor:
    """x Wᵀ · scales + bias for a bitmask (`formats/bitmask.py`)."""
    y: Tensor = (BITMASK if watched(x) else bitmask_linear)(x, values, mask, pointers, scales, bias)
    return y


def nm(
    x: Tensor, values: Tensor, positions: Tensor, scales: Tensor | None, bias: Tensor | None, n: int, m: int
) -> Tensor:
    """x Wᵀ · scales + bias for packed N:M (`formats/nm.py`)."""
    y: Tensor = (NM if watched(x) else nm_linear)(x, values, positions, scales, bias, n, m)
    return y


def fake_bitmask_linear(
    x: Tensor, values: Tensor, mask: Tensor, pointers: Tensor, scales: Tensor | None, bias: Tensor | None
) -> Tensor:
    return x.new_empty(*x.shape[:-1], mask.shape[0])


def fake_nm_linear(
    x: Tensor, values: Tensor, positions: Tensor, scales: Tensor | None, bias: Tensor | None, n: int, m: int
) -> Tensor:
    return x.new_empty(*x.shape[:-1], values.shape[0])


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
NM = register(
    "nm_linear",
    "(Tensor x, Tensor values, Tensor positions, Tensor? scales, Tensor? bias, int n, int m) -> Tensor",
    nm_linear,
    fake_nm_linear,
)
