"""Runs that differ in their seeds only are one, with their mean and their range; nothing of them is lost."""

from __future__ import annotations

import statistics

import pytest

from sparsity_report.report import markdown, method_tables, numbers, replicates, result_tables, tables
from sparsity_report.report.figures import quality_sparsity
from sparsity_report.report.prose import behaviour, discussion, headline


def wanda_at(results, percent):
    """The single runs of Wanda at a sparsity, without allocation."""
    return [
        cell
        for cell in results.cells
        if cell.id.startswith(f"wanda-row-{percent}-masked") and "allocation" not in cell.variant.stages[0].params
    ]


def pooled_wanda(shown, percent):
    [cell] = [each for each in wanda_at(shown, percent) if isinstance(each, replicates.PooledCell)]
    return cell


def test_seeds_become_one_cell_with_mean_range_and_deviation(results, shown):
    runs = wanda_at(results("calibrated"), 50)
    values = [cell.value("perplexity") for cell in runs]
    found = pooled_wanda(shown("calibrated"), 50).find("perplexity")

    assert len(values) == 3
    assert (found.low, found.high, found.seeds) == (min(values), max(values), 3)
    assert found.value == pytest.approx(statistics.mean(values), rel=1e-12)
    assert found.deviation == pytest.approx(statistics.stdev(values), rel=1e-9)


def test_the_interval_of_several_seeds_spans_those_of_all(results, shown):
    """Two states differ by it only if every pair of their runs does."""
    intervals = [cell.find("perplexity").ci for cell in wanda_at(results("calibrated"), 50)]

    assert pooled_wanda(shown("calibrated"), 50).find("perplexity").ci == (
        min(low for low, _ in intervals),
        max(high for _, high in intervals),
    )


def test_what_all_seeds_share_stays_a_plain_number(shown):
    stored = pooled_wanda(shown("calibrated"), 50).find("stored_bytes", over="model")

    assert type(stored) is type(shown("calibrated").cells[0].find("stored_bytes", over="model"))


def test_every_run_stays_within_reach(results, shown):
    made = results("calibrated")

    assert len(shown("calibrated").cells) == len(made.cells) - 2 * 8
    assert sorted(cell.id for cell in replicates.runs(shown("calibrated"))) == sorted(cell.id for cell in made.cells)
    assert len(tables.cells(shown("calibrated")).rows) == len(made.cells)
    assert headline.status_sentence(shown("calibrated")).startswith(f"All {len(made.cells)} cells")


def test_results_without_replicates_are_left_alone(results):
    assert replicates.pooled(results("course")) is results("course")


def test_states_that_differ_in_more_than_the_seed_stay_apart(results):
    """Another calibration window count is another state, not another seed."""
    made = results("calibrated")
    first, second, third = wanda_at(made, 50)
    stage = second.variant.stages[0]
    text = {**stage.params["calibration"], "windows": 99}
    other = stage.model_copy(update={"params": {**stage.params, "calibration": text}})
    changed = second.model_copy(update={"variant": second.variant.model_copy(update={"stages": (other,)})})
    found = replicates.pooled(made.model_copy(update={"cells": (first, changed, third)})).cells

    assert sorted(map(replicates.seeds, found)) == [1, 2]


def test_a_replicate_of_another_fate_stays_a_row_of_its_own(results):
    """A run that diverged is neither averaged away nor drawn into the mean of the others."""
    made = results("calibrated")
    first, second, third = wanda_at(made, 50)
    lost = third.model_copy(update={"status": "diverged", "reason": "it left the range"})
    found = replicates.pooled(made.model_copy(update={"cells": (first, second, lost)})).cells

    assert [(replicates.seeds(cell), cell.status) for cell in found] == [(2, "ok"), (1, "diverged")]


def test_a_mean_with_a_value_that_is_not_finite_is_not_finite(results):
    made = results("calibrated")
    runs = wanda_at(made, 50)
    metrics = tuple(
        each.model_copy(update={"value": None, "ci": None}) if each.metric == "perplexity" else each
        for each in runs[1].metrics
    )
    cells = (runs[0], runs[1].model_copy(update={"metrics": metrics}), runs[2])
    [found] = replicates.pooled(made.model_copy(update={"cells": cells})).cells

    assert found.value("perplexity") is None
    assert numbers.with_interval(found.find("perplexity")) == "not finite"


def test_equal_fallbacks_of_seeds_are_added(shown):
    """Four dead columns under each of three seeds are twelve."""
    assert {each.what: each.count for each in pooled_wanda(shown("calibrated"), 50).fallbacks} == {"dead columns": 12}


def test_tables_have_one_row_a_state_with_its_range(results, shown):
    values = [cell.value("perplexity") for cell in wanda_at(results("calibrated"), 70)]
    [row] = [
        row
        for row in result_tables.behaviour(shown("calibrated")).rows
        if row.entries[0].text == "wanda\u00a070\u00a0%"
    ]

    assert row.entries[0].below == "mean of 3 seeds"
    assert row.entries[3].below == f"{min(values):.1f}–{max(values):.1f}"
    assert "smallest–largest" in " ".join(result_tables.headline(shown("calibrated")).notes)
    assert result_tables.seeds_notes(results("course")) == ()


def test_the_table_of_seeds_has_every_repeated_state(results, shown):
    values = [cell.value("perplexity") for cell in wanda_at(results("calibrated"), 70)]
    table = method_tables.seeds(shown("calibrated"))
    [row] = [row for row in table.rows if row.entries[0].text == "wanda\u00a070\u00a0%"]
    shown_numbers = [entry.text for entry in row.entries[1:7]]

    assert len(table.rows) == 6
    assert shown_numbers[:4] == ["3", *(f"{f(values):.1f}" for f in (statistics.mean, min, max))]
    assert float(shown_numbers[4]) == pytest.approx(statistics.stdev(values), abs=0.01)
    assert shown_numbers[5] == f"{100 * (max(values) - min(values)) / statistics.mean(values):.1f}"
    assert method_tables.seeds(results("course")).rows == ()


def test_the_sentence_on_seeds_names_the_widest_range_beside_the_interval_of_one_run(shown, results):
    text = behaviour.seeds_sentence(shown("calibrated")).replace("\u00a0", " ")

    assert "under 3 seeds differ in perplexity by at most 3 % of their mean (wanda 70 %:" in text
    assert "that is less than the 95 % interval of one run" in text
    assert behaviour.seeds_sentence(results("course")) == ""


def test_a_spread_beyond_the_interval_is_said_to_be_more(results, change):
    """One run of three at ten times the perplexity of the others."""
    made = results("calibrated")
    last = wanda_at(made, 50)[2].id
    far = change(made, cell=lambda cell: cell.id == last, metric="perplexity", value=680.0, ci=(675.0, 685.0))

    assert "that is more than" in behaviour.seeds_sentence(replicates.pooled(far))


def test_one_point_and_one_curve_for_all_seeds(shown, results):
    drawing = quality_sparsity.draw(shown("calibrated"))
    lines = [line.split(",") for line in drawing.csv.splitlines()]
    place = {name: index for index, name in enumerate(lines[0])}
    [point] = [
        row for row in lines[1:]
        if (row[place["series"]], row[place["sparsity_target"]], row[place["metric"]]) == ("wanda", "0.5", "perplexity")
        and row[place["pattern"]] == "unstructured"
    ]  # fmt: skip
    values = [cell.value("perplexity") for cell in wanda_at(results("calibrated"), 50)]

    assert point[place["seeds"]] == "3"
    assert (float(point[place["seed_min"]]), float(point[place["seed_max"]])) == (min(values), max(values))
    assert "the mean of 3 seeds" in drawing.caption
    assert "mean of" not in quality_sparsity.draw(results("course")).caption


def test_limits_tell_one_calibration_seed_from_several(results):
    made = results("calibrated")
    single = made.model_copy(update={"cells": tuple(cell for cell in made.cells if cell.variant.replicate == 0)})

    assert "3 replicates" in discussion.replicate_limit(made)
    assert "drawn with one seed" in discussion.replicate_limit(single)


def test_the_summary_shows_means_too(results):
    assert "mean of 3 seeds" in markdown.summary(results("calibrated"))
