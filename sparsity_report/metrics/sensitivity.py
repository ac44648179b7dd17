"""The sensitivity scan: one decoder block pruned at a time (Han et al., 2015, per layer; here per decoder block)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..contracts import Info, Quantity
from ._record import record

if TYPE_CHECKING:
    from ..results.model import Measurement, SensitivityRecord

LEVEL = "scan"
INFO = Info(
    name="sensitivity",
    summary="increase of the negative log-likelihood when one decoder block is pruned alone",
    equation=r"\Delta_b(s) = \mathrm{NLL}(\theta_{b \to s}) - \mathrm{NLL}(\theta)",
    spoken="delta of block b at sparsity s is the negative log-likelihood with only that block pruned, minus dense",
    cite="han2015learning",
    result_version=2,
    quantities=(
        Quantity(
            "nll_increase",
            "nat",
            "measured",
            "float",
            "lower",
            "mean negative log-likelihood per token with one decoder block pruned, over that of the dense model; "
            "95 % bootstrap interval over windows, in pairs",
            "one block at a time: blocks pruned together can hurt more, or less, than the sum",
        ),
    ),
)


def measure(found: SensitivityRecord) -> list[Measurement]:
    """One value for every scanned block and sparsity, in the dense cell."""
    none = tuple((None,) * len(found.sparsity) for _ in found.blocks)
    return [
        record(
            INFO,
            "nll_increase",
            math.nan if value is None else value,
            {"block": block, "sparsity": sparsity, "method": found.method},
            n=found.tokens,
            ci=ci,
        )
        for block, row, cis in zip(found.blocks, found.nll_increase, found.nll_increase_ci or none, strict=True)
        for sparsity, value, ci in zip(found.sparsity, row, cis, strict=True)
    ]
