"""The table of machines that a study can be projected to: vendors' figures with their sources."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from ..results.model import MachineRecord

THIS = "this"
"""The machine that the study runs on: its figures are measured, and it may have a price."""
FIELDS = {"class": "kind", "memory": "memory_bytes"}
"""Names in the table that read better there."""


@cache
def known() -> dict[str, MachineRecord]:
    """Every machine of the table by its name."""
    table = tomllib.loads((Path(__file__).parent / "machines.toml").read_text(encoding="utf-8"))
    return {
        name: MachineRecord(name=name, **{FIELDS.get(key, key): value for key, value in facts.items()})
        for name, facts in table.items()
    }
