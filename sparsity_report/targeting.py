"""Which matrices a spec's target names; the same rule for `plan`, which has shapes, and `run`, which has weights."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .contracts import MatrixShape
    from .spec.model import Target


def is_targeted(matrix: MatrixShape, target: Target) -> bool:
    """In one of the groups, matched by an include glob and by no exclude glob."""

    def matches(globs: Iterable[str]) -> bool:
        return any(fnmatch.fnmatchcase(matrix.path, glob) for glob in globs)

    return matrix.group in target.groups and matches(target.include) and not matches(target.exclude)
