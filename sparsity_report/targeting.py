"""Which matrices a spec's target names; the same rule for `plan`, which has shapes, and `run`, which has weights."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

from .errors import Problem, SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .contracts import MatrixShape
    from .spec.model import Target


def is_targeted(matrix: MatrixShape, target: Target) -> bool:
    """In one of the groups, matched by an include glob and by no exclude glob."""

    def matches(globs: Iterable[str]) -> bool:
        return any(fnmatch.fnmatchcase(matrix.path, glob) for glob in globs)

    return matrix.group in target.groups and matches(target.include) and not matches(target.exclude)


def module_of(matrix: MatrixShape) -> str:
    """The module that holds the matrix: slices of a fused projection ("…query_key_value:q") share one."""
    return matrix.path.partition(":")[0]


def targeted_shapes(matrices: Sequence[MatrixShape], target: Target) -> tuple[MatrixShape, ...]:
    """
    The matrices that the target names, in the model's order.

    Raises SpecError where nothing matches, where a named group is not made of linear maps, and where only a part of a
    fused projection is named: a format stores the whole module.
    """
    chosen = tuple(matrix for matrix in matrices if is_targeted(matrix, target))
    problems = [
        Problem("target.groups", f"{group!r} is not made of linear maps: it cannot be pruned")
        for group in ("embedding", "norm")
        if group in target.groups
    ]
    modules, paths = {module_of(matrix) for matrix in chosen}, {matrix.path for matrix in chosen}
    left = [matrix for matrix in matrices if module_of(matrix) in modules and matrix.path not in paths]
    if left:
        problems.append(
            Problem(
                "target",
                f"names a part of the fused projection {module_of(left[0])} and leaves out {left[0].path}",
                hint="name all of its slices, or none",
            )
        )
    if not chosen and not problems:
        known = ", ".join(matrix.path for matrix in matrices[:8])
        problems.append(Problem("target", "matches no matrix of the model", hint=f"its matrices: {known}, …"))
    if problems:
        raise SpecError(*problems)
    return chosen
