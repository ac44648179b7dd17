"""What is said about several texts, tipping points, flips, ranks, confidence and greedy text, and when."""

from __future__ import annotations

import csv
import io

import pytest

from sparsity_report.report import facts, markup, method_tables, result_tables, stability_tables
from sparsity_report.report.figures import flips, quality_sparsity, reliability
from sparsity_report.report.prose import behaviour, stability


def plain(text):
    return markup.to_text(text).replace("\u00a0", " ")


@pytest.fixture(scope="module")
def two(results):
    return results("two_texts")


def without(results, *metrics, **update):
    """The results without some metrics."""
    cells = tuple(
        cell.model_copy(update={"metrics": tuple(each for each in cell.metrics if each.metric not in metrics)})
        for cell in results.cells
    )
    return results.model_copy(update={"cells": cells, **update})


def mixed(results):
    """As if the second text had been cut by two protocols."""
    other = results.data[1].model_copy(update={"protocol": "ptb/512/stride512"})
    return results.model_copy(update={"data": (*results.data, other)})


def rows(table):
    return {row.entries[0].text.replace("\u00a0", " "): row for row in table.rows}


class TestSeveralTexts:
    def test_every_text_has_its_row_and_the_headline_says_which_it_shows(self, two):
        states = rows(result_tables.behaviour(two))
        headline = result_tables.headline(two)

        assert {"magnitude 30 % on embedded", "magnitude 30 % on ptb", "dense on ptb"} <= set(states)
        assert any("those on embedded, the first text" in note for note in headline.notes)
        assert any("Behaviour on ptb: protocol ptb/256" in note for note in headline.notes)

    def test_methods_are_compared_on_one_text_at_a_time(self, two):
        tables = method_tables.comparison(two)

        assert [table.caption.count("on embedded") + 2 * table.caption.count("on ptb") for table in tables] == [1, 2]

    def test_short_texts_say_which_text_they_speak_of(self, two):
        lead = plain(behaviour.lead_sentence(two, two.models[0]))
        (name, cells), *_ = behaviour.series(two, two.models[0]).items()

        assert "of 8,160 positions on embedded" in lead
        assert "the perplexity on embedded" in plain(behaviour.sweep_sentence(two, two.models[0], name, cells))

    def test_one_text_needs_no_words(self, results):
        course = results("course")

        assert stability.opening(course) == ""
        assert stability.texts_sentence(course, course.models[0]) == ""
        assert not any("first text" in note for note in result_tables.headline(course).notes)

    def test_the_leading_state_is_compared_over_texts(self, two, change):
        text = plain(stability.texts_sentence(two, two.models[0]))

        assert "on embedded and" in text
        assert text.endswith("the intervals overlap.")
        far = change(
            two, cell=lambda cell: bool(cell.variant.stages), metric="perplexity_ratio", value=2.0, ci=(1.9, 2.1)
        )
        near = stability.texts_sentence(far, far.models[0])
        assert near.endswith("the intervals overlap.")

    def test_texts_that_differ_beyond_the_intervals_are_said_to(self, two):
        cells = tuple(
            cell.model_copy(
                update={
                    "metrics": tuple(
                        each.model_copy(update={"value": 3.0, "ci": (2.9, 3.1)})
                        if (each.metric, each.conditions.get("corpus")) == ("perplexity_ratio", "ptb")
                        else each
                        for each in cell.metrics
                    )
                }
            )
            for cell in two.cells
        )

        text = stability.texts_sentence(two.model_copy(update={"cells": cells}), two.models[0])

        assert "differ beyond the intervals" in text


class TestMixedProtocols:
    """T64: no chart and no comparison puts numbers of several protocols beside each other."""

    def test_they_are_found_by_model_and_text(self, two):
        assert facts.mixed(two, two.models[0], "ptb") == ()
        assert len(facts.mixed(mixed(two), two.models[0], "ptb")) == 2
        assert facts.mixed(mixed(two), two.models[0], "embedded") == ()

    @pytest.mark.parametrize("figure", [quality_sparsity, flips, reliability])
    def test_charts_leave_them_out_and_say_why(self, figure, two):
        whole, part = figure.draw(two), figure.draw(mixed(two))
        texts = {row["corpus"] for row in csv.DictReader(io.StringIO(whole.csv))}

        assert texts == {"embedded", "ptb"}
        assert {row["corpus"] for row in csv.DictReader(io.StringIO(part.csv))} == {"embedded"}
        assert "Left out, because protocols are mixed: " in part.caption
        assert "ptb/256/stride256; ptb/512/stride512" in part.caption
        assert "Left out" not in whole.caption

    def test_a_chart_of_nothing_else_is_none(self, results):
        course = results("course")
        other = course.data[0].model_copy(update={"protocol": "other windows"})

        assert quality_sparsity.draw(course.model_copy(update={"data": (*course.data, other)})) is None

    def test_methods_are_not_compared(self, two):
        tables = method_tables.comparison(mixed(two))

        assert [("on embedded" in table.caption) for table in tables] == [True]


class TestTippingPoints:
    def test_the_table_has_values_intervals_and_bounds(self, two):
        found = rows(stability_tables.tipping(two))

        assert [entry.text for entry in found["magnitude on embedded"].entries[1:]] == ["57.1", "41.0"]
        assert [entry.below for entry in found["magnitude on embedded"].entries[1:]] == ["[55.0, 59.0]", "[39.0, 43.0]"]
        assert found["magnitude on ptb"].entries[1].below == "[50.0, > 70.0]"
        assert found["random on embedded"].entries[1].text == "> 70.0"

    def test_the_sentence_orders_methods_and_names_those_that_never_leave(self, two):
        first, second, *_ = map(plain, stability.tipping_sentences(two))

        assert first.startswith(
            "The perplexity on embedded exceeds 1.1 times dense at 57.1 % [55 %, 59 %] with magnitude"
        )
        assert "it does not with random (studied up to 70 %)" in first
        assert second.startswith("The top-1 agreement on embedded falls below 90 % at 24 %")
        assert second.index("random") < second.index("magnitude")

    def test_a_series_that_never_leaves_is_said_alone(self, two):
        only = tuple(each for each in two.tipping if each.value is None)

        (text,) = map(plain, stability.tipping_sentences(two.model_copy(update={"tipping": only})))

        assert text.startswith("The perplexity on embedded never exceeds 1.1 times dense with random")

    def test_none_is_nothing(self, results):
        assert stability.tipping_sentences(results("course")) == []
        assert stability_tables.tipping(results("course")).rows == ()

    def test_the_curve_shows_them(self, two, results):
        assert "upright strokes" in quality_sparsity.draw(two).caption
        assert "upright strokes" not in quality_sparsity.draw(results("course")).caption


class TestDecisions:
    def test_flips_are_put_beside_how_many_decisions_were_nearly_tied(self, two):
        """
        Of the invented bins: 33 % of the positions have a margin below 0.2; rates fall by e^½ a bin, so that their
        share of the flips is (0.2 + 0.13 e^−½) / (0.2 + 0.13 e^−½ + 0.17 e^−1 + … + 0.24 e^−2.5) = 68.3 %.
        """
        text = plain(stability.flips_sentence(two, two.models[0]))

        assert "as were 33 % of all positions" in text
        assert text.startswith("68.3 % of the first tokens that magnitude 30 % changes were nearly tied")
        assert "where dense was sure (a margin of 0.8 or more)" in text
        assert stability.flips_sentence(without(two, "flip_rate"), two.models[0]) == ""

    def test_the_order_of_ranks_has_its_number(self, two):
        assert "rank correlation of 0.9" in plain(stability.ranks_sentence(two, two.models[0]))
        assert stability.ranks_sentence(without(two, "rank_correlation"), two.models[0]) == ""

    def test_confidence_is_worse_only_beyond_the_intervals(self, two, change):
        model = two.models[0]
        alike = change(two, cell=lambda cell: True, metric="calibration_error", value=0.03, ci=(0.02, 0.04))
        worse = change(
            two, cell=lambda cell: bool(cell.variant.stages), metric="calibration_error", value=0.09, ci=(0.08, 0.1)
        )
        better = change(
            two, cell=lambda cell: bool(cell.variant.stages), metric="calibration_error", value=0.001, ci=(0.0, 0.002)
        )

        assert "no clear difference" in stability.confidence_sentence(alike, model)
        assert "which is worse" in stability.confidence_sentence(worse, model)
        assert "which is better" in stability.confidence_sentence(better, model)
        assert stability.confidence_sentence(without(two, "calibration_error"), model) == ""

    def test_continuations_are_counted_to_the_first_difference(self, two):
        """The leading state is the second node: 11 of 12 tokens of the first prompt, all of the second."""
        text = plain(stability.greedy_sentence(two, two.models[0]))

        assert (
            text == "Magnitude 30 % continues 1 of 2 prompts with dense’s own 12 tokens; the other differs at token 12."
        )
        assert stability.greedy_sentence(two.model_copy(update={"generations": ()}), two.models[0]) == ""

    def test_the_table_of_decisions_has_what_was_measured_and_no_empty_column(self, two):
        table = stability_tables.decisions(two)
        titles = [column.title for column in table.columns]

        assert titles == ["State", "Rank correlation", "Calibration error", "Next token right", "Greedy tokens alike"]
        assert stability_tables.decisions(without(two, *(each[0] for each in stability_tables.DECISIONS))).rows == ()


class TestGreedyText:
    def test_a_models_text_is_escaped_and_its_lines_are_marked(self, two, page):
        first, second = stability_tables.continuations(two)
        html = page("two_texts")

        assert "“…The <b>statement</b> ↵ is”" in first.caption
        assert "&lt;b&gt;statement&lt;/b&gt; ↵ is" in html
        assert "executed &amp; then" in html
        assert first.rows[1].entries[2].text == " executed & then ‖ left ↵ alone"
        assert {row.entries[2].text for row in second.rows[1:]} == {"as dense"}

    def test_there_is_no_appendix_without_any(self, page):
        assert "Greedy continuations" in page("two_texts")
        assert "Greedy continuations" not in page("course")


class TestFigures:
    def test_flips_are_drawn_value_by_value(self, two):
        drawn = list(csv.DictReader(io.StringIO(flips.draw(two).csv)))
        cell = next(cell for cell in two.cells if cell.variant.stages)
        found = next(each for each in cell.metrics if each.conditions == {"corpus": "ptb", "margin": "0.8–1"})
        own = [row for row in drawn if (row["state"], row["corpus"], row["bin"]) == ("magnitude 30 %", "ptb", "0.8–1")]

        assert [float(row["flip_rate"]) for row in own] == [found.value]
        assert flips.draw(without(two, "flip_rate")) is None

    def test_frequencies_are_in_per_cent(self):
        found = [flips.shown(name, "frequency").replace("\u00a0", " ") for name in ("0–0.0001", "0.001–0.01", "0.01–1")]

        assert found == ["< 0.01", "0.1–1", "≥ 1"]

    def test_reliability_includes_dense(self, two):
        states = {row["state"] for row in csv.DictReader(io.StringIO(reliability.draw(two).csv))}

        assert {"dense", "magnitude 30 %"} <= states
        assert len(states) <= 6
        assert reliability.draw(without(two, "mean_confidence")) is None
