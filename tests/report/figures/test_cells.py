"""Names of cells are short and tell cells apart; the choice of cells keeps the study's breadth."""

from __future__ import annotations

from sparsity_report.report.figures.cells import Names, choose, format_name
from sparsity_report.results.model import CellRecord, FormatRecord, Results, StageRecord, VariantRecord


def cell(number: int, entry: str, *, scope: str = "global", form: str = "masked", pattern: str = "") -> CellRecord:
    params = {"pattern": pattern} if pattern else {"pattern": "unstructured", "sparsity": "0.125", "scope": scope}
    stage = StageRecord(op="prune", entry=entry, params=params)
    variant = VariantRecord(id="v", model="m", stages=(stage,), format=FormatRecord(entry=form))
    return CellRecord(id=f"{number}-{form}", node=str(number), variant=variant, status="ok")


def named(course: Results, *cells: CellRecord) -> list[str]:
    naming = Names.of(course.model_copy(update={"cells": cells}))
    return [naming.cell(each) for each in cells]


def test_a_cell_is_its_pruning_and_its_format(course: Results):
    """The sparsity has the digits that it needs; an N:M pattern stands in its place."""
    assert named(course, cell(1, "magnitude"), cell(2, "wanda", pattern="2:4", form="nm")) == [
        "magnitude 12.5\u00a0%, masked",
        "wanda 2:4, N:M packed",
    ]


def test_the_scope_is_named_where_it_differs(course: Results):
    """Two scopes in one study would otherwise give one name to two cells."""
    assert named(course, cell(1, "magnitude"), cell(2, "magnitude", scope="row")) == [
        "magnitude global 12.5\u00a0%, masked",
        "magnitude row 12.5\u00a0%, masked",
    ]


def test_unusual_parameters_of_a_format_are_named():
    """32-bit indices are meant unless something else is said."""
    assert format_name(FormatRecord(entry="csr", params={"index": "int32"})) == "CSR"
    assert format_name(FormatRecord(entry="csr", params={"index": "int64"})) == "CSR int64"


def test_all_stages_of_a_pipeline_are_named(hardest: Results):
    """Prune, train, quantize: in the order of execution."""
    naming = Names.of(hardest)
    pipelines = {naming.node(each) for each in hardest.cells if len(each.variant.stages) == 3}

    assert pipelines == {"sparsegpt 50\u00a0% → lora → gptq 4 bit"}


def test_replicates_have_numbers(hardest: Results):
    """Replicates of one variant are different states and have different names."""
    naming = Names.of(hardest)
    names = [naming.node(each) for each in hardest.cells if each.variant.id == "random & replicated"]

    assert names[:3] == ["random 30\u00a0%", "random 30\u00a0% #2", "random 30\u00a0% #3"]


def test_the_choice_keeps_formats_together_and_takes_new_methods_first():
    """A pair of formats comes first, then one of each method, then more of the first method, in the study's order."""
    sweep = [cell(number, "random") for number in range(6)]
    pair = [cell(9, "magnitude"), cell(9, "magnitude", form="csr")]
    other = [cell(10, "wanda")]

    assert choose([*sweep, *pair, *other], 5) == [sweep[0], sweep[1], *pair, *other]


def test_few_cells_are_all_chosen(course: Results):
    """Nothing is left out that fits, and dense comes first."""
    assert choose(list(course.cells[:5]), 8) == list(course.cells[:5])
    assert choose(list(course.cells), 3)[0].is_reference


def test_a_sweep_is_left_to_its_own_figure_where_formats_are_compared():
    """Of nine sparsities in one format and one in two formats, a chart of formats shows the one in two."""
    sweep = [cell(number, "magnitude") for number in range(9)]
    pair = [cell(9, "magnitude"), cell(9, "magnitude", form="csr")]

    assert choose([*sweep, *pair], 8) == pair
