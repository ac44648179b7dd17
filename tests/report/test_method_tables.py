"""What methods are, which is best, what pruning cost, and published figures: tables that follow the records."""

from __future__ import annotations

import pytest

from sparsity_report.report import markup, method_tables, tables
from sparsity_report.report.prose import checks, execution, headline
from sparsity_report.results import published
from sparsity_report.results.model import CheckRecord, Fallback


def plain(text):
    return text.replace("\u00a0", " ")


def column(table, title):
    [place] = [place for place, each in enumerate(table.columns) if plain(each.title) == title]
    return {plain(row.entries[0].text): row.entries[place] for row in table.rows}


def methods_at(made, entry, **params):
    """A predicate for cells of one method whose stage has these parameters."""

    def matches(cell):
        stages = cell.variant.stages
        return bool(stages) and stages[0].entry == entry and params.items() <= stages[0].params.items()

    return matches


def test_methods_say_what_they_are_and_what_they_were_told(shown):
    table = method_tables.methods(shown("calibrated"))
    rows = {markup.to_text(row.entries[0].text).strip(): row for row in table.rows}

    assert list(rows) == ["magnitude", "random", "wanda", "sparsegpt"]
    assert rows["sparsegpt"].entries[0].below == "block size 128, damping 0.01"
    assert [entry.text for entry in rows["wanda"].entries[1:]] == [
        "activation-aware criterion", "weights, N:M groups, tiles, rows or columns", "as its pattern allows", "any",
        "none",
    ]  # fmt: skip


def test_methods_without_traits_have_no_table(results):
    assert method_tables.methods(results("course")).rows == ()


def test_a_parameter_with_several_values_names_them_all(results):
    stage = results("calibrated").nodes[-1].stages[0]
    several = [stage.model_copy(update={"params": {"damping": value, "scope": "row"}}) for value in (0.01, 0.1, 0.01)]

    assert method_tables.parameters(several) == "damping 0.01 or 0.1"


def test_perplexities_stand_by_method_and_place(shown):
    [table] = method_tables.comparison(shown("calibrated"))
    made = shown("calibrated")
    cell = next(cell for cell in made.cells if methods_at(made, "magnitude", pattern="2:4")(cell))

    assert [plain(each.title) for each in table.columns] == ["Method", "30 %", "50 %", "70 %", "2:4", "4:8"]
    assert column(table, "2:4")["magnitude"].sort == cell.value("perplexity")
    assert column(table, "2:4")["magnitude"].below.startswith(f"{cell.value('perplexity_ratio'):.3f}× [")
    assert column(table, "30 %")["wanda owl"].text == "–"


def test_what_only_one_method_did_in_units_is_no_comparison(shown, results):
    """Rows, columns and tiles have one method each in the study; a second one at the same place makes a column."""
    made = shown("calibrated")
    rows = [cell for cell in made.cells if methods_at(made, "magnitude", pattern="row", sparsity="0.3")(cell)]
    stage = rows[0].variant.stages[0].model_copy(update={"entry": "random"})
    twin = rows[0].model_copy(
        update={"id": "twin", "node": "twin", "variant": rows[0].variant.model_copy(update={"stages": (stage,)})}
    )
    more = made.model_copy(update={"cells": (*made.cells, twin)})
    titles = [plain(each.title) for table in method_tables.comparison(more) for each in table.columns]

    assert "30 %, rows" in titles
    assert "30 %, columns" not in titles


@pytest.mark.parametrize(
    ("value", "ci", "bold"),
    [(1.05, (1.04, 1.06), True), (1.05, (1.00, 1.20), False), (1.30, (1.29, 1.31), False)],
    ids=["below every other", "inside an interval", "above"],
)
def test_bold_is_what_is_lower_beyond_the_intervals(shown, change, value, ci, bold):
    """SparseGPT at 4:8 against Wanda at 1.101 [1.088, 1.114] and magnitude; ratios decide, not perplexities."""
    made = shown("calibrated")
    at = methods_at(made, "sparsegpt", pattern="4:8")
    changed = change(made, cell=at, metric="perplexity_ratio", value=value, ci=ci)
    changed = change(changed, cell=at, metric="perplexity", value=61.4 * value)
    [table] = method_tables.comparison(changed)
    marked = {name: entry.best for name, entry in column(table, "4:8").items()}

    assert marked["sparsegpt"] == bold
    assert sum(marked.values()) == (1 if bold or ci == (1.29, 1.31) else 0)


def test_without_ratios_the_perplexities_decide(shown):
    """Intervals of perplexities are those of unlike windows: 67.6 [65.6, 69.6] is not below 69.4 [67.3, 71.5]."""
    made = shown("calibrated")
    bare = made.model_copy(
        update={
            "cells": tuple(
                cell.model_copy(update={"metrics": tuple(m for m in cell.metrics if m.metric != "perplexity_ratio")})
                for cell in made.cells
            )
        }
    )
    [table] = method_tables.comparison(bare)

    assert not any(entry.best for entry in column(table, "4:8").values())
    assert "×" not in column(table, "4:8")["wanda"].below


def test_bold_reaches_the_page(page):
    assert page("calibrated").count("<strong>65.9</strong>") == 1


def test_one_method_alone_is_no_comparison(results):
    assert method_tables.comparison(results("csr_larger_everywhere")) == ()
    assert headline.comparison_sentence(results("csr_larger_everywhere")) == ""


def swept(made, kinds, places):
    """Dense and cells of so many methods at so many sparsities."""
    first = next(cell for cell in made.cells if methods_at(made, "magnitude", pattern="2:4")(cell))
    cells = []
    for kind in range(kinds):
        for place in range(places):
            params = {"pattern": "unstructured", "sparsity": f"0.{place}5", "scope": "layer"}
            stage = first.variant.stages[0].model_copy(update={"entry": f"m{kind}", "params": params})
            variant = first.variant.model_copy(update={"stages": (stage,)})
            name = f"{kind} {place}"
            cells.append(first.model_copy(update={"id": name, "node": name, "variant": variant}))
    return made.model_copy(update={"cells": (made.cells[0], *cells)})


def test_many_places_of_few_methods_turn_the_table_round(shown):
    [table] = method_tables.comparison(swept(shown("calibrated"), 2, 10))

    assert (len(table.rows), len(table.columns)) == (10, 1 + 2)
    assert "in a row without bold" in table.notes[-1]


def test_many_places_of_many_methods_take_several_tables(shown):
    """Nine sparsities of six methods are two tables, of five and four, with ids of their own."""
    found = method_tables.comparison(swept(shown("calibrated"), 6, 9))

    assert [table.id for table in found] == ["tab:comparison-1", "tab:comparison-2"]
    assert [(len(table.rows), len(table.columns)) for table in found] == [(6, 1 + 5), (6, 1 + 4)]


def test_the_sentence_says_who_is_clearly_best_and_where_nobody_is(shown):
    text = plain(headline.comparison_sentence(shown("calibrated")))

    assert "The perplexity is clearly lowest with wanda permuted at 2:4, with wanda at 4:8" in text
    assert "no method is clearly the best at 30 %, 50 % and 70 %" in text


def test_cost_has_one_row_a_state_with_what_did_not_go_as_asked(shown):
    table = method_tables.cost(shown("calibrated"))
    states = {cell.node for cell in shown("calibrated").cells if cell.variant.stages}
    fallbacks, errors = column(table, "Fallbacks"), column(table, "Reconstruction error")

    assert len(table.rows) == len(states)
    assert fallbacks["sparsegpt 2:4"].text == "dead columns (4); Cholesky retries with more damping (2)"
    assert fallbacks["wanda 50 %"].text == "dead columns (12)"
    assert fallbacks["magnitude global 50 %"].text == "–"
    assert errors["wanda 2:4"].text == "0.0500"
    assert errors["random 50 %"].text == "–"


def test_cost_without_nodes_takes_the_fallbacks_of_the_cells(shown):
    made = shown("calibrated").model_copy(update={"nodes": ()})

    assert column(method_tables.cost(made), "Fallbacks")["sparsegpt 2:4"].text.startswith("dead columns (4)")


def test_what_pruning_did_not_cost_is_not_shown(results):
    assert method_tables.cost(results("course")).rows == ()


def test_requested_and_achieved_differ_where_they_do(shown, change):
    made = shown("calibrated")
    off = change(made, cell=methods_at(made, "wanda", pattern="2:4"), metric="sparsity_target", value=0.4987)
    row = column(method_tables.cost(off), "Achieved")["wanda 2:4"]

    assert (column(method_tables.cost(off), "Requested")["wanda 2:4"].text, row.text) == ("50.0", "49.87")


def test_fallbacks_are_told_once_with_the_states_that_had_them(shown):
    """T65: in the report's body, not only in logs."""
    items = execution.fallback_items(shown("calibrated"))

    assert len(items) == 2
    assert "more: dead columns, because:" in items[0]
    assert plain(items[0]).startswith("wanda 30 %, wanda 50 %, wanda 70 % and ")


def test_a_format_that_fell_back_is_named_with_its_state(shown):
    made = shown("calibrated")
    cell = next(each for each in made.cells if each.variant.format.entry == "bitmask")
    slow = Fallback(what="unpacked", why="no kernel", count=30)
    changed = made.model_copy(
        update={
            "cells": tuple(
                each.model_copy(update={"fallbacks": (slow,) if each is cell else ()}) for each in made.cells
            )
        }
    )
    [item] = execution.fallback_items(changed)
    assert plain(item).endswith("bitmask: unpacked, because: no kernel (30 times).")


def test_overlap_table_has_every_pair_and_one_row_for_a_states_seeds(shown):
    table = method_tables.overlap(shown("calibrated"))
    half = [[plain(entry.text) for entry in row.entries] for row in table.rows if plain(row.entries[0].text) == "50 %"]
    seeds = [row for row in half if row[2] == "under another seed"]

    assert len(half) == 10 + 2
    assert [row[1] for row in seeds] == ["wanda", "sparsegpt"]
    assert half[0][1:5] == ["magnitude layer", "magnitude global", "0.867", "0.333"]


def test_published_figures_stand_in_a_table_of_their_own(shown):
    made = shown("calibrated")
    table = tables.published(made)

    assert [row.entries[3].text for row in table.rows] == ["differs", "agrees", "no comparison"]
    assert tables.checks(made).rows == ()
    assert "Of 3 published figures beside this study’s own, 1 agrees, 1 differs and 1 cannot be compared" in (
        checks.published_sentence(made)
    )
    assert checks.published_sentence(made.model_copy(update={"checks": ()})) == ""


def test_a_published_figure_cites_its_source(results):
    figure = next(each for each in published.load() if each.source.reference)
    check = CheckRecord(
        what="published perplexity of a model", source=f"{figure.source.text} (protocol X)", origin="published",
        expected="1", observed="1", verdict="pass",
    )  # fmt: skip
    made = results("course").model_copy(update={"checks": (check,)})
    [row] = tables.published(made).rows

    assert figure.source.reference in row.entries[4].text
    assert row.entries[0].text == "Perplexity of a model"
