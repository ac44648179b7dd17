"""
Bytes by arithmetic: what a format stores for a model of known shape at any sparsity. Torch-free.

`plan` says so before anything is loaded, and the report draws its break-even curves from it; tests hold it against the
bytes of executed variants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import registry
from .contracts import SCALE_BYTES, Values, own_params
from .counting import group_count
from .results.model import ByteCurve, FormatRecord
from .targeting import module_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from .contracts import FormatChoice, MatrixShape, Pattern, Stage

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
    matrices: Sequence[MatrixShape],
    choice: FormatChoice,
    kept: int,
    value_bytes: int,
    pattern: Pattern,
    permuted: bool = False,
    scaled: bool = False,
) -> dict[str, int]:
    """
    Bytes by component of all targeted matrices, of which `kept` weights are nonzero in total.

    `permuted`: the pattern holds in another order of in_features, which some formats must store. `scaled`: every row
    has a scale.
    """
    module = registry.get("formats", choice.entry)
    params = module.Params.model_validate(choice.params)
    shapes = modules_of(matrices)
    totals: dict[str, int] = {}
    for (rows, cols), count in zip(shapes, shares(kept, [rows * cols for rows, cols in shapes]), strict=True):
        for component, size in module.stored_bytes(rows, cols, count, value_bytes, pattern, params, permuted).items():
            totals[component] = totals.get(component, 0) + size
    return totals | ({"scales": SCALE_BYTES * sum(rows for rows, _ in shapes)} if scaled else {})


def values_of(stages: Sequence[Stage], choice: FormatChoice, dtype: str) -> Values:
    """How a format stores a state's weights; `masked` shows them in the model's own type."""
    quantised = [stage for stage in stages if stage.op == "quantize"]
    if not quantised or choice.entry == "masked":
        return Values(dtype)
    module = registry.get("quantizers", quantised[-1].entry)
    found: Values = module.values(own_params(module, quantised[-1].params))
    return found


def kept_weights(matrices: Sequence[MatrixShape], stages: Sequence[Stage]) -> int:
    """
    Weights that the stages leave nonzero, for `compat = "exact"`.

    Exact for one stage of single weights, N:M, or units of equal size; where units of several sizes compete, the most
    that can be left: less than one unit of each comparison group more than there will be. Of several pruning stages
    the one that leaves least decides, if they do not remove different weights, and rounding may make further zeros.
    """
    whole = sum(matrix.numel for matrix in matrices)
    return min([whole, *(_left_by(matrices, stage) for stage in stages if stage.op == "prune")])


def _left_by(matrices: Sequence[MatrixShape], stage: Stage) -> int:
    if stage.pattern.is_nm:
        return sum(matrix.rows * stage.pattern.kept(matrix.cols) for matrix in matrices)
    if stage.params.get("allocation"):
        numel, spare = sum(matrix.numel for matrix in matrices), 0
        if stage.pattern.unit:  # a unit a matrix: how many weights of each are to go is not known yet
            spare = sum(max(unit_sizes(matrix, stage.pattern)) - 1 for matrix in matrices)
        return min(numel, numel - group_count(matrices, stage.sparsity) + spare)
    return sum(_kept_of(group, stage.pattern, stage.sparsity) for group in competing(matrices, stage.scope))


def competing(matrices: Sequence[MatrixShape], scope: str) -> list[list[MatrixShape]]:
    """Matrices by comparison group; those of scope "row" share their matrix's count."""
    groups: dict[object, list[MatrixShape]] = {}
    for matrix in matrices:
        groups.setdefault({"global": "", "block": matrix.block}.get(scope, matrix.path), []).append(matrix)
    return list(groups.values())


def _kept_of(group: Sequence[MatrixShape], pattern: Pattern, sparsity: Decimal | None) -> int:
    """Weights left of matrices that compete with each other, or the most that can be."""
    numel, count = sum(matrix.numel for matrix in group), group_count(group, sparsity)
    sizes = {size for matrix in group for size in unit_sizes(matrix, pattern)}
    if len(sizes) == 1:
        return numel - count // min(sizes) * min(sizes)
    return numel - max(0, count - max(sizes) + 1)


def unit_sizes(matrix: MatrixShape, pattern: Pattern) -> set[int]:
    """Weights that go together, in every size in which the matrix has them: tiles at an edge are smaller."""
    if not pattern.unit:
        return {1}
    height = {"row": 1, "column": matrix.rows}.get(pattern.unit, pattern.height)
    width = {"row": matrix.cols, "column": 1}.get(pattern.unit, pattern.width)
    heights, widths = (
        {min(unit, side - start) for start in range(0, side, unit)}
        for side, unit in ((matrix.rows, height), (matrix.cols, width))
    )
    return {one * other for one in heights for other in widths}


def break_even(
    matrices: Sequence[MatrixShape],
    choice: FormatChoice,
    value_bytes: int,
    pattern: Pattern,
    values: Values | None = None,
) -> float | None:
    """
    The sparsity above which the format is smaller than dense; None if it never is, 0.0 if it always is.

    Dense has values of `value_bytes`, and so has the format if it has no others (`values`). Bisection on the number of
    kept weights: exact to one weight.
    """
    total = sum(matrix.numel for matrix in matrices)
    dense, own = total * value_bytes, values.bytes if values else value_bytes
    scaled = values is not None and values.scaled

    def fits(kept: int) -> bool:
        return sum(target_bytes(matrices, choice, kept, own, pattern, scaled=scaled).values()) <= dense

    if not fits(0):
        return None
    low, high = 0, total
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return 1 - low / total


def byte_curve(
    matrices: Sequence[MatrixShape],
    choice: FormatChoice,
    label: str,
    value_bytes: int,
    pattern: Pattern,
    permuted: bool = False,
    values: Values | None = None,
) -> ByteCurve:
    """
    Bytes against sparsity in steps of a hundredth; an N:M format is one point, at its own sparsity.

    `values`: of a quantised state; otherwise the format has those of dense, `value_bytes` each.
    """
    total = sum(matrix.numel for matrix in matrices)
    if not pattern.is_nm:
        counts = [total - total * step // (CURVE_POINTS - 1) for step in range(CURVE_POINTS)]
    else:
        counts = [sum(matrix.rows * pattern.kept(matrix.cols) for matrix in matrices)]
    own, scaled = (values.bytes, values.scaled) if values else (value_bytes, False)
    sizes = [sum(target_bytes(matrices, choice, kept, own, pattern, permuted, scaled).values()) for kept in counts]
    return ByteCurve(
        format=FormatRecord(entry=choice.entry, params=choice.params),
        label=label,
        sparsity=tuple(1 - kept / total for kept in counts),
        bytes=tuple(sizes),
        break_even=break_even(matrices, choice, value_bytes, pattern, values) if not pattern.is_nm else None,
        values=str(values or ""),
    )
