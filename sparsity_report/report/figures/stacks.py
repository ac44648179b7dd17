"""Stacked horizontal bars with a legend above and the total at the end: the form that two figures share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import style
from ..numbers import times

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Stack:
    """One bar: its name, its parts from left to right, their sum as text, the ratio to dense if known."""

    name: str
    parts: dict[str, float]
    total: str
    ratio: float | None = None

    def words(self, unit: str) -> str:
        """For alternative texts."""
        ratio = "" if self.ratio is None else f", {times(self.ratio)} dense"
        return f"{self.name} {self.total} {unit}{ratio}"


Facet = tuple[str, list[Stack]]
"""A title (the model) and its bars."""


def rows_of(facets: list[Facet]) -> list[list[Facet]]:
    """Two neighbours that have the same bars, by name, stand in one row, whose names are written once."""
    rows: list[list[Facet]] = []
    for facet in facets:
        before = rows[-1] if rows else []
        if len(before) == 1 and [each.name for each in before[0][1]] == [each.name for each in facet[1]]:
            before.append(facet)
        else:
            rows.append([facet])
    return rows


def stack_height(facets: list[Facet]) -> float:
    """Millimetres."""
    return sum(4.8 * len(row[0][1]) + 14 for row in rows_of(facets)) + 4


@dataclass(frozen=True)
class Scale:
    """The value axis: what to divide by, and its label."""

    divisor: float
    label: str


def paint_stacks(
    figure: Figure, facets: list[Facet], known: Mapping[str, style.Mark], words: Callable[[str], str], scale: Scale
) -> None:
    """Facets in their rows. `known` gives the order and looks of the parts, `words` their names."""
    from matplotlib.patches import Patch

    used = {part for _, stacks in facets for stack in stacks for part in stack.parts}
    order = [part for part in known if part in used] + sorted(used - known.keys())
    looks = style.marks(order, known)
    rows = rows_of(facets)
    alone = all(len(row) == 1 for row in rows)
    titles = [row[0][0] if alone else "" for row in rows]
    for band, row in zip(style.bands(figure, titles, [len(row[0][1]) + 3 for row in rows]), rows, strict=True):
        for axes, (title, stacks) in zip(band.subplots(1, len(row), squeeze=False, sharey=True)[0], row, strict=True):
            _bars(axes, stacks, order, looks, scale.divisor)
            axes.set_xlabel(scale.label)
            if not alone:
                axes.set_title(title, fontweight="bold")
    handles = [
        Patch(facecolor=looks[part].colour, hatch=looks[part].hatch, edgecolor=style.INK, label=words(part))
        for part in order
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), columnspacing=1.4)


def _bars(axes: Axes, stacks: list[Stack], order: list[str], looks: Mapping[str, style.Mark], divisor: float) -> None:
    for place, stack in enumerate(stacks):
        left = 0.0
        for part in order:
            width = stack.parts.get(part, 0.0) / divisor
            if width:
                look = looks[part]
                axes.barh(place, width, 0.7, left=left, color=look.colour, hatch=look.hatch, edgecolor=style.INK)
            left += width
        note = stack.total if stack.ratio is None else f"{stack.total} ({times(stack.ratio)})"
        axes.annotate(note, (left, place), (4, 0), textcoords="offset points", va="center")
    longest = max(sum(stack.parts.values()) for stack in stacks) / divisor
    axes.set(xlim=(0, 1.22 * longest), ylim=(len(stacks) - 0.4, -0.6))
    axes.set_yticks(range(len(stacks)), [stack.name for stack in stacks])
    axes.tick_params(axis="y", length=0)
