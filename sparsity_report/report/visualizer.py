"""
The matrices of the page's visualizer, and which of their weights each criterion keeps before anybody touches a slider.

The rules are those of `selection.py`, for matrices small enough to be lists: the lowest scores go, of equal ones the
earlier. The page's script has them again for every other setting; both are tested against `selection.py`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from . import numbers
from .markup import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..results.model import ExcerptRecord

    Matrix = Sequence[Sequence[float]]

PERCENT = 50
"""Sparsity at first."""
PATTERNS = ("1:4", "2:4", "3:4", "4:8")
FIRST_PATTERN = "2:4"
OUTLIER_WEIGHTS = (
    (1.9, -0.4, 0.3, -1.2, 0.7, -2.1, 0.2, 0.9),
    (-0.6, 1.5, -0.2, 0.8, -1.7, 0.5, 0.4, -1.1),
    (2.2, -1.8, 0.1, 1.4, 0.3, -0.9, -0.5, 0.6),
    (-0.8, 0.2, 0.6, -1.6, 1.3, 0.7, -0.3, -2.0),
)
OUTLIER_NORMS = (1.1, 0.9, 8.0, 1.0, 1.2, 0.8, 6.0, 1.0)
"""An example of our own: in features 3 and 7 the weights are small and the inputs large."""


@dataclass(frozen=True)
class Preset:
    """A matrix (O, I) with the norms of its inputs (I). Weights are shown in units of 10^`exponent`."""

    name: str
    note: str
    weights: Matrix
    norms: Sequence[float]
    exponent: int = 0
    decimals: int = 1


@dataclass(frozen=True)
class Panel:
    """One criterion's choice: what it is called, and whether each weight is kept. `edge` is N:M's M."""

    criterion: str
    title: str
    caption: str
    keep: tuple[tuple[bool, ...], ...]
    edge: int = 0


def presets_of(excerpts: Sequence[ExcerptRecord]) -> tuple[Preset, ...]:
    """The example, then what the study recorded of its own matrices."""
    example = Preset(
        "Example: two outlier features",
        "Invented numbers. The inputs of features 3 and 7 are large, the weights that read them are small.",
        OUTLIER_WEIGHTS,
        OUTLIER_NORMS,
    )
    return (example, *map(_of_study, excerpts))


def _of_study(record: ExcerptRecord) -> Preset:
    last_row, last_col = record.row + len(record.weights), record.col + len(record.weights[0])
    largest = max(abs(weight) for row in record.weights for weight in row)
    exponent = math.floor(math.log10(largest)) - 1 if largest else 0
    where = f"Rows {record.row + 1} to {last_row}, columns {record.col + 1} to {last_col} of {plain(record.matrix)}"
    norms = f"norms are root mean squares over {numbers.count(record.tokens)} calibration tokens"
    if not record.input_rms:
        norms = "the study has no calibration text, so all norms start at 1"
    return Preset(
        f"{plain(record.model)}: {plain(record.matrix)}",
        f"{where}, in units of 10 to the power of {numbers.number(exponent, 0)}; {norms}.",
        record.weights,
        record.input_rms or (1.0,) * len(record.weights[0]),
        exponent,
        decimals=0,
    )


def data(presets: Sequence[Preset]) -> list[dict[str, Any]]:
    """The presets as the script reads them."""
    return list(map(asdict, presets))


def _smallest(scores: Sequence[float], count: int) -> set[int]:
    """Positions of the `count` smallest, of equal ones the earlier."""
    return set(sorted(range(len(scores)), key=scores.__getitem__)[:count])


def keep_of_matrix(scores: Matrix, count: int) -> list[list[bool]]:
    cols, gone = len(scores[0]), _smallest([score for row in scores for score in row], count)
    return [[number * cols + place not in gone for place in range(cols)] for number in range(len(scores))]


def keep_of_rows(scores: Matrix, count: int) -> list[list[bool]]:
    """Every row gives as many, the first rows one more where they do not divide evenly."""
    each, more = divmod(count, len(scores))
    gone = [_smallest(row, each + (number < more)) for number, row in enumerate(scores)]
    return [[place not in lost for place in range(len(scores[0]))] for lost in gone]


def keep_of_groups(scores: Matrix, n: int, m: int) -> list[list[bool]]:
    """N of every M neighbours in a row; a shorter last group keeps ⌈N·r/M⌉ of its r."""
    kept = []
    for row in scores:
        groups = [row[start : start + m] for start in range(0, len(row), m)]
        gone = [_smallest(group, len(group) - math.ceil(n * len(group) / m)) for group in groups]
        kept.append(
            [place not in lost for group, lost in zip(groups, gone, strict=True) for place in range(len(group))]
        )
    return kept


def error(preset: Preset, keep: Matrix | Sequence[Sequence[bool]]) -> float:
    """‖(W − Ŵ)·diag(norms)‖, Frobenius."""
    lost = (
        (weight * norm) ** 2
        for row, kept in zip(preset.weights, keep, strict=True)
        for weight, norm, stays in zip(row, preset.norms, kept, strict=True)
        if not stays
    )
    return math.sqrt(sum(lost))


def panels(preset: Preset) -> tuple[Panel, ...]:
    """Every criterion's choice at the first setting of the sliders."""
    magnitude = [[abs(weight) for weight in row] for row in preset.weights]
    wanda = [[score * norm for score, norm in zip(row, preset.norms, strict=True)] for row in magnitude]
    size, count = sum(map(len, magnitude)), sum(map(len, magnitude)) * PERCENT // 100
    n, m = map(int, FIRST_PATTERN.split(":"))
    whole = error(preset, [[False] * len(row) for row in magnitude])

    def panel(criterion: str, title: str, keep: list[list[bool]], edge: int = 0) -> Panel:
        kept, lost = sum(map(sum, keep)), error(preset, keep)
        share = numbers.number(100 * lost / whole, 1) if whole else "0"
        caption = f"{kept} of {size} kept, output error {lost:.3g} ({share} %)"
        return Panel(criterion, title, caption, tuple(map(tuple, keep)), edge)

    return (
        panel("dense", "Dense", keep_of_matrix(magnitude, 0)),
        panel("magnitude", f"Magnitude, {PERCENT} %", keep_of_matrix(magnitude, count)),
        panel("wanda", f"Wanda, {PERCENT} %", keep_of_rows(wanda, count)),
        panel("magnitude-nm", f"Magnitude, {FIRST_PATTERN}", keep_of_groups(magnitude, n, m), m),
        panel("wanda-nm", f"Wanda, {FIRST_PATTERN}", keep_of_groups(wanda, n, m), m),
    )


def shown(preset: Preset, weight: float) -> str:
    """A weight as the tables print it."""
    return numbers.number(weight / 10.0**preset.exponent, preset.decimals)
