"""Which groups the parameters are in, and which of them the study prunes: the ceiling of any compression."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import style
from ..drawing import Drawing, csv_text
from ..numbers import count, percent
from .cells import group_name, labelled, models_phrase

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...results.model import GroupRecord, ModelRecord, Results

PRUNED, KEPT = style.Mark(style.BLUE, "////"), style.Mark("#d9d9d9")


def _targeted(model: ModelRecord) -> set[str]:
    return {matrix.group for matrix in model.matrices if matrix.targeted}


def _words(group: GroupRecord, model: ModelRecord) -> str:
    if group.tied_to:
        return f"tied to {group_name(group.tied_to)}: counted there"
    return f"{percent(group.parameters / model.parameters)} ({count(group.parameters)})"


def _bars(axes: Axes, model: ModelRecord) -> None:
    targeted = _targeted(model)
    for place, group in enumerate(model.groups):
        pruned = group.group in targeted
        look = PRUNED if pruned else KEPT
        share = 100 * group.parameters / model.parameters
        axes.barh(place, share, 0.7, color=look.colour, hatch=look.hatch, edgecolor=style.INK if share else "none")
        axes.annotate(_words(group, model), (share, place), (4, 0), textcoords="offset points", va="center")
    axes.set(xlim=(0, 100), ylim=(len(model.groups) - 0.4, -0.6), xlabel="Share of the model’s parameters (%)")
    axes.set_yticks(range(len(model.groups)), [group_name(each.group) for each in model.groups])
    axes.tick_params(axis="y", length=0)
    axes.set_title(f"{labelled(model)}: {model.parameters:,} parameters", fontweight="bold")


def _paint(figure: Figure, models: list[ModelRecord]) -> None:
    from matplotlib.patches import Patch

    for (axes,), model in zip(figure.subplots(len(models), 1, squeeze=False), models, strict=True):
        _bars(axes, model)
    kinds = [
        Patch(facecolor=PRUNED.colour, hatch=PRUNED.hatch, edgecolor=style.INK, label="pruned"),
        Patch(facecolor=KEPT.colour, edgecolor=style.INK, label="kept dense"),
    ]
    figure.axes[0].legend(handles=kinds, loc="lower right")


def _sentence(model: ModelRecord) -> str:
    shares = (f"{group_name(each.group)} {_words(each, model)}" for each in model.groups)
    return f"{labelled(model)}, {model.parameters:,} parameters: {'; '.join(shares)}."


def draw(results: Results) -> Drawing | None:
    """None when no model lists its groups."""
    models = [model for model in results.models if model.groups and model.parameters]
    if not models:
        return None
    data = [
        (model.id, model.label, each.group, each.parameters, each.parameters / model.parameters, each.tied_to,
         each.group in _targeted(model))
        for model in models
        for each in model.groups
    ]  # fmt: skip
    return Drawing(
        id="parameter_fraction",
        title="Parameters by group",
        svg=style.render(
            "parameter_fraction", sum(5.2 * len(model.groups) + 15 for model in models), lambda fig: _paint(fig, models)
        ),
        alt="Bar chart of each group’s share of the parameters. " + " ".join(map(_sentence, models)),
        caption="Each group’s share of the parameters, which pruning does not change (counted, exact); groups that the "
        f"study prunes are hatched, tied weights are counted once. {models_phrase(models)}",
        how_to_read="The grey bars stay dense: they limit how much smaller the whole model can become.",
        csv=csv_text(("model", "label", "group", "parameters", "fraction", "tied_to", "targeted"), data),
    )
