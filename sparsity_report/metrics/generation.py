"""Greedy generation: how many tokens a variant writes before it departs from what dense writes to the same prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info, Quantity
from ._record import record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..results.model import Condition, Measurement

LEVEL = "generation"
INFO = Info(
    name="generation",
    summary="greedy continuations of a few prompts beside the dense model's, and where they first differ",
    quantities=(
        Quantity(
            "greedy_prefix_tokens",
            "token",
            "measured",
            "float",
            "higher",
            "mean over a few prompts of the tokens that variant and dense generate alike, greedily, before the first "
            "that differs; 95 % bootstrap interval over prompts",
            "few prompts; one nearly tied decision ends the count, and what follows it may be as good",
        ),
    ),
)


def measure(same: Sequence[int], conditions: dict[str, Condition]) -> list[Measurement]:
    """The mean, with a bootstrap interval over prompts."""
    import numpy as np

    from ..results.stats import bootstrap_mean

    mean, ci = bootstrap_mean(np.array(same, dtype=np.float64))
    return [record(INFO, "greedy_prefix_tokens", mean, conditions, ci=ci, n=len(same))]
