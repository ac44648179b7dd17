"""Sparsities by hand: what the spec names has exactly its share, and everything else makes up the total."""

from __future__ import annotations

import fnmatch
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from ..contracts import Info
from ..counting import group_count, prune_count
from ..errors import Problem, SpecError
from . import Bounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..contracts import MatrixShape
    from . import Evidence

INFO = Info(
    name="manual",
    summary="named groups or matrices have their own sparsity, all others share what is left",
    equation=r"s_m = g_m \;\; (m \in G) , \qquad"
    r" s_m = \dfrac{s N - \sum_{k \in G} g_k n_k}{N - \sum_{k \in G} n_k} \;\; (m \notin G)",
    spoken="a named matrix has its given sparsity; the others share the weights that are left to remove",
    cite="gale2019state",
)
NEEDS: tuple[str, ...] = ()
WHERE = "variant.params.manual.sparsity"


class Params(Bounded):
    """
    `sparsity` by group ("mlp_linear") or by glob on paths ("*.fc2"); the first name that matches a matrix counts.

    Named sparsities lie within the bounds too.
    """

    sparsity: dict[str, Annotated[float, Field(ge=0, lt=1)]] = Field(min_length=1)

    @model_validator(mode="after")
    def _within_bounds(self) -> Params:
        for name, value in self.sparsity.items():
            if not self.minimum <= value <= self.maximum:
                raise ValueError(
                    f"{name!r} = {value:g} is outside of the bounds {self.minimum:g} to {self.maximum:g}: "
                    "set minimum or maximum as well"
                )
        return self


def means(name: str, shape: MatrixShape) -> bool:
    """Whether a name of the spec means this matrix."""
    return name == shape.group or fnmatch.fnmatchcase(shape.path, name)


def named_counts(shapes: Sequence[MatrixShape], params: Params) -> dict[str, int]:
    """⌊n·g⌋ of every named matrix. Raises SpecError for a name that means none."""
    for name in params.sparsity:
        if not any(means(name, shape) for shape in shapes):
            message = f"{name!r} is no group and no glob of a targeted matrix"
            hint = f"such as {shapes[0].group!r} or {shapes[0].path!r}"
            raise SpecError(Problem(WHERE, message, hint=hint))
    given = {
        shape: next((value for name, value in params.sparsity.items() if means(name, shape)), None) for shape in shapes
    }
    return {
        shape.path: prune_count(shape.numel, Decimal(str(value))) for shape, value in given.items() if value is not None
    }


def allocate(shapes: Sequence[MatrixShape], sparsity: Decimal, evidence: Evidence, params: Params) -> dict[str, float]:
    """
    Shares whose counts need no correction: whole weights of what is named, and one share for the rest.

    Raises SpecError where the rest cannot make up the total within the bounds.
    """
    counts = named_counts(shapes, params)
    size = sum(shape.numel for shape in shapes)
    others = sum(shape.numel for shape in shapes if shape.path not in counts)
    left = group_count(shapes, sparsity) - sum(counts.values())
    rest = left / others if others else 0.0
    named = (
        f"the named matrices lose {sum(counts.values()) / size:.4g} of all targeted weights, {sparsity} is asked for"
    )
    if others and not params.minimum <= rest <= params.maximum:
        message = f"{named}: the others would have to lose {rest:.4g} of theirs"
        raise SpecError(Problem(WHERE, message, hint="change a sparsity or the bounds, or name less"))
    if not others and not 0 <= left <= len(shapes):
        raise SpecError(Problem(WHERE, f"{named}, and every matrix is named", hint="change a sparsity, or name less"))
    return {shape.path: counts[shape.path] / shape.numel if shape.path in counts else rest for shape in shapes}
