"""
The one visual language of all figures: what each format, method, group and component looks like, and the page.

Colours are those of Okabe and Ito (2008), told apart with any colour vision; hatches and markers say the same again
for print without colour. Hatches are of lines only: dots make an SVG heavy. Figures are drawn for a text column of
146 mm, in the face of the text.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure, SubFigure

COLUMN_MM = 146
INK = "#222222"
MUTED = "#666666"
GRID = "#dddddd"
PLAIN = "#f0f0f0"
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip


@dataclass(frozen=True)
class Mark:
    """How a thing looks in every figure: fill and line colour, bar hatch, point marker."""

    colour: str
    hatch: str = ""
    marker: str = "o"


# Hatches are lines: one of dots is a hundred kilobytes of circles in every SVG that has it.
FORMATS = {
    "dense": Mark(BLUE, "", "o"),
    "masked": Mark(ORANGE, "////", "s"),
    "csr": Mark(GREEN, "\\\\\\\\", "^"),
    "nm": Mark(PURPLE, "xxxx", "D"),
    "csc": Mark("#117733", "||||", "<"),
    "bsr": Mark("#882255", "++", "h"),
    "semi-structured": Mark("#6B6B00", "xx", "d"),
    "bitmask": Mark(SKY, "----", "v"),
    "block": Mark(VERMILION, "++++", "P"),
}
METHODS = {
    "magnitude": Mark(BLUE, "", "o"),
    "random": Mark(MUTED, "----", "X"),
    "wanda": Mark(VERMILION, "////", "s"),
    "sparsegpt": Mark(GREEN, "xxxx", "^"),
    "ria": Mark("#882255", "\\\\\\\\", "D"),
    "dsnot": Mark("#AA4499", "++++", "P"),
    "alps": Mark(BLACK, "||||", "v"),
}
METHOD_SPARE = (
    Mark("#8C510A", "////", "p"),
    Mark("#332288", "xxxx", "<"),
    Mark("#6B6B00", "\\\\\\\\", ">"),
    Mark("#00707F", "----", "h"),
    Mark("#CC3377", "++++", "d"),
)
"""Methods are lines: their colours need more contrast than those of bars (Okabe and Ito's, then Tol's dark ones)."""
PAIRS = (
    Mark(BLUE, "", "o"), Mark(VERMILION, "", "s"), Mark(GREEN, "", "^"), Mark("#882255", "", "D"),
    Mark(MUTED, "", "X"), Mark("#8C510A", "", "v"),
)  # fmt: skip
"""Lines for pairs of methods, which have no colour of their own."""
LINES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1, 1.3)), (0, (5, 1.3, 1, 1.3)), (0, (5, 1.2, 1, 1.2, 1, 1.2)))
"""Of the series of one method, in their order."""
GROUPS = {
    "embedding": Mark(YELLOW, "\\\\\\\\"),
    "attention_linear": Mark(BLUE, ""),
    "mlp_linear": Mark(ORANGE, "////"),
    "lm_head": Mark(PURPLE, "xxxx"),
    "norm": Mark(SKY, "----"),
}
COMPONENTS = {
    "rest": Mark("#d9d9d9", ""),
    "dense": Mark(BLUE, ""),
    "values": Mark(SKY, "////"),
    "indices": Mark(VERMILION, "\\\\\\\\"),
    "pointers": Mark(BLACK, ""),
    "positions": Mark(YELLOW, "xxxx"),
    "mask": Mark(ORANGE, "||||"),
    "permutation": Mark(PURPLE, "----"),
}
SPARE = (
    Mark(PURPLE, "----", "D"),
    Mark(ORANGE, "\\\\\\\\", "v"),
    Mark(SKY, "++++", "P"),
    Mark(BLACK, "||||", "p"),
    Mark(GREEN, "////", "<"),
    Mark(BLUE, "++++", ">"),
)

_RC: dict[Any, Any] = {
    "font.family": ["STIXGeneral", "DejaVu Sans"], "mathtext.fontset": "stix", "font.size": 8.5, "axes.titlesize": 8.5,
    "axes.labelsize": 8.5, "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8, "text.color": INK,
    "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.titlelocation": "left",
    "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4, "xtick.major.size": 3, "ytick.major.size": 3, "axes.spines.top": False,
    "axes.spines.right": False, "axes.axisbelow": True, "axes.grid": False, "grid.color": GRID,
    "grid.linewidth": 0.45, "lines.linewidth": 1.2, "lines.markersize": 4.5, "lines.markeredgewidth": 0.9,
    "errorbar.capsize": 2, "hatch.linewidth": 0.45, "patch.linewidth": 0.6, "legend.frameon": False,
    "legend.handlelength": 1.6, "legend.borderaxespad": 0, "figure.facecolor": "none", "axes.facecolor": "none",
    "svg.fonttype": "path",
    "axes.formatter.useoffset": False, "text.parse_math": False,
}  # fmt: skip


def marks(names: Iterable[str], known: Mapping[str, Mark], others: Sequence[Mark] = SPARE) -> dict[str, Mark]:
    """A mark for every name: the fixed one where there is one, else the spare ones in order of appearance."""
    spare = cycle(others)
    return {name: known.get(name) or next(spare) for name in dict.fromkeys(names)}


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two "#rrggbb" colours, 1 to 21 (WCAG 2.1)."""
    high, low = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ink_on(colour: str) -> str:
    """The colour of text on a fill: dark or white, whichever is easier to read."""
    return max((INK, "#ffffff"), key=lambda ink: contrast(ink, colour))


def render(name: str, height_mm: float, paint: Callable[[Figure], None], width_mm: float = COLUMN_MM) -> str:
    """The SVG that `paint` draws on an empty figure. Equal input gives equal bytes: `name` salts its identifiers."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_RC | {"svg.hashsalt": name}):
        figure = Figure(figsize=(width_mm / 25.4, height_mm / 25.4), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03)  # type: ignore[union-attr,call-arg] # constrained has both
        paint(figure)
        buffer = io.StringIO()
        _save(figure, buffer)
    return lighter(buffer.getvalue())


def _save(figure: Figure, buffer: io.StringIO) -> None:
    """
    As `savefig`, which draws everything once without a result only to arrange the parts: here they are arranged alone.

    Rasters within have the 100 dots per inch of matplotlib's figures; all else is in points.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    canvas, engine = FigureCanvasSVG(figure), figure.get_layout_engine()
    assert engine is not None
    saved, figure.dpi = figure.dpi, 72
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) if not axis.get_label_text()):
        axis.set_label_coords(0, 0)  # else all numbers of the axis are measured to find a place for no label
    if figure.axes:
        engine.execute(figure)
    figure.set_layout_engine("none")
    figure.dpi = saved
    canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call] # matplotlib's


def bands(figure: Figure, titles: Sequence[str], heights: Sequence[float]) -> list[Figure | SubFigure]:
    """One part of the figure for each model, one below the other; titled where there are several."""
    if len(titles) == 1:
        return [figure]
    parts: list[Figure | SubFigure] = list(
        figure.subfigures(len(titles), 1, squeeze=False, height_ratios=heights)[:, 0]
    )
    for part, title in zip(parts, titles, strict=True):
        part.suptitle(title, x=0.01, ha="left", fontsize=8.5, fontweight="bold")
    return parts


def plain_log_ticks(axis: Axis) -> None:
    """A logarithmic axis with its numbers written out, at 1, 2 and 5 of every decade."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axis.set_minor_formatter(NullFormatter())


@dataclass(frozen=True)
class Label:
    """What a line is called, beside its last point."""

    text: str
    x: float
    y: float
    colour: str = INK


def end_labels(axes: Axes, labels: Sequence[Label], height_mm: float, line_mm: float = 3.4) -> None:
    """
    Names to the right of the axes, each at the height of its line's end, moved apart where they would touch.

    A hairline leads from the last point to its name. The limits of the axes must be set; `height_mm` is about their
    height on the page. Labels that find no room between the edges of the axes hang over them evenly.
    """
    from matplotlib.lines import Line2D

    to_axes = axes.transScale + axes.transLimits
    ends = [to_axes.transform((each.x, each.y)) for each in labels]
    heights = [min(max(float(y), 0.0), 0.97) for _, y in ends]  # an end outside of the axes is marked at their edge
    for label, (x, _), end, place in zip(labels, ends, heights, spread(heights, line_mm / height_mm), strict=True):
        # A line of its own costs the layout nothing; the arrow of an annotation is measured by its curves.
        dots: dict[str, Any] = {"lw": 0.45, "ls": (0, (1, 1)), "color": label.colour, "zorder": 1.9, "clip_on": False}
        axes.add_artist(Line2D((float(x), 1.025), (end, place), transform=axes.transAxes, **dots)).set_in_layout(False)
        axes.text(
            1.035, place, label.text, transform=axes.transAxes, va="center", fontsize=7.6, color=label.colour
        )  # fmt: skip


def lighter(svg: str) -> str:
    """
    The same picture in about half the bytes: without prologue, comments, group names and blanks.

    Labels keep their words, as the name of their outlines.
    Coordinates keep two decimals (of a point); scales keep all of theirs.
    """
    svg = re.sub(r"<!-- ([^<]*?) -->\s*<g (?=style)", _with_label, svg)
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"(?<=#|\")STIXGeneral-(\w)\w*-", r"\1", svg)
    svg = re.sub(r'(<use [^>]*?)transform="translate\(([^ )]+) ([^ )]+)\)"', r'\1x="\2" y="\3"', svg)
    svg = re.sub(r"scale\([^)]*\)|-?\d+\.\d{3,}", _two_decimals, svg)
    # Matplotlib names a clipping rectangle after all digits of its corners, the last of which are the solver's noise.
    clips = dict.fromkeys(re.findall(r'<clipPath id="([^"]+)"', svg))
    for place, name in enumerate(clips):
        svg = svg.replace(name, f"clip{place}")
    return re.sub(r">\s+<", "><", re.sub(r"\s+", " ", svg)).strip()


def _with_label(found: re.Match[str]) -> str:
    """What a label says, which matplotlib writes into a comment before its outlines, as an attribute of theirs."""
    return f'<g aria-label="{found[1].replace(chr(34), "&quot;")}" '


def _two_decimals(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith("scale") else f"{float(found[0]):.2f}".rstrip("0").rstrip(".")


def spread(wanted: list[float], gap: float) -> list[float]:
    """
    Positions close to the wanted ones, in their order, at least `gap` apart: places for labels.

    Neighbours that would touch form a cluster around the mean of what they wanted (one pass of isotonic regression).
    """
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    clusters: list[list[float]] = []
    for rank, index in enumerate(order):
        clusters.append([wanted[index] - rank * gap])
        while len(clusters) > 1 and _mean(clusters[-2]) > _mean(clusters[-1]):
            clusters[-2:] = [clusters[-2] + clusters[-1]]
    flat = [_mean(cluster) for cluster in clusters for _ in cluster]
    placed = [0.0] * len(wanted)
    for rank, index in enumerate(order):
        placed[index] = flat[rank] + rank * gap
    return placed


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
