"""Where the time of a forward goes: shares of linear layers, attention, head, small modules and framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, steps, style
from ..drawing import Drawing, csv_text
from ..numbers import percent, seconds
from .cells import Names, choose, labelled, models_phrase, shown_of
from .stacks import Scale, Stack, paint_stacks, stack_height

if TYPE_CHECKING:
    from ...results.model import CellRecord, ModelRecord, Results
    from ..steps import Shares
    from .stacks import Facet

LOOKS = {
    "target_linear": style.Mark(style.BLUE, ""),
    "other_linear": style.Mark(style.SKY, "////"),
    "attention": style.Mark(style.ORANGE, "\\\\\\\\"),
    "lm_head": style.Mark(style.PURPLE, "xxxx"),
    "norm_activation": style.Mark(style.YELLOW, "----"),
    "framework": style.Mark("#d9d9d9", ""),
}
SCALE = Scale(0.01, "Share of the time (%)")
Row = tuple["ModelRecord", str, "list[Shares]"]


def _first(cell: CellRecord, phase: str) -> Shares | None:
    """The cell's shares in a phase at its first point."""
    return next((each for each in steps.shares(cell) if each.phase == phase), None)


def profiled(results: Results) -> list[tuple[ModelRecord, list[CellRecord]]]:
    """Models with the cells that have shares."""
    every = [(model, [c for c in facts.cells_of(results, model) if c.find("time_share")]) for model in results.models]
    return [(model, cells) for model, cells in every if cells]


def _rows(every: list[tuple[ModelRecord, list[CellRecord]]]) -> list[Row]:
    rows = []
    for model, cells in every:
        for phase in steps.PHASES:
            found = [each for cell in choose(cells) if (each := _first(cell, phase)) is not None]
            rows.append((model, phase, found))
    return [row for row in rows if row[2]]


def _stack(found: Shares, naming: Names) -> Stack:
    parts = {part: found.value(part) for part in steps.PART_NAMES if found.value(part) > 0}
    latency = facts.value(found.cell, f"{found.phase}_latency_s", **found.point)
    return Stack(naming.cell(found.cell), parts, "" if latency is None else seconds(latency))


def _words(found: Shares, naming: Names) -> str:
    parts = [
        f"{name} {percent(found.value(part), 0)}" for part, name in steps.PART_NAMES.items() if found.value(part) > 0
    ]
    return f"{naming.cell(found.cell)} {', '.join(parts)}"


def draw(results: Results) -> Drawing | None:
    """None when nothing was profiled."""
    naming, every = Names.of(results), profiled(results)
    rows = _rows(every)
    if not rows:
        return None
    # The caption names the model; as titles side by side its name would overlap itself.
    one_model = len({model.id for model, *_ in rows}) == 1
    facets: list[Facet] = [
        (phase if one_model else f"{labelled(model)}, {phase}", [_stack(each, naming) for each in found])
        for model, phase, found in rows
    ]
    data = [
        (model.id, model.label, each.cell.id, naming.cell(each.cell), phase, *each.point.values(), part, record.value,
         *(record.ci or (None, None)), record.n)
        for model, phase, found in rows
        for each in found
        for part, record in each.parts.items()
    ]  # fmt: skip
    header = (
        "model",
        "label",
        "cell",
        "name",
        "phase",
        *rows[0][2][0].point,
        "part",
        "share",
        "ci_low",
        "ci_high",
        "n",
    )
    rounds = [record.n for *_, found in rows for each in found for record in each.parts.values() if record.n]
    shown = len({each.cell.id for *_, found in rows for each in found})
    sentences = (
        f"{title}: {'; '.join(_words(e, naming) for e in row[2])}."
        for (title, _), row in zip(facets, rows, strict=True)
    )
    return Drawing(
        id="time_shares",
        title="Where the time of a forward goes",
        svg=style.render(
            "time_shares",
            stack_height(facets),
            lambda figure: paint_stacks(figure, facets, LOOKS, steps.PART_TITLES.__getitem__, SCALE),
        ),
        alt="Stacked bar chart of the shares of a forward’s time. " + " ".join(sentences),
        caption="Shares of the time of a forward (measured inside the running model; medians, "
        f"n ≥ {min(rounds, default=0)} rounds, intervals in the table), at the first timed point; beside the bars the "
        f"median time. {models_phrase(model for model, _ in every)}{shown_of(shown, sum(len(c) for _, c in every))}",
        how_to_read="Only what is in the first part can become faster by pruning; the longer the others, the less of "
        "it reaches the reader.",
        csv=csv_text(header, data),
    )
