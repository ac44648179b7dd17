"""The smallest results that comparisons and expectations can be made of: one model, dense, masked and CSR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparsity_report.results.model import (
    CellRecord,
    EnvironmentRecord,
    FormatRecord,
    Measurement,
    ModelRecord,
    Results,
    SpecRecord,
    StageRecord,
    StudyRecord,
    ToolRecord,
    VariantRecord,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

PRUNED = StageRecord(
    op="prune", entry="magnitude", params={"pattern": "unstructured", "scope": "global", "sparsity": "0.3"}
)


def stored(value: int, **conditions: str) -> Measurement:
    return Measurement(
        metric="stored_bytes",
        value=value,
        unit="B",
        kind="counted",
        noise="exact",
        direction="lower",
        conditions=conditions,
    )


def perplexity(value: float | None, ci: tuple[float, float] | None = None) -> Measurement:
    return Measurement(
        metric="perplexity",
        value=value,
        unit="1",
        kind="measured",
        noise="float",
        direction="lower",
        conditions={"corpus": "embedded"},
        ci=ci,
    )


def timing(metric: str, value: float, ci: tuple[float, float] | None, direction: Any = "lower") -> Measurement:
    return Measurement(
        metric=metric,
        value=value,
        unit="s" if direction == "lower" else "1",
        kind="measured",
        noise="timing",
        direction=direction,
        conditions={"batch": 1, "prompt": 128},
        ci=ci,
    )


def cell(name: str, *metrics: Measurement, status: Any = "ok", reason: str = "") -> CellRecord:
    """`dense` is the reference; "masked" and "csr" are the formats of one node."""
    dense = name == "dense"
    params = {"index": "int32"} if name == "csr" else {}
    variant = VariantRecord(
        id="dense" if dense else "course",
        model="tiny",
        stages=() if dense else (PRUNED,),
        format=FormatRecord(entry=name, params=params),
    )
    node = "root" if dense else "node"
    return CellRecord(id=name, node=node, variant=variant, status=status, reason=reason, metrics=metrics)


def pruned(
    name: str, *metrics: Measurement, method: str = "magnitude", pattern: str = "unstructured", sparsity: str = "0.5"
) -> CellRecord:
    """A masked cell of a node of its own; N:M has no sparsity."""
    params = {"pattern": pattern} | ({} if ":" in pattern and "block" not in pattern else {"sparsity": sparsity})
    variant = VariantRecord(
        id=method,
        model="tiny",
        stages=(StageRecord(op="prune", entry=method, params=params),),
        format=FormatRecord(entry="masked"),
    )
    return CellRecord(id=name, node=name, variant=variant, status="ok", metrics=metrics)


def scanned(*values: float, half_width: float = 0.0) -> tuple[Measurement, ...]:
    """The scan's value for each block, at 50 %."""
    return tuple(
        Measurement(
            metric="nll_increase",
            value=value,
            kind="measured",
            noise="float",
            conditions={"block": block, "sparsity": 0.5, "method": "magnitude"},
            ci=(value - half_width, value + half_width),
        )
        for block, value in enumerate(values)
    )


def results(*cells: CellRecord, fingerprint: str = "machine", data: Sequence[Any] = ()) -> Results:
    model = ModelRecord(
        id="tiny",
        source="bundled:tiny",
        kind="bundled",
        architecture="opt",
        dtype="float32",
        parameters=10,
        prunable=5,
        bytes=40,
        blocks=1,
        hidden=2,
        vocabulary=4,
    )
    return Results(
        tool=ToolRecord(version="0"),
        study=StudyRecord(title="Tiny", slug="tiny"),
        spec=SpecRecord(text="", sha256=""),
        models=(model,),
        data=tuple(data),
        environment=EnvironmentRecord(fingerprint=fingerprint),
        cells=cells,
    )
