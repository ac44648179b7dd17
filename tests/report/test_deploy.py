"""What to deploy: each sentence on data that make it say one thing, and on data that make it say the opposite."""

from __future__ import annotations

import pytest

from sparsity_report.report import fronts
from sparsity_report.report.markup import to_text
from sparsity_report.report.prose import deploy


def with_ratio(made, predicate, value, ci):
    """The results with a paired perplexity ratio for every cell that fits."""
    cells = []
    for cell in made.cells:
        perplexity = cell.find("perplexity")
        if predicate(cell) and perplexity is not None:
            own = perplexity.model_copy(update={"metric": "perplexity_ratio", "value": value, "ci": ci})
            metrics = (*(each for each in cell.metrics if each.metric != "perplexity_ratio"), own)
            cell = cell.model_copy(update={"metrics": metrics})
        cells.append(cell)
    return made.model_copy(update={"cells": tuple(cells)})


def pruned(cell):
    return not cell.is_reference


def sentence(write, made, *more):
    return to_text(write(made, made.models[0], *more))


@pytest.fixture
def good(results):
    """Every variant keeps the quality."""
    return with_ratio(results("course"), pruned, 1.01, (1.0, 1.02))


def test_the_smallest_that_keeps_the_quality_is_named(good):
    dense = good.cells[0].value("stored_bytes", over="model")
    smallest = min(good.cells, key=lambda cell: cell.value("stored_bytes", over="model"))
    size = smallest.value("stored_bytes", over="model")
    found = sentence(deploy.smallest_sentence, good)

    assert "the smallest is magnitude" in found
    assert f"{size / 2**20:.2f}\u00a0MiB, {size / dense:.2f}× dense" in found


def test_where_nothing_smaller_keeps_it_that_is_said(good, change):
    larger = change(good, cell=pruned, metric="stored_bytes", value=9e9)
    bad = with_ratio(good, pruned, 1.2, (1.1, 1.3))

    assert "none is smaller than dense" in sentence(deploy.smallest_sentence, larger)
    assert "no variant keeps the perplexity" in sentence(deploy.smallest_sentence, bad).lower()


def test_an_interval_over_the_tolerance_keeps_nothing_for_sure(good):
    unclear = with_ratio(good, pruned, 1.03, (1.0, 1.06))

    assert "dense stays" in sentence(deploy.smallest_sentence, unclear)
    assert "not decided" in sentence(deploy.unclear_sentence, unclear)
    assert sentence(deploy.unclear_sentence, good) == ""


def test_the_fastest_is_named_only_where_one_is_faster(good, change):
    fast = change(good, cell=pruned, metric="prefill_speedup", value=1.5, ci=(1.4, 1.6))
    slow = change(good, cell=pruned, metric="prefill_speedup", value=0.5, ci=(0.4, 0.6))

    assert "the fastest of those within 5\u00a0% in prefill is" in sentence(deploy.fastest_sentence, fast, "prefill")
    assert "no variant within 5\u00a0% is faster" in sentence(deploy.fastest_sentence, slow, "prefill")


def test_a_fast_variant_of_bad_quality_is_not_recommended(good, change):
    fast = change(good, cell=pruned, metric="prefill_speedup", value=1.5, ci=(1.4, 1.6))

    assert sentence(deploy.fastest_sentence, with_ratio(fast, pruned, 1.2, (1.1, 1.3)), "prefill") == ""


def test_which_methods_keep_it_at_each_sparsity(good):
    def random(cell):
        return pruned(cell) and cell.variant.stages[0].entry == "random"

    bad_random = with_ratio(good, random, 1.4, (1.3, 1.5))
    bad = with_ratio(good, pruned, 1.4, (1.3, 1.5))

    assert "at 30\u00a0% and 50\u00a0% both. Where all are, the simplest" in sentence(deploy.method_sentence, good)
    assert "are: at 30\u00a0% and 50\u00a0% only magnitude." in sentence(deploy.method_sentence, bad_random)
    assert sentence(deploy.method_sentence, bad) == (
        "No method compared is within 5\u00a0% of the dense perplexity at 30\u00a0% or 50\u00a0%: "
        "pruning needs recovery or a lower sparsity."
    )


def test_what_was_not_timed_is_said(good, change):
    timed = [cell for cell in good.cells if cell.find("prefill_speedup") or cell.is_reference]

    assert "variants were timed" in sentence(deploy.untimed_sentence, good)
    assert sentence(deploy.untimed_sentence, good.model_copy(update={"cells": tuple(timed)})) == ""


@pytest.mark.parametrize("name", ["every_cell_failed", "hardest", "nan_perplexity"])
def test_nothing_is_recommended_without_numbers(results, name):
    """A cell that failed or diverged is no candidate."""
    made = results(name)
    ids = {each.cell.id for model in made.models for each in fronts.candidates(made, model)}

    assert not ids & {cell.id for cell in made.cells if cell.value("perplexity") is None}
    if name == "every_cell_failed":
        assert sentence(deploy.smallest_sentence, made) == ""
        assert sentence(deploy.fastest_sentence, made, "prefill") == ""


def test_the_front_has_what_no_other_beats(good):
    """By hand: of (cost, quality) pairs (1, 3), (2, 2), (2, 2.5), (3, 2), (4, 1) the first, second and last remain."""
    cell = good.cells[0]
    pairs = ((1, 3.0), (2, 2.5), (2, 2.0), (3, 2.0), (4, 1.0))
    points = [fronts.Candidate(cell, quality, quality, quality, 0.0, cost) for cost, quality in pairs]

    assert [(each.size, each.quality) for each in fronts.front(points, lambda each: each.size)] == [
        (1, 3.0), (2, 2.0), (4, 1.0),
    ]  # fmt: skip
