"""Names beside the points of a scatter chart, each where it covers as little as possible of everything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE_PT, LETTER_PT, LINE_PT = 7.5, 3.5, 9.0
"""Size of the type, and about the width and the height that a letter takes."""
MARK_PT = 6.0
DISTANCES_PT = (7.0, 13.0, 20.0, 28.0)
DIRECTIONS = ((1, 0), (-1, 0), (1, 0.8), (1, -0.8), (-1, 0.8), (-1, -0.8), (0, 1), (0, -1))
"""Where a name may stand, the best first: right, left, at the corners, above, below."""
OVER_NAME, OVER_MARK, OVER_LINE = 30.0, 30.0, 8.0
"""How bad it is to cover a point's width of something."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A rectangle in points."""

    left: float
    bottom: float
    right: float
    top: float

    def shared(self, other: Box) -> float:
        """The width of the overlap; 0 where there is none."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.top, other.top) - max(self.bottom, other.bottom)
        return wide if wide > 0 and high > 0 else 0.0


def _box(x: float, y: float, words: str, across: float) -> Box:
    """The name at a place, which is its left end, its right end or its middle."""
    width = LETTER_PT * len(words)
    left = x - width * (1 - across) / 2
    return Box(left, y - LINE_PT / 2, left + width, y + LINE_PT / 2)


def places(points: Sequence[Point], names: Sequence[str], lines: Sequence[Box], size_pt: Point) -> list[Point]:
    """
    Middles of the names, in points from the lower left corner of axes of this size.

    One name after the other takes the place that covers least: of names that stand already, of all marks, of `lines`
    (as thin boxes), or outside of the axes; of equal places the nearest.
    """
    marks = [Box(x - MARK_PT / 2, y - MARK_PT / 2, x + MARK_PT / 2, y + MARK_PT / 2) for x, y in points]
    taken: list[Box] = []
    for (x, y), words in zip(points, names, strict=True):
        options: list[tuple[float, int, Box]] = []
        for far in DISTANCES_PT:
            for rank, (across, up) in enumerate(DIRECTIONS):
                box = _box(x + far * across, y + far * up, words, across)
                outside = max(0, -box.left, box.right - size_pt[0], -box.bottom, box.top - size_pt[1])
                cost = OVER_NAME * (sum(map(box.shared, taken)) + outside)
                cost += OVER_MARK * sum(map(box.shared, marks)) + OVER_LINE * sum(map(box.shared, lines))
                options.append((cost + far + rank, len(options), box))
        taken.append(min(options)[2])
    return [((box.left + box.right) / 2, (box.bottom + box.top) / 2) for box in taken]


def diagonal(size_pt: Point, steps: int = 40) -> list[Box]:
    """The line from the lower left to the upper right corner, as thin boxes."""
    width, height = size_pt
    return [
        Box(width * step / steps, height * step / steps, width * (step + 1) / steps, height * (step + 1) / steps)
        for step in range(steps)
    ]
