"""
Bytes by arithmetic: what a format stores for a model of known shape at any sparsity. Torch-free.

`plan` says so before anything is loaded, and the report draws its break-even curves from it; tests hold it against the
bytes of executed variants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import registry
from .results.model import ByteCurve, FormatRecord
from .targeting import module_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from .contracts import FormatChoice, MatrixShape, Pattern, Stage

VALUE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
CURVE_POINTS = 101


def modules_of(matrices: Sequence[MatrixShape]) -> list[tuple[int, int]]:
    """
    (out, in) of the modules that hold the matrices: slices of a fused projection are stored together.

    The slices "…query_key_value:q", ":k", ":v" are one module with the rows of all three.
    """
    shapes: dict[str, tuple[int, int]] = {}
    for matrix in matrices:
        module = module_of(matrix)
        rows = shapes.get(module, (0, 0))[0]
        shapes[module] = (rows + matrix.rows, matrix.cols)
    return list(shapes.values())


def shares(total: int, parts: Sequence[int]) -> list[int]:
    """`total` split over parts of the given capacities, in proportion, exact in sum."""
    whole, given, result = sum(parts), 0, []
    seen = 0
    for part in parts:
        seen += part
        result.append(total * seen // whole - given)
        given += result[-1]
    return result


def target_bytes(
    matrices: Sequence[MatrixShape], choice: FormatChoice, kept: int, value_bytes: int, pattern: Pattern
) -> dict[str, int]:
    """Bytes by component of all targeted matrices, of which `kept` weights are nonzero in total."""
    module = registry.get("formats", choice.entry)
    params = module.Params.model_validate(choice.params)
    shapes = modules_of(matrices)
    totals: dict[str, int] = {}
    for (rows, cols), count in zip(shapes, shares(kept, [rows * cols for rows, cols in shapes]), strict=True):
        for component, size in module.stored_bytes(rows, cols, count, value_bytes, pattern, params).items():
            totals[component] = totals.get(component, 0) + size
    return totals


def kept_weights(matrices: Sequence[MatrixShape], stages: Sequence[Stage]) -> int:
    """Weights that the last stage's counts leave nonzero: exact for `compat = "exact"`."""
    total = sum(matrix.numel for matrix in matrices)
    if not stages:
        return total
    stage = stages[-1]
    if stage.pattern.is_nm:
        return sum(matrix.rows * stage.pattern.kept(matrix.cols) for matrix in matrices)
    if stage.scope == "global":
        return total - _floor(total, stage.sparsity)
    return total - sum(_floor(matrix.numel, stage.sparsity) for matrix in matrices)


def _floor(numel: int, sparsity: Decimal | None) -> int:
    return int(numel * (sparsity or 0))


def break_even(
    matrices: Sequence[MatrixShape], choice: FormatChoice, value_bytes: int, pattern: Pattern
) -> float | None:
    """
    The sparsity above which the format is smaller than dense; None if it never is, 0.0 if it always is.

    Bisection on the number of kept weights: exact to one weight.
    """
    total = sum(matrix.numel for matrix in matrices)
    dense = total * value_bytes

    def fits(kept: int) -> bool:
        return sum(target_bytes(matrices, choice, kept, value_bytes, pattern).values()) <= dense

    if not fits(0):
        return None
    low, high = 0, total
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return 1 - low / total


def byte_curve(
    matrices: Sequence[MatrixShape], choice: FormatChoice, label: str, value_bytes: int, pattern: Pattern
) -> ByteCurve:
    """Bytes against sparsity in steps of a hundredth; an N:M format is one point, at its own sparsity."""
    total = sum(matrix.numel for matrix in matrices)
    if not pattern.is_nm:
        counts = [total - total * step // (CURVE_POINTS - 1) for step in range(CURVE_POINTS)]
    else:
        counts = [sum(matrix.rows * pattern.kept(matrix.cols) for matrix in matrices)]
    sizes = [sum(target_bytes(matrices, choice, kept, value_bytes, pattern).values()) for kept in counts]
    return ByteCurve(
        format=FormatRecord(entry=choice.entry, params=choice.params),
        label=label,
        sparsity=tuple(1 - kept / total for kept in counts),
        bytes=tuple(sizes),
        break_even=break_even(matrices, choice, value_bytes, pattern) if not pattern.is_nm else None,
    )
