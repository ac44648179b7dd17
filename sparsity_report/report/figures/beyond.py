"""Points above the end of an axis: marked at its upper edge, each with its number, and none over another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import style
from ..numbers import significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from ..style import Mark

TOP = 0.97
"""Height of the first row of marks, as a fraction of the axes."""
ROW_MM, MARK_MM, LETTER_MM = 3.4, 2.2, 1.35
"""A row of marks, a mark, and about a letter of a number."""
HIGHEST = 20
"""Times dense: where most values are lower, those above are numbers at the upper edge, and do not flatten them."""
NOTE = f"; perplexities far beyond {HIGHEST} times dense are filled marks at the upper edge, with their numbers"
Size = tuple[float, float]
"""About the width and height of axes on the page, in millimetres."""


@dataclass(frozen=True)
class Beyond:
    """A point at `x` of the data; `is_end` where its number stands in the name of its line."""

    x: float
    value: float
    mark: Mark
    is_end: bool = False

    @property
    def number(self) -> str:
        return f"{significant(self.value)} ↑"


def highest(values: list[float], dense: float | None) -> float:
    """Where the axis ends: at the largest value, unless a minority of them is far above dense."""
    bound = HIGHEST * dense if dense else max(values)
    inside = [value for value in values if value <= bound]
    return max(inside) if len(inside) > len(values) / 2 else max(values)


def rows(extents: Sequence[tuple[float, float]], first: int = 0) -> list[int]:
    """The first row, counted from the top, in which each extent touches none before it."""
    taken: list[tuple[int, float, float]] = []
    for low, high in extents:
        row = first
        while any(row == at and low < right and left < high for at, left, right in taken):
            row += 1
        taken.append((row, low, high))
    return [row for row, _, _ in taken]


def mark(axes: Axes, points: Sequence[Beyond], size_mm: Size, first: int = 0) -> list[float]:
    """
    Marks, the highest values above; returns the height of each point as a fraction of the axes.

    Numbers stand left of their marks where there is room.
    """
    width_mm, height_mm = size_mm
    low, high = axes.get_xlim()
    order = sorted(range(len(points)), key=lambda index: -points[index].value)
    heights, extents = [TOP] * len(points), list[tuple[float, float]]()
    lefts = []
    for index in order:
        each = points[index]
        place = width_mm * (each.x - low) / (high - low)
        words = 0.0 if each.is_end else MARK_MM / 2 + LETTER_MM * len(each.number)
        lefts.append(place > words)
        before, after = (words, 0.0) if lefts[-1] else (0.0, words)
        extents.append((place - max(before, MARK_MM), place + max(after, MARK_MM)))
    for index, row, left in zip(order, rows(extents, first), lefts, strict=True):
        heights[index] = TOP - row * ROW_MM / height_mm
        _mark(axes, points[index], heights[index], left)
    return heights


def _mark(axes: Axes, each: Beyond, height: float, left: bool) -> None:
    transform = axes.get_xaxis_transform()
    axes.plot([each.x], [height], each.mark.marker, color=each.mark.colour, transform=transform, zorder=2.6)
    if not each.is_end:
        axes.annotate(
            each.number, (each.x, height), (-5 if left else 5, 0), xycoords=transform, textcoords="offset points",
            ha="right" if left else "left", va="center", color=each.mark.colour, fontsize=7.6,
            bbox={"facecolor": "white", "alpha": 0.8, "lw": 0, "pad": 0.4},
        )  # fmt: skip


def at(axes: Axes, height: float) -> float:
    """The value of the axis at a fraction of its height."""
    return float((axes.transScale + axes.transLimits).inverted().transform((0, height))[1])


def name_lines(
    axes: Axes, points: dict[str, list[tuple[float, float]]], marks: dict[str, Mark], size_mm: Size, lost: bool
) -> None:
    """Names beside the last points, and marks for points above the axis, below the crosses of what is `lost`."""
    top = axes.get_ylim()[1]
    far = [
        Beyond(x, value, marks[name], is_end=number == len(own))
        for name, own in points.items()
        for number, (x, value) in enumerate(own, start=1)
        if value > top
    ]
    heights = dict(zip(far, mark(axes, far, size_mm, first=int(lost)), strict=True))
    labels = []
    for name, own in points.items():
        if own:
            end = Beyond(*own[-1], marks[name], is_end=True)
            is_far = end in heights
            height = at(axes, heights[end]) if is_far else end.value
            labels.append(style.Label(f"{name} {end.number}" if is_far else name, end.x, height, end.mark.colour))
    style.end_labels(axes, labels, size_mm[1])
