"""
float32 products through oneDNN.

PyTorch sends float32 products on a CPU to its BLAS, which reaches half of oneDNN's speed on processors that the BLAS
was not tuned for. Both sum the same products in float32, in another order. Used where the product is a means (the walk
of calibration), never where PyTorch's own product is what is measured.

Shapes: T tokens, I in features, O out features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor


def serves(*operands: Tensor) -> bool:
    """Whether oneDNN takes these: plain float32 on a CPU, not empty, no gradient wanted."""
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # PyTorch has no types for it
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and not torch.is_grad_enabled()
        and all(each.dtype == torch.float32 and each.device.type == "cpu" and each.numel() for each in operands)
    )


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x·Wᵀ + b of an input (…, I) and a weight (O, I): `torch.nn.functional.linear`, through oneDNN where it serves."""
    if input.dim() < 2 or not serves(input, weight):
        return functional.linear(input, weight, bias)
    product: Tensor = torch.ops.mkldnn._linear_pointwise(input, weight, bias, "none", [], "")
    return product


class Linears(TorchFunctionMode):
    """A context in which every `torch.nn.functional.linear`, whosever layer calls it, goes through `linear`."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is functional.linear:
            return linear(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))
