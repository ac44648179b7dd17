"""Which methods remove the same weights: the Jaccard index of every pair, in total and by decoder block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import style
from ..drawing import Drawing, csv_text
from ..numbers import number
from ..overlaps import groups
from .cells import labelled, models_phrase
from .heat import cividis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...results.model import Results
    from ..overlaps import Group, Pair

MOST_NAMED, MOST_LINED = 6, 7
"""Pairs whose lines have names; states whose matrix leaves room for lines beside it."""
MOST_TOLD = 15
"""Pairs that the alternative text names one by one."""
TILE_MM, LEAST_MM, HEAD_MM, PAGE_MM = 5.2, 24.0, 14.0, 120.0
SINGLE_MM = 18.0
"""Height of the lines of a single pair, which has no matrix."""


def _single(group: Group) -> bool:
    return len(group.pairs) == 1 and _lined(group)


def _height(group: Group) -> float:
    return (SINGLE_MM if _single(group) else max(TILE_MM * (len(group.names) - 1), LEAST_MM)) + HEAD_MM


def _lined(group: Group) -> bool:
    return len(group.names) <= MOST_LINED and any(pair.blocks for pair in group.pairs)


def _chosen(every: list[Group]) -> list[Group]:
    """What fits on two thirds of a page: most states first, in the order of the study."""
    chosen: list[Group] = []
    for group in sorted(every, key=lambda each: -len(each.names)):
        if not chosen or sum(map(_height, chosen)) + _height(group) <= PAGE_MM:
            chosen.append(group)
    return [group for group in every if group in chosen]


def _matrix(axes: Axes, group: Group) -> None:
    """The lower triangle without its diagonal: every pair once."""
    from matplotlib.colors import Normalize, to_hex
    from matplotlib.patches import Rectangle

    down, across = group.names[1:], group.names[:-1]
    tint, scale = cividis(), Normalize(0, 1)
    for pair in group.pairs:
        places = sorted((group.names.index(pair.first), group.names.index(pair.second)))
        column, row = places[0], places[1] - 1
        colour = to_hex(tint(scale(pair.total)))
        axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, edgecolor="white", lw=1))
        axes.text(
            column + 0.5, row + 0.52, number(pair.total, 2), ha="center", va="center", fontsize=7.6,
            color=style.ink_on(colour),
        ).set_in_layout(False)  # fmt: skip
    axes.set(xlim=(0, len(across)), ylim=(len(down), 0))
    axes.set_xticks([place + 0.5 for place in range(len(across))], across, rotation=30, ha="right")
    axes.set_yticks([place + 0.5 for place in range(len(down))], down)
    axes.tick_params(length=0, labelsize=7.6, pad=1)
    axes.spines[:].set_visible(False)


def _heading(group: Group) -> str:
    total = f" {number(group.pairs[0].total, 2)}" if _single(group) else ""
    return f"{group.place}: Jaccard index{total}, chance {_chance(group)}"


def _chance(group: Group) -> str:
    found = [pair.chance for pair in group.pairs]
    low, high = number(min(found), 2), number(max(found), 2)
    return low if low == high else f"{low} to {high}"


def _named(group: Group) -> list[Pair]:
    """The pairs whose lines have names: all of a few, else the most and the least alike."""
    ranked = sorted(group.pairs, key=lambda pair: pair.total)
    return list(group.pairs) if len(ranked) <= MOST_NAMED else [*ranked[:2], *ranked[-3:]]


def _lines(axes: Axes, group: Group) -> None:
    named = _named(group)
    tints = style.marks((pair.name for pair in named), {}, style.PAIRS)
    labels = []
    for pair in sorted(group.pairs, key=named.__contains__):
        if not pair.blocks:
            continue
        look = tints.get(pair.name)
        x, y = list(range(len(pair.blocks))), list(pair.blocks.values())
        few = len(x) <= 12
        axes.plot(
            x, y, color=look.colour if look else "#bbbbbb", lw=1.2 if look else 0.7, mfc="white", ms=3.6,
            marker=look.marker if look and few else "",
        )  # fmt: skip
        if look:
            labels.append(style.Label(pair.name, x[-1], y[-1], look.colour))
    blocks = list(next((pair.blocks for pair in group.pairs if pair.blocks), {}))
    step = -(-len(blocks) // 8)
    axes.set_xticks(range(0, len(blocks), step), [str(each) if each >= 0 else "–" for each in blocks[::step]])
    axes.axhline(group.pairs[0].chance, color=style.INK, lw=0.9, ls=(0, (4, 2)), zorder=1.5)
    axes.set(ylim=(0, 1.03), ylabel="Jaccard index")
    axes.set_xlabel("Decoder block")
    axes.grid(True, axis="y")
    style.end_labels(axes, labels, _height(group) - HEAD_MM)


def _paint(figure: Figure, found: list[Group]) -> None:
    several = len({group.model.id for group in found}) > 1
    parts = figure.subfigures(len(found), 1, squeeze=False, height_ratios=list(map(_height, found)))[:, 0]
    for part, group in zip(parts, found, strict=True):
        shown = [_lines] if _single(group) else [_matrix, _lines] if _lined(group) else [_matrix]
        every = part.subplots(1, len(shown), squeeze=False, width_ratios=(1, 0.9)[: len(shown)])[0]
        for axes, draw_on in zip(every, shown, strict=True):
            draw_on(axes, group)
        model = f"{labelled(group.model)}, " * several
        every[0].set_title(f"{model}{_heading(group)}", loc="left", x=-0.02)


def _sentence(group: Group) -> str:
    ranked = sorted(group.pairs, key=lambda pair: -pair.total)
    shown = ranked if len(ranked) <= MOST_TOLD else [*ranked[:3], *ranked[-3:]]
    parts = [f"{pair.name} {number(pair.total, 3)}" for pair in shown]
    most = "" if len(shown) == len(ranked) else "the most and the least alike are "
    return f"{labelled(group.model)} at {group.place}, chance {_chance(group)}: {most}{', '.join(parts)}."


def draw(results: Results) -> Drawing | None:
    """None when no two states were compared."""
    every = [group for group in groups(results) if group.pairs]
    found = _chosen(every)
    if not found:
        return None
    data = [
        (group.model.id, group.model.label, group.place, pair.first, pair.second, block, value, pair.chance)
        for group in every
        for pair in (*group.pairs, *group.seeds)
        for block, value in (("all", pair.total), *pair.blocks.items())
    ]
    shown = f" {len(found)} of {len(every)} comparisons are shown." if len(found) < len(every) else ""
    lines = any(map(_lined, found))
    grey = " Grey lines are the other pairs." * any(
        len(_named(group)) < len(group.pairs) and _lined(group) for group in found
    )
    where = "By" if all(map(_single, found)) else "Right: the same by"
    right = f" {where} decoder block; dashed is chance.{grey}" * lines
    return Drawing(
        id="mask_overlap",
        title="Overlap of the removed weights",
        svg=style.render("mask_overlap", sum(map(_height, found)), lambda figure: _paint(figure, found)),
        alt="Jaccard indices of pairs of methods. " + " ".join(map(_sentence, found)),
        caption="Weights that both states remove over weights that either removes (Jaccard index; counted, exact; a "
        f"fraction of 1) over all targeted matrices, for states of equal pattern and requested sparsity.{right} "
        "Chance is what two independent random masks of these sparsities would share. "
        f"{models_phrase({group.model.id: group.model for group in found}.values())}{shown}",
        how_to_read="1 is the same mask; at the chance level two methods choose as if they knew nothing of each other.",
        csv=csv_text(("model", "label", "at", "first", "second", "block", "jaccard", "chance"), data),
    )
