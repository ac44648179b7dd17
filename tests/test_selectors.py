"""`where = { … }` means the same cells before and after the run."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import tiny_results

from sparsity_report.contracts import Cell, FormatChoice, Node, Stage
from sparsity_report.selectors import facts_of_cell, facts_of_record, selects, selects_record

PRUNED = Stage("prune", "magnitude", {"pattern": "unstructured", "scope": "global", "sparsity": "0.3"})
CELL = Cell("csr", "course", Node("node", "tiny", (PRUNED,)), FormatChoice("csr", {"index": "int32"}))
RECORD = tiny_results.cell("csr")


def test_a_planned_cell_and_its_record_have_the_same_facts() -> None:
    assert facts_of_cell(CELL) == facts_of_record(RECORD)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, True),
        ({"format": "csr", "sparsity": Decimal("0.30")}, True),
        ({"sparsity": 0.3}, True),
        ({"sparsity": Decimal("0.5")}, False),
        ({"index": "int32"}, True),
        ({"index": "int64"}, False),
        ({"variant": "cour*"}, True),
        ({"method": "random"}, False),
        ({"scope": "global", "pattern": "unstructured", "model": "tiny", "replicate": 0}, True),
        ({"format": 3}, False),
        ({"unheard_of": "csr"}, False),
    ],
)
def test_selects_by_value_and_by_glob(where: dict[str, Any], expected: bool) -> None:
    assert selects(CELL, where) is expected
    assert selects_record(RECORD, where) is expected


def test_the_reference_has_no_method_to_be_selected_by() -> None:
    assert selects_record(tiny_results.cell("dense"), {"format": "dense"})
    assert not selects_record(tiny_results.cell("dense"), {"method": "*"})


def test_a_pipeline_is_selected_by_its_pruning_and_by_its_quantizer() -> None:
    quantised = Stage("quantize", "rtn", {"bits": 8})
    cell = Cell("csr", "course", Node("node", "tiny", (PRUNED, quantised)), CELL.format)

    assert selects(cell, {"quantizer": "rtn", "bits": 8, "method": "magnitude", "sparsity": 0.3})
    assert not selects(cell, {"bits": 4})
    assert not selects(CELL, {"quantizer": "*"})
