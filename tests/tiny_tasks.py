"""Weights, calibration statistics and tasks for pruning methods, small enough to compute by hand or by loops."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import torch

from sparsity_report.contracts import Pattern
from sparsity_report.tasks import Statistics, Task


def inputs_of(cols: int, *, windows: int = 3, length: int = 40, seed: int = 0, dtype=torch.float32):
    """Correlated inputs with means of their own, (N, L, I)."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(cols, cols, generator=generator, dtype=torch.float64) / cols**0.5
    x_NLI = torch.randn(windows, length, cols, generator=generator, dtype=torch.float64) @ mixing
    scale_I = torch.rand(cols, generator=generator, dtype=torch.float64) + 0.2
    return ((x_NLI + 0.5 * torch.randn(cols, generator=generator, dtype=torch.float64)) * scale_I).to(dtype)


def statistics_of(x_NLI: torch.Tensor) -> Statistics:
    """All sums over inputs (N, L, I), in their dtype."""
    x_TI = x_NLI.flatten(0, 1)
    return Statistics(
        tokens=len(x_TI),
        windows=len(x_NLI),
        sq_sum_I=x_TI.square().sum(0),
        sum_I=x_TI.sum(0),
        gram_II=x_TI.T @ x_TI,
    )


def weight_of(rows: int, cols: int, *, seed: int = 0, dtype=torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1000 + seed)
    return torch.randn(rows, cols, generator=generator, dtype=torch.float64).to(dtype)


def task_of(weight_OI: torch.Tensor, x_NLI: torch.Tensor | None = None, **changes: Any) -> Task:
    """
    A task for the weight: half of it (or `sparsity`) is to go, from inputs (random ones if there are none).

    `pattern` may be text; `count` follows from pattern and sparsity unless it is given.
    """
    rows, cols = weight_OI.shape
    dtype = torch.promote_types(weight_OI.dtype, torch.float32)
    x_NLI = inputs_of(cols, dtype=dtype) if x_NLI is None else x_NLI
    pattern = changes.pop("pattern", Pattern())
    pattern = Pattern.parse(pattern) if isinstance(pattern, str) else pattern
    sparsity = None if pattern.is_nm else Decimal(str(changes.pop("sparsity", "0.5")))
    pruned = rows * (cols - pattern.kept(cols)) if pattern.is_nm else int(rows * cols * sparsity)
    generator = torch.Generator().manual_seed(7)
    given = {
        "path": "a",
        "pattern": pattern,
        "count": pruned,
        "sparsity": sparsity,
        "statistics": statistics_of(x_NLI),
        "gradient_OI": torch.randn(rows, cols, generator=generator),
    }
    return Task(**given | changes)


def output_error(weight_OI: torch.Tensor, pruned_OI: torch.Tensor, x_NLI: torch.Tensor) -> float:
    """‖(W − Ŵ)X‖² per window."""
    return float(((weight_OI - pruned_OI) @ x_NLI.flatten(0, 1).T).square().sum() / len(x_NLI))
