"""Calibration of confidence: does a token that the model gives 80 % follow in 80 % of the cases? (Guo et al., 2017)"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..contracts import Info, Quantity
from ..results.stats import interval_of, resampled_sums, wilson
from ._record import record

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from ..engine.behaviour import Scores
    from ..results.model import Condition, Measurement
    from ..windows import Windows

LEVEL = "behaviour"

BINS = 10
"""Of equal width, of the probability of the first token."""

INFO = Info(
    name="confidence",
    summary="expected calibration error of the first token's probability, and how often it is right in each bin",
    equation=r"\mathrm{ECE} \;=\; \sum_{b}\; \dfrac{|B_b|}{n}\; "
    r"\left|\, \mathrm{acc}(B_b) - \mathrm{conf}(B_b) \,\right|",
    spoken="the expected calibration error is the sum over bins b of the share of positions in the bin times the "
    "absolute difference of accuracy and mean confidence there",
    cite="guo2017calibration",
    quantities=(
        Quantity(
            "calibration_error",
            "1",
            "measured",
            "float",
            "lower",
            "expected calibration error: over ten bins of equal width of the first token's probability, the mean "
            "absolute difference of its probability and of how often it follows, weighted by the bins' positions; "
            "95 % bootstrap interval over windows",
            "depends on the bins, and is never quite 0 on a finite text; calibrated is not the same as good",
        ),
        Quantity(
            "next_token_accuracy",
            "1",
            "measured",
            "float",
            "higher",
            "share of predicted positions at which the first token is the one that follows; by `confidence`, the bin "
            "of its probability; 95 % interval by Wilson",
            "a text has many right continuations",
        ),
        Quantity(
            "mean_confidence",
            "1",
            "measured",
            "float",
            "none",
            "mean probability of the first token; by `confidence`, the bin of that probability",
        ),
    ),
)


def per_token(scores: Scores) -> Tensor:
    """(T, 2): the probability of the variant's first token, and whether that token follows."""
    import torch

    first = scores.variant.top_T
    confidence = scores.variant.log_probability_TV.gather(1, first[:, None])[:, 0].double().exp()
    return torch.stack([confidence, (first == scores.target_T).double()], dim=1)


def measure(values_NT2: Tensor, conditions: dict[str, Condition], windows: Windows) -> list[Measurement]:
    """The error, and accuracy and confidence over all positions and by bin; null where a confidence is not finite."""
    confidence, right = values_NT2.numpy()[..., 0], values_NT2.numpy()[..., 1]
    count, hits = right.size, int(right.sum())
    if not np.isfinite(confidence).all():
        lost = [record(INFO, name, np.nan, conditions, n=count) for name in ("calibration_error", "mean_confidence")]
        return [*lost, record(INFO, "next_token_accuracy", hits / count, conditions, ci=wilson(hits, count), n=count)]
    tables = binned(confidence, right)
    ci = interval_of(error(resampled_sums(tables).reshape(-1, *tables.shape[1:]))) if len(tables) > 2 else None
    found = [
        record(INFO, "calibration_error", float(error(tables.sum(0))), conditions, ci=ci, n=count),
        record(INFO, "next_token_accuracy", hits / count, conditions, ci=wilson(hits, count), n=count),
        record(INFO, "mean_confidence", float(confidence.mean()), conditions, n=count),
    ]
    for place, (positions, hits_here, total) in enumerate(tables.sum(0).T):
        if positions:
            here = conditions | {"confidence": f"{place / BINS:g}–{(place + 1) / BINS:g}"}
            n, own = int(positions), int(hits_here)
            found.append(record(INFO, "next_token_accuracy", own / n, here, ci=wilson(own, n), n=n))
            found.append(record(INFO, "mean_confidence", float(total / n), here, n=n))
    return found


def binned(confidence_NT: NDArray[np.float64], right_NT: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 3, BINS) for every window and bin: positions, right ones, and the sum of confidences."""
    place = np.minimum((confidence_NT * BINS).astype(int), BINS - 1)
    weights = (np.ones_like(right_NT), right_NT, confidence_NT)
    windows = zip(place, *weights, strict=True)
    return np.array([[np.bincount(at, each, BINS) for each in own] for at, *own in windows])


def error(tables_3B: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected calibration error of (…, 3, BINS)."""
    positions, right, confidence = np.moveaxis(tables_3B, -2, 0)
    found: NDArray[np.float64] = np.abs(right - confidence).sum(-1) / positions.sum(-1)
    return found
