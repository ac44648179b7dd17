"""
What the engine hands a pruning method, and what it gets back.

Shapes: O out features, I in features, T calibration tokens. Statistics are of the inputs x (T, I) of one input group
(q, k and v read the same input, so they share one), summed in float32.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from torch import Tensor

    from .contracts import Pattern

STATISTICS = ("sq_sum", "sum", "gram", "gradient")
"""What a method's `NEEDS` may name: Σx² and Σx per in_feature, Σ xxᵀ, and the loss's gradient at the weights."""


@dataclass(frozen=True)
class Statistics:
    """Sums over all calibration tokens. A sum that no method asked for is None."""

    tokens: int
    windows: int
    sq_sum_I: Tensor | None = None
    sum_I: Tensor | None = None
    gram_II: Tensor | None = None

    @property
    def mean_square_I(self) -> Tensor:
        """Mean of x² per in_feature: the same for any number of tokens, so that layers can be compared."""
        if self.gram_II is not None:
            return self.gram_II.diagonal() / self.tokens
        if self.sq_sum_I is None:
            raise ValueError("neither Σx² nor Σxxᵀ was collected")
        return self.sq_sum_I / self.tokens

    @property
    def rms_I(self) -> Tensor:
        """Wanda's ‖x_j‖₂ / √T: its ranks are those of the norm."""
        return self.mean_square_I.sqrt()

    @property
    def mean_I(self) -> Tensor:
        if self.sum_I is None:
            raise ValueError("Σx was not collected")
        return self.sum_I / self.tokens

    @property
    def hessian_II(self) -> Tensor:
        """H = (2/N) Σ xxᵀ over N windows: the unit in which SparseGPT's authors print losses."""
        if self.gram_II is None:
            raise ValueError("Σxxᵀ was not collected")
        return self.gram_II * (2 / self.windows)


@dataclass(frozen=True)
class Task:
    """
    One matrix to prune.

    `count` is how many of its weights go, exactly (N:M implies its own count, and `count` repeats it); `sparsity` is
    what the spec asked for (None with N:M), which only `compat = "reference"` uses. `scope` is "row" where each output
    row competes for itself. `folder` is where relative paths count from.
    """

    path: str
    pattern: Pattern
    count: int
    scope: str = "layer"
    sparsity: Decimal | None = None
    compat: str = "exact"
    seed: int = 0
    statistics: Statistics | None = None
    gradient_OI: Tensor | None = None
    folder: str = ""
    offline: bool = False

    @property
    def inputs(self) -> Statistics:
        """The statistics. Raises ValueError where none were collected: the method's `NEEDS` is wrong."""
        if self.statistics is None:
            raise ValueError(f"{self.path}: no calibration statistics were collected")
        return self.statistics


@dataclass(frozen=True)
class Outcome:
    """
    A pruned matrix: its keep_mask (O, I), True where kept, and the weights where the method changed them.

    `weight_OI` None means: as they were. Pruned positions of `weight_OI` are 0. `loss` is the method's own estimate of
    the layer's error, in the unit of its paper. `fallbacks` counts what did not go as asked, by what it was
    ("dead columns", "Cholesky retries with more damping").
    """

    keep_mask: Tensor
    weight_OI: Tensor | None = None
    loss: float | None = None
    fallbacks: Mapping[str, int] = field(default_factory=dict)
