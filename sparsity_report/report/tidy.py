"""`results.csv`: one measurement a row, with everything that tells it apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .drawing import csv_text

if TYPE_CHECKING:
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


def results_csv(results: Results) -> str:
    """Every number of every cell; a cell without numbers has one row with its status."""
    labels = {model.id: model.label for model in results.models}
    rows: list[tuple[object, ...]] = []
    for cell in results.cells:
        where = cell.variant
        stages = " > ".join(
            f"{stage.op}:{stage.entry}({_pairs(stage.params)};seed={stage.seed})" for stage in where.stages
        )
        form = f"{where.format.entry}({_pairs(where.format.params)})"
        head = (
            cell.id,
            cell.node,
            where.id,
            where.model,
            labels[where.model],
            stages,
            form,
            where.replicate,
            cell.status,
        )
        if not cell.metrics:
            rows.append((*head, *(None,) * 11))
        for each in cell.metrics:
            low, high = each.ci or (None, None)
            conditions = _pairs(dict(each.conditions))
            rows.append(
                (
                    *head,
                    each.metric,
                    each.value,
                    each.unit,
                    each.kind,
                    each.noise,
                    each.direction,
                    conditions,
                    low,
                    high,
                    each.n,
                    each.anchor,
                )
            )
    return csv_text(HEADER, rows)
