"""`results.csv`: one measurement a row, with everything that tells it apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .drawing import csv_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..results.model import Results

HEADER = (
    "cell",
    "node",
    "variant",
    "model",
    "label",
    "stages",
    "format",
    "replicate",
    "status",
    "metric",
    "value",
    "unit",
    "kind",
    "noise",
    "direction",
    "conditions",
    "ci_low",
    "ci_high",
    "n",
    "anchor",
)


def _pairs(values: dict[str, object]) -> str:
    return ";".join(f"{key}={value}" for key, value in values.items())


def rows(results: Results) -> Iterator[tuple[object, ...]]:
    """Every number of every cell, in the order of `HEADER`; a cell without numbers has one row with its status."""
    labels = {model.id: model.label for model in results.models}
    for cell in results.cells:
        where = cell.variant
        stages = " > ".join(
            f"{stage.op}:{stage.entry}({_pairs(stage.params)};seed={stage.seed})" for stage in where.stages
        )
        form = f"{where.format.entry}({_pairs(where.format.params)})"
        model = (where.id, where.model, labels[where.model])
        head = (cell.id, cell.node, *model, stages, form, where.replicate, cell.status)
        if not cell.metrics:
            yield (*head, *(None,) * (len(HEADER) - len(head)))
        for each in cell.metrics:
            number = (each.metric, each.value, each.unit, each.kind, each.noise, each.direction)
            yield (*head, *number, _pairs(dict(each.conditions)), *(each.ci or (None, None)), each.n, each.anchor)


def results_csv(results: Results) -> str:
    """`results.csv` as text."""
    return csv_text(HEADER, rows(results))
