"""
How many weights go: exact counts in decimal arithmetic, known before any score is. Torch-free.

k = ⌊n·s⌋ of a comparison group. Where an allocation gives every matrix its own share, the counts still add up to
exactly ⌊N·s⌋ of all of them.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

from .errors import Problem, SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .contracts import MatrixShape, Pattern

BISECTIONS = 100
"""Halvings of the common offset of all shares: more than a float has bits."""


def prune_count(numel: int, sparsity: Decimal) -> int:
    """k = ⌊n·s⌋ in decimal arithmetic: 100 · 0.29 is 29, where binary floats say 28.999…"""
    return int((numel * sparsity).to_integral_value(ROUND_FLOOR))


def group_count(shapes: Sequence[MatrixShape], sparsity: Decimal | None) -> int:
    """Weights to prune of matrices that compete with each other: ⌊N·s⌋ of all together; N:M implies its own (0)."""
    return 0 if sparsity is None else prune_count(sum(shape.numel for shape in shapes), sparsity)


def matrix_counts(
    shapes: Sequence[MatrixShape],
    pattern: Pattern,
    sparsity: Decimal | None,
    wanted: Mapping[str, float] | None = None,
    bounds: tuple[float, float] = (0.0, 0.99),
) -> dict[str, int]:
    """
    Weights to prune, by matrix path: the pattern's own (N:M), ⌊n·s⌋ each, or as an allocation wants them.

    `wanted` shares are shifted by one common offset and cut at the bounds until they add up to ⌊N·s⌋; shares that do
    already, and are of whole weights, stay as they are. Raises SpecError when the bounds leave no way to do that.
    """
    if pattern.is_nm:
        return {shape.path: shape.rows * (shape.cols - pattern.kept(shape.cols)) for shape in shapes}
    if sparsity is None:  # the method brings its own masks
        return {shape.path: 0 for shape in shapes}
    if wanted is None:
        return {shape.path: prune_count(shape.numel, sparsity) for shape in shapes}
    return shifted_counts(shapes, wanted, group_count(shapes, sparsity), bounds)


def limits(numel: int, bounds: tuple[float, float]) -> tuple[int, int]:
    """The least and the most weights of a matrix that may go; where no whole number is within the bounds, the lower."""
    lowest, highest = (Decimal(str(bound)) * numel for bound in bounds)
    most = int(highest.to_integral_value(ROUND_FLOOR))
    return min(int(lowest.to_integral_value(ROUND_CEILING)), most), most


def shifted_counts(
    shapes: Sequence[MatrixShape], wanted: Mapping[str, float], total: int, bounds: tuple[float, float]
) -> dict[str, int]:
    """Counts of sum `total`, each within its bounds: the shares plus one offset, then by largest remainder."""
    within = {shape.path: limits(shape.numel, bounds) for shape in shapes}
    least, most = sum(low for low, _ in within.values()), sum(high for _, high in within.values())
    if not least <= total <= most:
        size = sum(shape.numel for shape in shapes)
        reachable = f"{least / size:.4g} to {most / size:.4g}"
        message = f"the bounds of the allocation allow sparsities of {reachable}, and {total / size:.4g} is asked for"
        raise SpecError(Problem("variant.params", message, hint="widen minimum and maximum"))

    def shares(offset: float) -> dict[str, float]:
        moved = {shape.path: (wanted[shape.path] + offset) * shape.numel for shape in shapes}
        return {path: min(max(share, within[path][0]), within[path][1]) for path, share in moved.items()}

    low, high = -max(wanted.values()), 1 - min(wanted.values())
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(shares(middle).values()) <= total else (low, middle)
    exact = shares(low)
    counts = {path: int(share) for path, share in exact.items()}
    by_remainder = sorted(counts, key=lambda path: counts[path] - exact[path])
    missing = total - sum(counts.values())
    while missing > 0:  # one round, unless a matrix is full: those with the largest remainders get one more
        for path in by_remainder:
            if missing and counts[path] < within[path][1]:
                counts[path] += 1
                missing -= 1
    return counts


def refuses(pattern: Pattern, scope: str) -> str:
    """Why a pattern and a scope make no sense together, or ""."""
    if scope == "row" and pattern.unit in ("row", "column"):
        return f'pattern "{pattern}" removes whole {pattern}s: with scope "row" there is nothing to choose from'
    return ""
