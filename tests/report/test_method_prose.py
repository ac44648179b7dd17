"""Sentences about methods, calibration, layers and masks: each is tried on data that make it say the opposite."""

from __future__ import annotations

import pytest

from sparsity_report.report import document, markup
from sparsity_report.report.prose import behaviour, calibration, layers, ranking, sensitivity, setup
from sparsity_report.results.model import EntryRecord


def said(text):
    return markup.to_text(text).replace("\u00a0", " ")


def of(entry, **params):
    """A predicate for cells of one method in its plain form with these stage parameters."""

    def matches(cell):
        stages = cell.variant.stages
        extra = {"allocation", "permute", "within_block"} & set(stages[0].params) if stages else set()
        return bool(stages) and not extra and stages[0].entry == entry and params.items() <= stages[0].params.items()

    return matches


HALF = {"sparsity": "0.5", "pattern": "unstructured"}


def order_at(made, at="50\u00a0%"):
    return said(ranking.order_sentence(made, made.models[0], "embedded", at))


def ordered(made, change, **ratios):
    """The study with other perplexities at 50 %: ratios to dense with an interval of ± 1 %."""
    for entry, ratio in ratios.items():
        ci = (0.99 * ratio, 1.01 * ratio)
        made = change(made, cell=of(entry, **HALF), metric="perplexity_ratio", value=ratio, ci=ci)
        made = change(made, cell=of(entry, **HALF), metric="perplexity", value=61.4 * ratio, ci=None)
    return made


def test_the_published_order_holds_where_it_holds(results, change):
    made = ordered(results("calibrated"), change, sparsegpt=1.2, wanda=1.3, magnitude=2.0)

    assert "SparseGPT < Wanda < magnitude, holds beyond the intervals" in order_at(made)
    assert "sparsegpt 1.200 [1.188, 1.212] < wanda 1.300" in order_at(made)


def test_an_order_inside_the_intervals_is_hedged(results, change):
    made = ordered(results("calibrated"), change, sparsegpt=1.290, wanda=1.300, magnitude=2.0)

    assert "the values stand in the published order" in order_at(made)
    assert "between sparsegpt and wanda there is no clear difference" in order_at(made)


def test_another_order_is_said_not_to_hold(results, change):
    made = ordered(results("calibrated"), change, sparsegpt=1.4, wanda=1.2, magnitude=1.3)

    assert "does not hold" in order_at(made)
    assert "Beyond the intervals wanda is better than sparsegpt and magnitude is better than sparsegpt." in order_at(
        made
    )


def test_another_order_inside_the_intervals_is_no_refutation(results, change):
    made = ordered(results("calibrated"), change, sparsegpt=1.3, wanda=1.29, magnitude=2.0)

    assert "is not seen" in order_at(made)
    assert "does not hold" not in order_at(made)


def test_two_steps_inside_the_intervals_are_both_named(results, change):
    made = ordered(results("calibrated"), change, sparsegpt=1.290, wanda=1.300, magnitude=1.310)

    assert "between sparsegpt and wanda, and between wanda and magnitude there is no clear difference" in order_at(made)


def test_a_collapsed_method_is_last(results, change):
    made = change(results("calibrated"), cell=of("magnitude", **HALF), metric="perplexity", value=None, ci=None)
    made = change(made, cell=of("magnitude", **HALF), metric="perplexity_ratio", value=None, ci=None)

    assert "magnitude not finite" in order_at(made)
    assert "holds beyond the intervals" in order_at(made)


def test_the_order_is_told_at_each_place_that_has_all_three(results):
    made = results("calibrated")

    assert "does not hold" in order_at(made, "2:4")
    assert order_at(made, "4:8") != ""
    assert order_at(made, "10\u00a0%") == ""
    assert ranking.sentences(results("course")) == ["", ""]


def test_an_allocation_does_not_stand_for_its_method(results, change):
    """Wanda with OWL is better than SparseGPT, and says nothing about the order of the plain methods."""
    made = results("calibrated")
    owl = change(
        made, cell=lambda cell: "owl" in str(cell.variant.stages), metric="perplexity_ratio", value=1.0, ci=(1.0, 1.0)
    )

    assert order_at(owl) == order_at(made)


def scanned(made, rows, probes=(0.3, 0.5)):
    scan = made.sensitivity[0].model_copy(
        update={"sparsity": probes, "blocks": tuple(range(len(rows))), "nll_increase": tuple(rows)}
    )
    return made.models[0], scan


def most(made, rows):
    return said(sensitivity.most_sentence(made, *scanned(made, rows)))


def least(made, rows):
    return said(sensitivity.least_sentence(made, *scanned(made, rows)))


def test_a_block_that_hurts_most_at_every_probe_is_named_with_its_lead(results):
    """0.4 is four times the median of 0.4, 0.1 and 0.1."""
    text = most(results("calibrated"), [(0.1, 0.2), (0.4, 0.9), (0.1, 0.3)])

    assert "block 1 hurts most at both probe sparsities: 0.400 nats per token at 30 % (4.00× the median block)" in text
    assert "hardly" not in text


def test_probes_that_disagree_are_told_apart(results):
    text = most(results("calibrated"), [(0.5, 0.2), (0.4, 0.9), (0.1, 0.3)])

    assert (
        text
        == "Which single block hurts most when pruned depends on the sparsity: block 0 at 30 % and block 1 at 50 %."
    )


def test_a_small_lead_is_hardly_one(results):
    assert "but hardly more than block 0 at 30 %" in most(results("calibrated"), [(0.39, 0.2), (0.4, 0.9), (0.1, 0.3)])


def test_a_likelihood_that_is_not_finite_is_the_worst(results):
    text = most(results("calibrated"), [(0.1, 0.2), (0.4, None), (0.1, 0.3)])

    assert "a likelihood that is not finite at 50 %" in text


def test_blocks_without_loss_are_named(results):
    rows = [(0.1, 0.2), (0.4, 0.9), (-0.001, 0.3)]

    assert "for block 2 some probe shows no increase" in least(results("calibrated"), rows)
    assert "no increase" not in least(results("calibrated"), [(0.1, 0.2), (0.4, 0.9), (0.2, 0.3)])


def test_the_block_that_hurts_least_is_hedged_where_another_is_close(results):
    close, clear = [(0.100, 0.20), (0.4, 0.9), (0.101, 0.3)], [(0.1, 0.2), (0.4, 0.9), (0.2, 0.3)]

    assert "block 0 hurts least" in least(results("calibrated"), close).lower()
    assert "though hardly less than the next" in least(results("calibrated"), close)
    assert "hardly" not in least(results("calibrated"), clear)
    assert "depends on the sparsity" in least(results("calibrated"), [(0.1, 0.4), (0.4, 0.9), (0.2, 0.3)])


def test_studies_without_a_scan_say_nothing_about_blocks(results):
    assert sensitivity.sentences(results("course")) == []


def test_the_calibration_text_is_described(results, shown):
    text = " ".join(map(said, calibration.sentences(shown("calibrated"))))

    assert "see 16 windows of 256 tokens of embedded, split train, drawn with seeds 0, 1 and 2, each of which" in text
    assert "wanda and sparsegpt look at calibration data; magnitude and random look at none." in text
    assert "those that the blocks before it produce as pruned (propagate pruned)" in text
    assert "within a block, in some variants, each matrix is pruned before" in text
    assert "BOS policy auto" in text
    assert "371 of 412 paragraphs (dropped: short 30, headings 11)" in text
    assert all(record.token_ids_sha256[:8] in text for record in calibration.records(results("calibrated")))


def test_a_method_that_sees_data_through_its_allocation_only_is_told_apart(results):
    """Wanda looks whatever spreads its sparsity; of magnitude with OWL it is the rule that looks."""
    made = results("calibrated")
    owl = next(cell for cell in made.cells if "owl" in str(cell.variant.stages))

    def of(stage, *entries):
        cell = owl.model_copy(update={"variant": owl.variant.model_copy(update={"stages": (stage,)})})
        return said(calibration.methods_sentence(made.model_copy(update={"cells": (cell,), "entries": entries})))

    stage = owl.variant.stages[0]
    blind = {name: value for name, value in stage.params.items() if name != "propagate"}
    magnitude = stage.model_copy(update={"entry": "magnitude", "params": blind})
    taylor = magnitude.model_copy(update={"entry": "taylor"})
    entry = EntryRecord(kind="method", name="taylor", summary="reads gradients", needs=("gradient",))

    assert of(stage) == "wanda looks at calibration data."
    assert of(magnitude) == "magnitude looks at calibration data through the allocation owl."
    assert of(taylor, entry) == "taylor looks at calibration data."


def test_without_calibration_nothing_is_said_about_it(results):
    assert calibration.sentences(results("course")) == [""] * 5


def test_dense_inputs_are_told_from_pruned_ones(results):
    made = results("calibrated")

    def propagating(*kinds):
        cells = tuple(
            cell.model_copy(
                update={
                    "variant": cell.variant.model_copy(
                        update={
                            "stages": tuple(
                                stage.model_copy(update={"params": {**stage.params, "propagate": kind}})
                                for stage in cell.variant.stages
                            )
                        }
                    )
                }
            )
            for cell, kind in zip(
                (c for c in made.cells if "calibration" in str(c.variant.stages)), kinds, strict=False
            )
        )
        return said(calibration.propagation_sentence(made.model_copy(update={"cells": cells})))

    assert propagating("dense") == "The inputs of a decoder block are those of the dense model (propagate dense)."
    assert "in other variants" in propagating("dense", "pruned")


def test_several_calibration_texts_are_told_apart(results):
    made = results("calibrated")
    record = calibration.records(made)[0].model_copy(update={"source": "c4", "token_ids_sha256": "f" * 64})
    text = said(calibration.fingerprint_sentence(made.model_copy(update={"data": (*made.data[:2], record)})))

    assert "(embedded)" in text
    assert "ffffffff (c4)" in text


def test_allocations_are_named_with_their_parameters_and_their_equation(results):
    made = results("calibrated")
    blocks = setup.rules(made)

    assert "owl with outlier 5, spread 0.08" in said(setup.allocation_sentence(made))
    assert [each.id for each in blocks if isinstance(each, document.Equation)] == ["eq:allocation-owl"]
    assert setup.allocation_sentence(results("course")) == ""
    assert setup.rules(results("course")) == ()


def test_patterns_of_units_and_permutation_are_explained_where_they_occur(results):
    made = results("calibrated")

    assert "4×4 tiles are tiles of 4 outputs by 4 inputs" in setup.units_sentence(made)
    assert "2:4 and 4:8" in setup.pattern_sentence(made)
    assert "row" not in setup.pattern_sentence(made).split("keeps")[0]
    assert "scope block" in setup.count_sentence(made)
    assert "execution then has to gather" in setup.options_sentence(made)
    assert setup.units_sentence(results("course")) == setup.options_sentence(results("course")) == ""


def test_an_allocation_says_where_it_puts_the_zeros(results):
    [text] = [said(each) for each in layers.allocation_sentences(results("calibrated")) if each.startswith("Wanda owl")]

    assert text == (
        "Wanda owl at 70 % gives blocks between 61.6 % (block 0) and 78.4 % (block 4); every matrix has what was "
        "allocated to it."
    )


def test_an_allocation_that_was_missed_says_by_how_much(results):
    made = results("calibrated")
    nodes = tuple(
        node.model_copy(update={"requested": (node.requested[0] - 0.02, *node.requested[1:])})
        if "owl" in str(node.stages)
        else node
        for node in made.nodes
    )
    texts = map(said, layers.allocation_sentences(made.model_copy(update={"nodes": nodes})))

    assert any("no matrix is further than 2 % from what was allocated to it" in text for text in texts)


def test_equal_sparsity_is_said_only_where_nothing_else_was_asked(results):
    made = results("calibrated")
    equal = tuple(node for node in made.nodes if node.stages[0].params.get("scope") == "layer")

    assert layers.equal_sentence(made) == ""
    assert "the same sparsity in every state" in layers.equal_sentence(made.model_copy(update={"nodes": equal}))
    assert layers.equal_sentence(results("course")) == ""


def test_errors_are_compared_and_their_peak_is_named(shown):
    text = " ".join(map(said, layers.error_sentences(shown("calibrated"))))

    assert "runs from 0.0275 (sparsegpt in order) to 0.0875 (magnitude layer), 3.18× as much" in text
    assert "In all 6 states fc2 has the largest error on average over blocks." in text


def test_peaks_that_differ_are_told_apart(shown):
    made = shown("calibrated")
    nodes = tuple(
        node.model_copy(update={"reconstruction_error": tuple(reversed(node.reconstruction_error))})
        if node.stages[0].entry == "magnitude"
        else node
        for node in made.nodes
    )
    text = " ".join(map(said, layers.error_sentences(made.model_copy(update={"nodes": nodes}))))

    assert "The matrix with the largest error on average over blocks is" in text


def overlaps_at(made, place="50 %"):
    return next(text for text in map(said, layers.overlap_sentences(made)) if text.startswith(f"At {place}"))


def altered(made, **update):
    """The results with every overlap changed."""
    return made.model_copy(update={"overlaps": tuple(each.model_copy(update=update) for each in made.overlaps)})


def test_pairs_that_agree_most_and_least_stand_beside_chance(shown):
    text = overlaps_at(shown("calibrated"))

    assert "magnitude layer and magnitude global agree most, with a Jaccard index of 0.87, where two random" in text
    assert "magnitude layer and sparsegpt agree least, with 0.61" in text
    assert "random pruning overlaps with every method as chance says" in text
    assert "masks of one method under two seeds have an index of at least 0.95 (wanda) and 0.95 (sparsegpt)" in text


@pytest.mark.parametrize(
    ("total", "words"),
    [(0.335, "as two random masks would"), (0.20, "less than two random masks would"), (0.6, "where two random masks")],
)
def test_an_index_is_read_against_chance(shown, total, words):
    text = overlaps_at(altered(shown("calibrated"), total=total, chance=1 / 3))

    assert "all 6 pairs are about equally alike" in text
    assert words in text


def test_random_pruning_off_chance_is_named(shown):
    made = altered(shown("calibrated"), total=0.6, chance=1 / 3)

    assert "random pruning overlaps with every method as chance says" not in overlaps_at(made)
    assert "and random overlap with a Jaccard index of 0.60" in overlaps_at(made)


def test_without_overlaps_nothing_is_said_about_masks(results):
    assert layers.overlap_sentences(results("course")) == []


def test_many_criteria_are_summed_up_beside_random_pruning(shown, change):
    made = shown("calibrated")
    text = said(behaviour.control_overview(made, made.models[0]))
    worse = change(
        made, cell=of("magnitude", scope="global", sparsity="0.7"), metric="perplexity", value=9e4, ci=(8e4, 1e5)
    )

    assert text.endswith("are better than random pruning wherever both were run.")
    assert "magnitude global is worse than random pruning at 70 %" in said(
        behaviour.control_overview(worse, worse.models[0])
    )


def test_many_sweeps_are_summed_up_by_their_reach(shown, change):
    made = shown("calibrated")
    text = said(behaviour.sweep_summary(made, made.models[0]))
    lost = change(made, cell=lambda cell: bool(cell.variant.stages), metric="perplexity", value=1000.0)

    assert "stays within 10 % of dense up to 50 % sparsity with sparsegpt and wanda owl; up to 30 % sparsity" in text
    assert "with random" in text.split("; ")[-1]
    assert "stays within" not in said(behaviour.sweep_summary(lost, lost.models[0]))


def test_every_section_of_the_calibrated_study_has_its_parts(report):
    """Figures and tables stand in the sections they belong to; long tables are in the appendix."""
    order = {
        target: each.id
        for each in report("calibrated").sections
        for block in document.blocks_of((each,))
        if (target := getattr(block, "id", ""))
    }

    assert order["tab:methods"] == "sec:setup"
    assert order["tab:comparison"] == "sec:headline"
    assert order["fig:quality_sparsity"] == order["fig:sensitivity"] == order["tab:seeds"] == "sec:behaviour"
    assert {order[f"fig:{name}"] for name in ("allocation", "layer_sparsity", "layer_error", "mask_overlap")} == {
        "sec:structure"
    }
    assert order["tab:published"] == "sec:checks"
    assert {order[f"tab:{name}"] for name in ("headline", "behaviour", "variants", "cost", "overlap", "cells")} == {
        "app:cells"
    }


def test_short_tables_stay_in_the_body(report):
    sections = {
        block.id: each.id
        for each in report("course").sections
        for block in document.blocks_of((each,))
        if isinstance(block, document.Table)
    }

    assert sections["tab:headline"] == sections["tab:comparison"] == "sec:headline"
    assert sections["tab:behaviour"] == "sec:behaviour"
    assert sections["tab:variants"] == "sec:setup"
