"""The decoder block of the study's model, with its real matrices: which parts are pruned and which stay dense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import style
from ..drawing import Drawing, csv_text
from .cells import labelled, models_phrase

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...results.model import ModelRecord, Results

PARALLEL = ("GPTNeoXForCausalLM", "PhiForCausalLM", "GPTJForCausalLM")
"""Attention and MLP read the same input here and are added together."""
TINT, LINES = "#d6e8f4", "#93c1de"
# Millimetres, from left to right.
EMBEDDING_X, FRAME_X, NORM_X, INPUT_X, MIDDLE_X, OUTPUT_X, SUM_X, FRAME_END, HEAD_X = (
    0,
    20,
    24,
    36,
    69,
    85.5,
    120,
    125,
    129,
)
SIDE, SMALL, WIDE, MIDDLE, TALL, STEP = 16.5, 9, 30, 13.5, 7.2, 8.4


@dataclass(frozen=True)
class Part:
    """Matrices of one name in all blocks; `pruned` counts those that are targeted."""

    name: str
    shape: str
    pruned: int
    count: int

    @property
    def words(self) -> str:
        some = f" ({self.pruned} of {self.count})" if 0 < self.pruned < self.count else ""
        return f"{self.name}\n{self.shape}{some}"


def parts_of(model: ModelRecord, group: str) -> list[Part]:
    """The parts of a group in the order of the model, the one that writes into the residual stream last."""
    found: dict[str, Part] = {}
    for matrix in model.matrices:
        if matrix.group == group:
            name = matrix.name.rsplit(".", 1)[-1]
            old = found.get(name, Part(name, f"{matrix.rows:,} × {matrix.cols:,}", 0, 0))
            pruned = old.pruned + (matrix.count if matrix.targeted else 0)
            found[name] = Part(name, old.shape, pruned, old.count + matrix.count)
    return list(found.values())


def _box(axes: Axes, x: float, y: float, width: float, height: float, words: str, pruned: bool = False) -> None:
    """A box around (x …, y ± height/2)."""
    from matplotlib.patches import Rectangle

    corner = (x, y - height / 2)
    fill, hatch = (TINT, "////") if pruned else (style.PLAIN, None)
    axes.add_patch(Rectangle(corner, width, height, lw=0, facecolor=fill, hatch=hatch, edgecolor=LINES))
    axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=style.INK, lw=0.7))
    axes.text(x + width / 2, y, words, ha="center", va="center", fontsize=7.6, linespacing=1.05)


def _arrow(axes: Axes, *points: tuple[float, float]) -> None:
    """A line through the points with a head at its end."""
    x, y = zip(*points[:-1], strict=True)
    if len(points) > 2:
        axes.plot(x, y, color=style.INK, lw=0.8, solid_joinstyle="miter")
    axes.annotate(
        "",
        points[-1],
        points[-2],
        arrowprops={
            "arrowstyle": "-|>,head_width=0.14,head_length=0.28",
            "lw": 0.8,
            "color": style.INK,
            "shrinkA": 0,
            "shrinkB": 0,
            "mutation_scale": 9,
        },
    )


def _sum(axes: Axes, y: float) -> None:
    from matplotlib.patches import Circle

    axes.add_patch(Circle((SUM_X, y), 2, facecolor="white", edgecolor=style.INK, lw=0.7, zorder=3))
    axes.plot([SUM_X - 1.2, SUM_X + 1.2], [y, y], color=style.INK, lw=0.7, zorder=4)
    axes.plot([SUM_X, SUM_X], [y - 1.2, y + 1.2], color=style.INK, lw=0.7, zorder=4)


def _row(axes: Axes, y: float, title: str, parts: list[Part], middle: str) -> float:
    """norm → input matrices → middle → output matrix, around height y; returns the height of the row's upper edge."""
    inputs, output = parts[:-1], parts[-1]
    edge = y + max(len(inputs), 1) * STEP / 2
    axes.text(NORM_X, edge + 0.6, title, va="bottom", fontsize=8, fontweight="bold")
    _box(axes, NORM_X, y, SMALL, TALL, "norm")
    for place, part in enumerate(inputs):
        height = y + ((len(inputs) - 1) / 2 - place) * STEP
        _arrow(axes, (NORM_X + SMALL, y), (NORM_X + SMALL + 1.4, y), (NORM_X + SMALL + 1.4, height), (INPUT_X, height))
        _box(axes, INPUT_X, height, WIDE, TALL, part.words, part.pruned > 0)
        turn = INPUT_X + WIDE + 1.2
        _arrow(axes, (INPUT_X + WIDE, height), (turn, height), (turn, y), (MIDDLE_X, y))
    _box(axes, MIDDLE_X, y, MIDDLE, TALL, middle)
    _arrow(axes, (MIDDLE_X + MIDDLE, y), (OUTPUT_X, y))
    _box(axes, OUTPUT_X, y, WIDE, TALL, output.words, output.pruned > 0)
    return edge


def _heights(model: ModelRecord) -> tuple[float, float, float]:
    """Middle of the MLP row, middle of the attention row, and the whole height."""
    attention, mlp = (max(len(parts_of(model, group)) - 1, 1) * STEP for group in ("attention_linear", "mlp_linear"))
    low = 5 + mlp / 2
    high = low + mlp / 2 + 11 + attention / 2
    return low, high, high + attention / 2 + 11


def _block(axes: Axes, model: ModelRecord, low: float, high: float, top: float) -> None:
    from matplotlib.patches import Rectangle

    frame = Rectangle(
        (FRAME_X, 0), FRAME_END - FRAME_X, top - 5, fill=False, edgecolor=style.MUTED, lw=0.8, ls=(0, (4, 2))
    )
    axes.add_patch(frame)
    axes.text(FRAME_X, top - 4.2, f"decoder block, repeated {model.blocks} ×", va="bottom", fontsize=8.5)
    edge = _row(axes, high, "attention", parts_of(model, "attention_linear"), "softmax\nattention")
    gated = len(parts_of(model, "mlp_linear")) > 2
    activation = model.activation or "activation"
    lower = _row(axes, low, "MLP", parts_of(model, "mlp_linear"), f"{activation}\n× gate" if gated else activation)
    start, between = FRAME_X + 2, lower + 5.5
    _arrow(axes, (EMBEDDING_X + SIDE, high), (NORM_X, high))
    _arrow(axes, (OUTPUT_X + WIDE, low), (SUM_X - 2, low))
    if model.architecture in PARALLEL:
        _arrow(axes, (start, high), (start, low), (NORM_X, low))
        _arrow(axes, (OUTPUT_X + WIDE, high), (SUM_X, high), (SUM_X, low + 2))
    else:
        over = edge + 4.2
        _arrow(axes, (start, high), (start, over), (SUM_X, over), (SUM_X, high + 2))
        _arrow(axes, (OUTPUT_X + WIDE, high), (SUM_X - 2, high))
        _sum(axes, high)
        _arrow(axes, (SUM_X, high - 2), (SUM_X, between), (start, between), (start, low), (NORM_X, low))
    under = 1.6
    _arrow(axes, (start, low), (start, under), (SUM_X, under), (SUM_X, low - 2))
    _sum(axes, low)


def _diagram(axes: Axes, model: ModelRecord) -> None:
    low, high, top = _heights(model)
    head = parts_of(model, "lm_head")
    pruned = any(part.pruned for part in head)
    _box(
        axes,
        EMBEDDING_X,
        high,
        SIDE,
        11,
        f"embedding\n{model.vocabulary:,} ×\n{model.hidden:,}",
        pruned and model.tied_embeddings,
    )
    axes.text(EMBEDDING_X + SIDE / 2, high - 12, "tokens", ha="center", va="top")
    _arrow(axes, (EMBEDDING_X + SIDE / 2, high - 11.4), (EMBEDDING_X + SIDE / 2, high - 5.5))
    _block(axes, model, low, high, top)
    middle = HEAD_X + SIDE / 2
    _arrow(axes, (SUM_X + 2, low), (HEAD_X, low))
    _box(axes, HEAD_X, low, SIDE, TALL, "norm")
    lm_head = low + 17
    _arrow(axes, (middle, low + TALL / 2), (middle, lm_head - 5.5))
    _box(
        axes, HEAD_X, lm_head, SIDE, 11, "LM head" + ("\n(tied to\nembedding)" if model.tied_embeddings else ""), pruned
    )
    _arrow(axes, (middle, lm_head + 5.5), (middle, lm_head + 11))
    axes.text(middle, lm_head + 11.6, "logits", ha="center", va="bottom")
    axes.set(xlim=(-0.5, HEAD_X + SIDE + 0.5), ylim=(-0.5, top), aspect="equal")
    axes.set_axis_off()


def _paint(figure: Figure, models: list[ModelRecord]) -> None:
    from matplotlib.patches import Patch

    parts = style.bands(figure, [labelled(model) for model in models], [_heights(model)[2] + 4 for model in models])
    for part, model in zip(parts, models, strict=True):
        _diagram(part.subplots(), model)
    figure.legend(
        handles=[
            Patch(facecolor=TINT, hatch="////", edgecolor=LINES, label="pruned"),
            Patch(facecolor=style.PLAIN, edgecolor=style.INK, label="stays dense"),
        ],
        loc="outside lower center",
        ncols=2,
    )


def _sentence(model: ModelRecord) -> str:
    parts = [part for group in ("attention_linear", "mlp_linear", "lm_head") for part in parts_of(model, group)]
    pruned = [f"{part.name} ({part.shape})" for part in parts if part.pruned]
    dense = ["embedding", "norms", *(part.name for part in parts if not part.pruned)]
    return (
        f"{labelled(model)}: {model.blocks} blocks of attention and MLP; "
        f"pruned are {', '.join(pruned) or 'no matrices'}; dense stay {', '.join(dense)}."
    )


def draw(results: Results) -> Drawing | None:
    """None when no model lists the matrices of both sub-layers."""
    models = [
        model for model in results.models if parts_of(model, "attention_linear") and parts_of(model, "mlp_linear")
    ]
    if not models:
        return None
    data = [
        (model.id, model.label, each.name, each.group, each.rows, each.cols, each.count, each.targeted)
        for model in models
        for each in model.matrices
    ]
    height = sum(_heights(model)[2] + 6 for model in models) + 5
    return Drawing(
        id="block_diagram",
        title="The decoder block and its pruned parts",
        svg=style.render("block_diagram", height, lambda figure: _paint(figure, models)),
        alt="Block diagram of the decoder. " + " ".join(map(_sentence, models)),
        caption="Schematic of the model with the names and shapes (out × in) of its matrices, as loaded; hatched parts "
        f"are pruned in this study. Additions are residual connections. {models_phrase(models)}",
        how_to_read="Follow the arrows from tokens to logits; only hatched boxes can contain zeros after pruning.",
        csv=csv_text(("model", "label", "matrix", "group", "rows", "cols", "count", "targeted"), data),
    )
