"""
The products of the targeted layers alone: no bias, no module, no model around them; the variant's own matrices.

A pass multiplies every targeted matrix once, in the order of the model, so that weights are read from where a forward
reads them from and not again and again from the nearest cache. Inputs are random: no product's time depends on them.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..models.anatomy import is_transposed
from .timing import synchronise
from .variant import FormattedLinear

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    Product = Callable[[Tensor], Tensor]

SHORT_S = 0.002
"""Passes that are shorter are repeated and their mean is taken: a clock's own jitter is microseconds."""
MOST_PASSES = 20


@dataclass(frozen=True)
class ProductTimes:
    """Seconds of one pass over the targeted matrices in each round, (R,)."""

    variant: NDArray[np.float64]
    dense: NDArray[np.float64]


def product_of(layer: nn.Module) -> tuple[int, Product]:
    """In_features of a layer, and x (T, I) → x Wᵀ as its format does it."""
    if isinstance(layer, FormattedLinear):
        tensors = dict(layer.named_buffers())
        return layer.shape[1], lambda x: layer.product(tensors, layer.shape, layer.pattern, x, None)
    weight = layer.get_parameter("weight")
    weight_OI = weight.t() if is_transposed(layer) else weight
    return weight_OI.shape[1], partial(_dense, weight_OI)


def _dense(weight_OI: Tensor, x: Tensor) -> Tensor:
    return torch.nn.functional.linear(x, weight_OI)


def one_pass(work: Sequence[tuple[Product, Tensor]], passes: int, device: torch.device) -> float:
    """Mean seconds of a pass."""
    synchronise(device)
    started = time.perf_counter()
    for _ in range(passes):
        for product, x in work:
            product(x)
    synchronise(device)
    return (time.perf_counter() - started) / passes


@torch.inference_mode()
def time_products(
    variant: nn.Module, dense: nn.Module, targets: Sequence[str], tokens: int, rounds: int
) -> ProductTimes:
    """Passes of variant and dense in turn, after one of each that is not counted."""
    first = dense.get_submodule(targets[0]).get_parameter("weight")
    inputs: dict[int, Tensor] = {}
    generator = torch.Generator().manual_seed(0)
    work: list[list[tuple[Product, Tensor]]] = [[], []]
    for place, model in enumerate((variant, dense)):
        for path in targets:
            cols, product = product_of(model.get_submodule(path))
            if cols not in inputs:
                inputs[cols] = torch.randn(tokens, cols, generator=generator).to(first.device, first.dtype)
            work[place].append((product, inputs[cols]))
    passes = [
        min(MOST_PASSES, max(1, math.ceil(SHORT_S / max(one_pass(each, 1, first.device), 1e-9)))) for each in work
    ]
    table = np.array(
        [[one_pass(each, count, first.device) for each, count in zip(work, passes, strict=True)] for _ in range(rounds)]
    )
    return ProductTimes(table[:, 0], table[:, 1])
