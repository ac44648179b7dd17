"""Small maps of one value a matrix, blocks across and names down: the form that sparsity and error share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .. import facts, replicates, style
from ..layers import layout
from ..numbers import percent
from .cells import Names, labelled, pattern_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure, SubFigure

    from ...results.model import ModelRecord, NodeRecord, Results
    from ..layers import Layout

MOST = 8
"""Maps of a model; the CSV has all that were comparable."""
TILE_MM, HEAD_MM, FOOT_MM, PAGE_MM = 3.7, 7.0, 9.0, 195.0
WIDTH_MM, NAMES_MM, WORDS_MM = 128.0, 13.0, 7.4
"""A row of maps without its colour bar, the names beside a map, and what a number in a tile needs."""


@dataclass(frozen=True)
class Map:
    """One state: its name and a value for every targeted matrix."""

    name: str
    node: NodeRecord
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Sheet:
    """The maps of one model, all at one place: a requested sparsity and pattern."""

    model: ModelRecord
    layout: Layout
    place: str
    maps: list[Map]
    total: int
    """How many states of the model have such values."""
    limit: int = MOST

    @property
    def shown(self) -> list[Map]:
        """At most `limit`, in order: a new method before another state of the same one."""
        uses: Counter[str] = Counter()
        rank: dict[str, tuple[int, int]] = {}
        for place, each in enumerate(self.maps):
            entry = each.node.stages[0].entry
            rank[each.node.key] = (uses[entry], place)
            uses[entry] += 1
        kept = sorted(rank, key=rank.__getitem__)[: self.limit]
        return [each for each in self.maps if each.node.key in kept]

    @property
    def across(self) -> int:
        """Maps beside each other: as many as leave room for numbers in the tiles, else two where blocks are few."""
        blocks = len(self.layout.blocks)
        for columns in (3, 2, 1):
            if (WIDTH_MM / columns - NAMES_MM) / blocks >= WORDS_MM:
                return min(columns, len(self.shown))
        return min(2 if blocks <= 36 else 1, len(self.shown))

    @property
    def numbered(self) -> bool:
        return (WIDTH_MM / self.across - NAMES_MM) / len(self.layout.blocks) >= WORDS_MM

    @property
    def down(self) -> int:
        return -(-len(self.shown) // self.across)

    @property
    def height_mm(self) -> float:
        return self.down * (TILE_MM * len(self.layout.names) + HEAD_MM) + FOOT_MM


def place_of(node: NodeRecord) -> str:
    """Where states can be compared: "50 %", "2:4", "30 % in rows"."""
    pattern, asked = facts.pattern_of(node.stages), facts.asked(node.stages)
    if pattern.is_nm or asked is None:
        return str(pattern) if pattern.is_nm else "the sparsity of given masks"
    return percent(asked) + (f" in {pattern_name(pattern)}" if pattern.unit else "")


def sheets(
    results: Results,
    values: Callable[[NodeRecord], Sequence[float | None]],
    telling: Callable[[Sequence[float | None]], bool],
) -> list[Sheet]:
    """
    For each model the states of one place, of replicates the first: where most of them have values that tell something.

    Of two equal places, the one nearer to half of the weights.
    """
    naming, found = Names.of(results), []
    for model in results.models:
        where = layout(model)
        nodes = [node for node, *_ in replicates.node_states(results, model.id)]
        if where is None:
            continue
        known = [each for each in nodes if len(values(each)) == len(where.places) and telling(values(each))]
        if not known:
            continue
        counts = Counter(map(place_of, known))
        chosen = max(known, key=lambda node: (counts[place_of(node)], -abs((facts.asked(node.stages) or 0) - 0.5)))
        here = [node for node in known if place_of(node) == place_of(chosen)]
        maps = [Map(naming.kind(node.stages), node, tuple(values(node))) for node in here]
        found.append(Sheet(model, where, place_of(chosen), maps, len(known)))
    return [_fitted(sheet, PAGE_MM / len(found)) for sheet in found]


def _fitted(sheet: Sheet, height_mm: float) -> Sheet:
    """The sheet with as many maps as its part of the page holds, at least one."""
    fits = [limit for limit in range(1, MOST + 1) if replace(sheet, limit=limit).height_mm <= height_mm]
    return replace(sheet, limit=max(fits, default=1))


@dataclass(frozen=True)
class Colours:
    """A colour map with its scale, the name of its bar, and the words of a value."""

    tint: Colormap
    scale: Normalize
    label: str
    words: Callable[[float], str]
    format: Any = None


def cividis() -> Colormap:
    """Light where little, dark where much; in order also for those who see fewer colours, and on grey paper."""
    from matplotlib import colormaps

    return colormaps["cividis_r"].resampled(40)


def _tiles(axes: Axes, sheet: Sheet, each: Map, colours: Colours) -> None:
    grid, tints = sheet.layout.grid(each.values), _hex(colours, each.values)
    blocks, names = sheet.layout.blocks, sheet.layout.names
    same: dict[str, list[tuple[int, int]]] = {}
    for row, name in enumerate(names):
        for column, block in enumerate(blocks):
            value = grid.get((block, name))
            if value is None:
                axes.plot([column, column + 1], [row, row + 1], color=style.MUTED, lw=0.5)
                continue
            colour = tints[value]
            same.setdefault(colour, []).append((column, row))
            if sheet.numbered:
                axes.text(
                    column + 0.5, row + 0.54, colours.words(value), ha="center", va="center", fontsize=6.8,
                    color=style.ink_on(colour),
                ).set_in_layout(False)  # fmt: skip
    for colour, places in same.items():
        fill(axes, places, facecolor=colour, edgecolor="white", lw=0.5)
    axes.set_title(each.name, fontsize=8.2)
    axes.tick_params(length=0, labelsize=7.2)
    axes.spines[:].set_visible(False)


def _scale(axes: Axes, sheet: Sheet) -> None:
    """Names of blocks and matrices; axes that are shared take them from the first."""
    blocks, names = sheet.layout.blocks, sheet.layout.names
    step = -(-len(blocks) // max(int(10 * 3 / sheet.across), 1))
    axes.set_xticks(
        [place + 0.5 for place in range(0, len(blocks), step)],
        [str(block) if block >= 0 else "–" for block in blocks[::step]],
    )
    axes.set_yticks([place + 0.5 for place in range(len(names))], names)
    axes.set(xlim=(0, len(blocks)), ylim=(len(names), 0))


def fill(axes: Axes, places: list[tuple[int, int]], **look: Any) -> None:
    """Tiles (column, row) of one look as one outline: a fifth of the bytes of a mesh."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    corners = [(x + dx, y + dy) for x, y in places for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))]
    codes = [Path.MOVETO, *[Path.LINETO] * 3, Path.CLOSEPOLY] * len(places)
    axes.add_artist(PathPatch(Path(corners, codes), **look))


def _hex(colours: Colours, values: Iterable[float | None]) -> dict[float, str]:
    """The colours of values; what is below the scale (an error of 0 has no logarithm) has that of its lower end."""
    from matplotlib.colors import to_hex

    known = sorted({value for value in values if value is not None})
    tints = colours.tint(colours.scale([max(value, float(colours.scale.vmin or 0)) for value in known]))
    return {value: to_hex(tint) for value, tint in zip(known, tints, strict=True)}


def _paint_sheet(part: Figure | SubFigure, sheet: Sheet, colours: Colours) -> None:
    from matplotlib.cm import ScalarMappable

    grid = part.subplots(sheet.down, sheet.across, squeeze=False, sharex=True, sharey=True)
    for axes, each in zip(grid.flat, sheet.shown, strict=False):
        _tiles(axes, sheet, each, colours)
    _scale(grid.flat[0], sheet)
    for axes in list(grid.flat)[len(sheet.shown) :]:
        axes.set_axis_off()
    part.supxlabel("Decoder block", fontsize=8.5)
    bar = part.colorbar(
        ScalarMappable(colours.scale, colours.tint), ax=grid, aspect=24, pad=0.015, format=colours.format
    )
    bar.set_label(colours.label)
    bar.ax.tick_params(labelsize=7.2)
    bar.ax.minorticks_off()
    bar.outline.set_linewidth(0.4)


def paint(figure: Figure, found: list[Sheet], colours: Colours) -> None:
    titles = [labelled(sheet.model) for sheet in found]
    parts = style.bands(figure, titles, [sheet.height_mm + 4 for sheet in found])
    for part, sheet in zip(parts, found, strict=True):
        _paint_sheet(part, sheet, colours)


def height(found: list[Sheet]) -> float:
    """Millimetres."""
    return sum(sheet.height_mm for sheet in found) + 5 * (len(found) > 1)


def words(found: list[Sheet], spell: Callable[[float], str]) -> str:
    """For the alternative text: the mean, and the smallest and largest matrix of every map."""
    parts = []
    for sheet in found:
        for each in sheet.shown:
            known = [
                (value, f"{name} of block {block}")
                for (block, name), value in zip(sheet.layout.places, each.values, strict=True)
                if value is not None
            ]
            low, high = min(known), max(known)
            parts.append(
                f"{labelled(sheet.model)}, {each.name} at {sheet.place}: from {spell(low[0])} in {low[1]} to "
                f"{spell(high[0])} in {high[1]}."
            )
    return " ".join(parts)


def left_out(found: list[Sheet]) -> str:
    """A sentence for the caption where states are not shown."""
    shown, total = sum(len(sheet.shown) for sheet in found), sum(sheet.total for sheet in found)
    return "" if shown >= total else f" {shown} of {total} states are shown."


def places(found: list[Sheet]) -> str:
    return " and ".join(dict.fromkeys(sheet.place for sheet in found))


def data(found: list[Sheet]) -> list[tuple[object, ...]]:
    """A row a matrix: model, label, series, place, block, matrix, weights, value."""
    return [
        (sheet.model.id, sheet.model.label, each.name, sheet.place, block, name, numel, value)
        for sheet in found
        for each in sheet.maps
        for (block, name), numel, value in zip(sheet.layout.places, sheet.layout.numel, each.values, strict=True)
    ]
