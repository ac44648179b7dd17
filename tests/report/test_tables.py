"""Tables: what they show, and how their numbers line up."""

from __future__ import annotations

import csv
import io

from sparsity_report.report import html, result_tables, tables, tidy
from sparsity_report.report.columns import aligned
from sparsity_report.report.document import Column, Entry, Row, RowGroup, Table


def by_first(table, *beginnings):
    return [row for row in table.rows if tuple(e.text for e in row.entries[: len(beginnings)]) == beginnings]


def test_decimal_points_stand_below_each_other():
    entries = ("7.85", "1,172", "–", "0.5")
    table = Table("t", "", (Column("x", numeric=True),), (RowGroup(tuple(Row((Entry(each),)) for each in entries)),))

    assert [row.entries[0].pad for row in aligned(table).rows] == ["", ".00", "", "0"]


def test_headline_has_one_row_a_cell(results):
    for name in ("course", "hardest", "every_cell_failed"):
        assert len(result_tables.headline(results(name)).rows) == len(results(name).cells)


def test_headline_shows_csr_at_30_percent_larger_than_dense(results):
    """5 × 307,200 weights: 70 % of 8 bytes and (O + 1) pointers, over 7,826,560 dense bytes, is 1.32."""
    [row] = by_first(result_tables.headline(results("course")), "magnitude\u00a030\u00a0%", "CSR")

    assert (row.entries[2].text, row.entries[2].below) == ("9.84", "1.32×")


def test_a_difference_inside_the_noise_floor_is_no_difference(results):
    [row] = by_first(result_tables.headline(results("course")), "magnitude\u00a030\u00a0%", "masked")

    assert row.entries[7].text == "no difference"


def test_columns_without_any_number_are_left_out(results):
    titles = {column.title for column in result_tables.headline(results("csr_larger_everywhere")).columns}

    assert "Perplexity" in titles
    assert "Prefill" not in titles


def test_every_unfinished_cell_is_explained_below_the_headline(results):
    notes = " ".join(result_tables.headline(results("hardest")).notes)

    assert "not enough memory" in notes
    assert "semi-structured kernels need CUDA" in notes
    assert "Cholesky retried" in notes


def test_the_label_of_a_model_stands_under_every_table_with_its_numbers(results):
    made = results("hardest")
    every = (
        tables.variants, tables.groups, tables.break_even, tables.checks, tables.cells, tables.matrices,
        result_tables.headline, result_tables.behaviour, result_tables.components, result_tables.latency,
    )  # fmt: skip

    assert all("de-quantised from Q4_1" in " ".join(table(made).notes) for table in every)
    assert "de-quantised from Q4_1" in tables.models(made).columns[2].title


def test_perplexity_carries_its_protocol(results):
    """T62."""
    assert "embedded/256/stride256" in " ".join(result_tables.headline(results("course")).notes)


def test_requested_and_achieved_sparsity_stand_side_by_side(results):
    """T61: 30 % of the target is 30 % × 1,536,000 / 1,956,640 = 23.55 % of the model."""
    [row] = by_first(tables.variants(results("course")), "magnitude\u00a030\u00a0%")

    assert [entry.text for entry in row.entries[1:4]] == ["30", "30.000", "23.55"]


def test_a_long_table_is_cut_for_print_and_says_so(results):
    rows = tuple(Row((Entry(str(each)),)) for each in range(50))
    table = Table("t", "", (Column("x"),), (RowGroup(rows[:30], "a"), RowGroup(rows[30:], "b")), long=True)

    short = html.shortened(table)

    assert len(short.rows) == html.PRINTED_ROWS
    assert "first 40 of 50 rows" in short.notes[-1]


def test_tidy_csv_has_every_measurement_once(results):
    made = results("hardest")
    rows = list(csv.DictReader(io.StringIO(tidy.results_csv(made))))

    expected = sum(max(len(cell.metrics), 1) for cell in made.cells)
    assert len(rows) == expected
    assert {row["label"] for row in rows if row["model"] == "smollm2-135m"} == {"de-quantised from Q4_1"}


def test_a_format_at_one_sparsity_has_no_break_even_and_a_curve_is_read_up_to_rounding(results):
    """2:4 exists at 50 % only: "never" would be wrong. 0.1 + 0.2 is 30 % as well."""
    made = results("course")
    csr, nm = made.models[0].byte_curves[1], made.models[0].byte_curves[3].model_copy(update={"break_even": None})
    shifted = csr.model_copy(
        update={"sparsity": tuple(each + 1e-17 if each != 0.3 else 0.1 + 0.2 for each in csr.sparsity)}
    )
    model = made.models[0].model_copy(update={"byte_curves": (shifted, nm)})

    first, second = tables.break_even(made.model_copy(update={"models": (model,)})).rows

    assert [entry.text for entry in first.entries[1:4]] == ["50.24", "1.405", "1.005"]
    assert second.entries[1].text == "–"


def test_a_format_that_never_pays_says_never(results):
    made = results("course")
    csr = made.models[0].byte_curves[1].model_copy(update={"break_even": None})
    model = made.models[0].model_copy(update={"byte_curves": (csr,)})

    [row] = tables.break_even(made.model_copy(update={"models": (model,)})).rows

    assert row.entries[1].text == "never"
