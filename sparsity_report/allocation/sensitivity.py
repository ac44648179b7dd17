"""
Sensitivity-driven: decoder blocks whose pruning alone hurts more keep more.

Our own rule, for comparison with OWL's: the same spread, by the logarithm of what the sensitivity scan measured instead
of by outliers. A scan layer by layer is that of Han et al. (2015, section 3).
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from pydantic import Field

from ..contracts import Info
from . import Bounded, around

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from ..contracts import MatrixShape
    from . import Evidence

INFO = Info(
    name="sensitivity",
    summary="decoder blocks whose pruning alone raises the loss more keep more",
    equation=r"s_b = s - d_b + \bar{d} , \qquad d_b = 2 \lambda\, \dfrac{\log \Delta_b - \min \log \Delta}"
    r"{\max \log \Delta - \min \log \Delta}",
    spoken="the logarithm of the loss increase delta of block b, scaled to between zero and two lambda and centred, is "
    "taken off the sparsity of block b",
    cite="han2015learning",
    needs=("the sensitivity scan",),
    result_version=2,
)
NEEDS = ("sensitivity",)
LEAST = 1e-4
"""Nats per token below which blocks are equally insensitive: noise, and the logarithm needs a positive number."""


class Params(Bounded):
    """`spread` is λ: block sparsities stay within ± λ of the asked one."""

    spread: float = Field(default=0.08, ge=0, lt=1)


def importance(scanned: Mapping[int, float]) -> dict[int, float]:
    """
    log Δ of every block from the first to the last that was scanned; in between, by linear interpolation.

    A block whose loss was not finite is as sensitive as the most sensitive finite one.
    """
    most = max((value for value in scanned.values() if math.isfinite(value)), default=LEAST)
    logs = {block: math.log(max(value if math.isfinite(value) else most, LEAST)) for block, value in scanned.items()}
    for first, last in itertools.pairwise(sorted(scanned)):
        for block in range(first + 1, last):
            logs[block] = logs[first] + (logs[last] - logs[first]) * (block - first) / (last - first)
    return logs


def allocate(shapes: Sequence[MatrixShape], sparsity: Decimal, evidence: Evidence, params: Params) -> dict[str, float]:
    """One sparsity a decoder block."""
    return around(shapes, float(sparsity), importance(evidence.sensitivity), params.spread)
