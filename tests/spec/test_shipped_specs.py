"""Every spec and template that we ship is valid and says what it promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparsity_report.planning import plan_cells
from sparsity_report.spec.load import load_spec

ROOT = Path(__file__).parents[2]
EXERCISES = sorted((ROOT / "specs" / "exercises").glob("*.toml"))
SHIPPED = sorted([*(ROOT / "specs").glob("*.toml"), *(ROOT / "templates" / "specs").glob("*.toml"), *EXERCISES])


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_is_valid_and_announces_its_schema(file: Path) -> None:
    loaded = load_spec(file)

    assert loaded.text.startswith(f"#:schema {'../' if file in EXERCISES else './'}schema.json\n")


@pytest.mark.parametrize("file", EXERCISES, ids=lambda file: file.stem)
def test_an_exercise_asks_what_its_expectations_answer(file: Path) -> None:
    """Offline, on the bundled model; every question is one of the study and has an expectation beside it."""
    spec = load_spec(file).spec

    assert spec.study.question.endswith("?")
    assert spec.expect
    assert spec.model[0].source == "bundled:tiny-opt"


def entries(name: str) -> set[tuple[str, str, str]]:
    """(stage, sparsity or pattern, format) of every cell."""
    found = set()
    for cell in plan_cells(load_spec(ROOT / "specs" / f"{name}.toml").spec):
        stage = cell.node.stages[0] if cell.node.stages else None
        amount = "" if stage is None else str(stage.sparsity or stage.pattern)
        found.add((stage.entry if stage else "", amount, cell.format.entry))
    return found


def test_quickstart_is_the_course_study_with_a_sweep_and_two_of_four() -> None:
    found = entries("quickstart")

    assert {("", "", "dense"), ("magnitude", "0.3", "masked"), ("magnitude", "0.3", "csr")} <= found
    assert {("magnitude", f"0.{tenth}", "masked") for tenth in range(1, 10)} <= found
    assert {("magnitude", "2:4", "masked"), ("magnitude", "2:4", "nm"), ("random", "0.5", "masked")} <= found


def test_opt125m_has_both_index_widths() -> None:
    cells = plan_cells(load_spec(ROOT / "specs" / "opt125m_30pct.toml").spec)

    assert [cell.format.params.get("index") for cell in cells] == [None, None, "int32", "int64"]


def test_smollm2_is_the_study_of_five_nodes() -> None:
    """Dense, 30, 50 and 70 %, and 2:4: the formats of a state share its node."""
    cells = plan_cells(load_spec(ROOT / "specs" / "smollm2_135m.toml").spec)

    assert len({cell.node.key for cell in cells}) == 5
    assert len(cells) == 12


def test_three_pipelines_prune_quantize_and_do_both() -> None:
    """Each stores what it left: kept values, codes, kept codes."""
    cells = plan_cells(load_spec(ROOT / "specs" / "exercises" / "three_pipelines.toml").spec)
    found = {(*(stage.op for stage in cell.node.stages), cell.format.entry) for cell in cells}

    assert found == {("dense",), ("prune", "bitmask"), ("quantize", "dense"), ("prune", "quantize", "bitmask")}
