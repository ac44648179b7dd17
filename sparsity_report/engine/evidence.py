"""What an allocation reads of the dense model: outlier ratios and the sensitivity scan; measured once and kept."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .. import registry
from ..allocation import Evidence
from ..allocation.owl import outlier_ratio
from ..planning import digest
from ..results.model import SensitivityRecord
from ..results.sealed import read_entry, write_entry
from .scan import scan
from .walk import blocks_of, statistics_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..contracts import Stage
    from ..spec.model import Sensitivity
    from .prepare import CalibrationSet, Prepared

VERSION = 2
"""Raise it when the evidence's own arithmetic changes numbers."""


def kept_or_made(folder: Path, key: list[Any], make: Callable[[], Any]) -> Any:
    """Plain data from the run folder, or made now and kept there."""
    name = digest([VERSION, *key])[:16]
    file = folder / "evidence" / f"{name}.json"
    found = read_entry(file)
    if found is None:
        found = make()
        write_entry(file, found)
    return found


def outliers(prepared: Prepared, calibration: CalibrationSet, multiple: float, folder: Path) -> dict[int, float]:
    """Per cent of each block's |W|·rms(x) above `multiple` times their mean, on the dense model (OWL)."""

    def make() -> list[tuple[int, float]]:
        dense, targets = prepared.dense, blocks_of(prepared.dense)
        return [
            (
                block,
                outlier_ratio(
                    [
                        dense.weight_OI(matrix).float().abs() * found[matrix.input_group].rms_I
                        for matrix in targets[block]
                    ],
                    multiple,
                ),
            )
            for block, found in statistics_of(dense, prepared.blocks, calibration.windows.ids, ("sq_sum",))
        ]

    pairs = kept_or_made(folder, [*_looked_at(prepared, calibration), multiple], make)
    return {int(block): float(share) for block, share in pairs}


def sensitivity(
    prepared: Prepared, wanted: Sensitivity, folder: Path, calibration: CalibrationSet | None
) -> SensitivityRecord:
    """The scan on a calibration set, or on the evaluation's text where there is none."""
    ids = prepared.windows.ids if calibration is None else calibration.windows.ids

    def make() -> dict[str, Any]:
        return scan(
            prepared.dense,
            prepared.blocks,
            ids,
            model=prepared.model.name,
            method=wanted.method,
            sparsities=[Decimal(each) for each in wanted.sparsity],
        ).model_dump(mode="json")

    key = [*_looked_at(prepared, calibration), "scan", wanted.model_dump(mode="json")]
    return SensitivityRecord.model_validate(kept_or_made(folder, key, make))


def _looked_at(prepared: Prepared, calibration: CalibrationSet | None) -> list[Any]:
    targets = [matrix.shape.path for matrix in prepared.dense.targets]
    windows = prepared.windows if calibration is None else calibration.windows
    return [prepared.loaded.revision, prepared.model.model_dump(mode="json"), targets, windows.token_ids_sha256]


def evidence_for(prepared: Prepared, wanted: Sensitivity, stage: Stage, folder: Path) -> Evidence:
    """What the stage's allocation needs, and nothing else."""
    chosen = stage.params["allocation"]
    needs, calibration = registry.get("allocation", chosen["use"]).NEEDS, prepared.calibration_of(stage)
    found: dict[int, float] = {}
    scanned: dict[int, float] = {}
    if "outliers" in needs and calibration is not None:
        found = outliers(prepared, calibration, chosen["multiple"], folder)
    if "sensitivity" in needs:
        record = sensitivity(prepared, wanted, folder, calibration)
        scanned = {
            block: row[0] if row[0] is not None else float("inf")
            for block, row in zip(record.blocks, record.nll_increase, strict=True)
        }
    return Evidence(found, scanned)
