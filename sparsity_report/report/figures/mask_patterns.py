"""Half of one corner of the model kept by magnitude in three patterns: single weights, 2 of 4, and tiles of 4 × 4."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from .. import style
from ..drawing import Drawing, csv_text
from ..numbers import NBSP
from .cells import labelled
from .heat import fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...results.model import ExcerptRecord, Results

PANEL_MM, TITLE_MM = 46.0, 9.0
"""Width of a panel, and the height of what stands above it."""
TILE = 4
SHADES = 20
"""Of kept weights, by size: squares of one shade are one outline."""
Place = tuple[int, int]
Weights = tuple[tuple[float, ...], ...]


def _largest(scores: dict[Place, float], count: int) -> set[Place]:
    """The places of the `count` largest; of equal ones the first."""
    return set(sorted(scores, key=lambda place: (-scores[place], place))[:count])


def unstructured(weights: Weights) -> set[Place]:
    """Half of all weights, wherever they are."""
    scores = {(row, col): abs(each) for row, line in enumerate(weights) for col, each in enumerate(line)}
    return _largest(scores, len(scores) - len(scores) // 2)


def two_of_four(weights: Weights) -> set[Place]:
    """Two of each four neighbours in a row."""
    kept: set[Place] = set()
    for row, line in enumerate(weights):
        for start in range(0, len(line), 4):
            group = {(row, col): abs(line[col]) for col in range(start, min(start + 4, len(line)))}
            kept |= _largest(group, (len(group) + 1) // 2)
    return kept


def tiles(weights: Weights) -> set[Place]:
    """Half of the tiles, by their sum of squares."""
    rows, cols = range(0, len(weights), TILE), range(0, len(weights[0]), TILE)
    places = {(top, left): list(_tile(weights, top, left)) for top, left in product(rows, cols)}
    sums = {corner: sum(weights[row][col] ** 2 for row, col in each) for corner, each in places.items()}
    chosen = _largest(sums, len(sums) - len(sums) // 2)
    return {place for corner in chosen for place in places[corner]}


def _tile(weights: Weights, top: int, left: int) -> Iterator[Place]:
    for row in range(top, min(top + TILE, len(weights))):
        yield from ((row, col) for col in range(left, min(left + TILE, len(weights[0]))))


PATTERNS: tuple[tuple[str, Callable[[Weights], set[Place]]], ...] = (
    ("unstructured", unstructured),
    ("2:4", two_of_four),
    (f"{TILE}×{TILE} tiles", tiles),
)


def kept_norm(weights: Weights, kept: set[Place]) -> float:
    """The part of the sum of squares that is kept, 0 to 1."""
    total = sum(each**2 for line in weights for each in line)
    return sum(weights[row][col] ** 2 for row, col in kept) / total if total else 0.0


def _panel(axes: Axes, weights: Weights, kept: set[Place], title: str) -> None:
    """A dark square is a kept weight, darker where it is larger; a pruned one is crossed out."""
    largest = max(abs(each) for line in weights for each in line) or 1.0
    shades: dict[int, list[tuple[int, int]]] = {}
    for row, col in sorted(kept):
        shades.setdefault(round(SHADES * abs(weights[row][col]) / largest), []).append((col, row))
    for shade, places in shades.items():
        fill(axes, places, facecolor=(*_rgb(style.BLUE), 0.25 + 0.75 * shade / SHADES), lw=0)
    axes.hlines(range(len(weights) + 1), 0, len(weights[0]), color=style.GRID, lw=0.4)
    axes.vlines(range(len(weights[0]) + 1), 0, len(weights), color=style.GRID, lw=0.4)
    lost = [(col + 0.5, row + 0.5) for row in range(len(weights)) for col in range(len(weights[0]))
            if (row, col) not in kept]  # fmt: skip
    axes.plot(*zip(*lost, strict=True), "x", color=style.MUTED, ms=2.2, mew=0.5, ls="")
    axes.set(xlim=(0, len(weights[0])), ylim=(len(weights), 0), aspect="equal", xticks=[], yticks=[])
    axes.set_title(title)
    axes.spines[:].set_visible(False)


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))


def _paint(figure: Figure, excerpt: ExcerptRecord) -> None:
    for axes, (name, choose) in zip(figure.subplots(1, len(PATTERNS)), PATTERNS, strict=True):
        kept = choose(excerpt.weights)
        _panel(axes, excerpt.weights, kept, f"{name}: {100 * kept_norm(excerpt.weights, kept):.0f}{NBSP}% of ‖W‖²")


def _height(weights: Weights) -> float:
    return PANEL_MM * len(weights) / len(weights[0]) + TITLE_MM


def draw(results: Results) -> Drawing | None:
    """None without an excerpt of at least one tile, and of one whose weights are all zero."""
    fitting = (
        each
        for each in results.excerpts
        if len(each.weights) >= TILE and len(each.weights[0]) >= TILE and any(map(any, each.weights))
    )
    excerpt = next(fitting, None)
    if excerpt is None:
        return None
    weights = excerpt.weights
    kept = {name: choose(weights) for name, choose in PATTERNS}
    model = next((labelled(each) for each in results.models if each.id == excerpt.model), excerpt.model)
    shape = f"{len(weights)} × {len(weights[0])}"
    parts = [
        f"{name} keeps {len(places)} of {len(weights) * len(weights[0])} weights and "
        f"{100 * kept_norm(weights, places):.1f}{NBSP}% of the sum of squares"
        for name, places in kept.items()
    ]
    rows = [
        (row, col, each, *(int((row, col) in places) for places in kept.values()))
        for row, line in enumerate(weights)
        for col, each in enumerate(line)
    ]
    return Drawing(
        id="mask_patterns",
        title="Three patterns of one corner",
        svg=style.render("mask_patterns", _height(weights), lambda figure: _paint(figure, excerpt)),
        alt=f"Three maps of a {shape} corner of {excerpt.matrix}: {'; '.join(parts)}.",
        caption=f"A {shape} corner of {excerpt.matrix} from row {excerpt.row}, column {excerpt.col} on (out × in), "
        "half of it pruned by magnitude in three patterns; with the part of the squared norm that is kept (counted). "
        f"The masks are made here from the corner alone: those of the study compare weights over more. Model: {model}.",
        how_to_read="Filled squares are kept, darker where the weight is larger; crosses are pruned. The freer the "
        "pattern, the more of the norm stays; the more regular, the less it takes to say which weights are there.",
        csv=csv_text(("row", "col", "weight", *kept), rows),
    )
