"""Speed against sparsity: a crossover is between two timed cells or not stated; the sentence turns with the data."""

from __future__ import annotations

import csv
import io

import pytest

from sparsity_report.report import crossovers
from sparsity_report.report.figures import speed_vs_sparsity
from sparsity_report.report.prose import speed_by_sparsity


@pytest.fixture
def timed(results, change):
    """`timed(0.5, 0.8, 1.4)`: the course study with these prefill speed-ups of CSR at 30, 50 and 70 %, ± `width`."""

    def made(*ratios, width=0.02):
        study = results("course")
        csr = [cell.id for cell in study.cells if cell.variant.format.entry == "csr"]
        for name, ratio in zip(csr, ratios, strict=True):
            interval = (ratio - width, ratio + width)
            study = change(
                study, cell=lambda each, n=name: each.id == n, metric="prefill_speedup", value=ratio, ci=interval
            )
        return study

    return made


def prefill(study):
    (found,) = crossovers.series(study, study.models[0], "prefill")
    return found


def test_the_crossover_is_between_the_last_slower_and_the_first_faster_cell(timed):
    found = prefill(timed(0.5, 0.8, 1.4))

    assert found.crossover == pytest.approx((0.5, 0.7), abs=0.005)
    assert [each.ratio for each in found.steps] == [0.5, 0.8, 1.4]


def test_a_cell_within_the_noise_is_on_neither_side(timed):
    assert prefill(timed(0.5, 1.001, 1.4)).crossover == pytest.approx((0.3, 0.7), abs=0.005)


@pytest.mark.parametrize("ratios", [(0.4, 0.5, 0.6), (1.4, 1.5, 1.6), (1.4, 0.5, 1.6), (0.5, 1.001, 1.0)])
def test_none_is_extrapolated_or_chosen_among_several(timed, ratios):
    assert prefill(timed(*ratios)).crossover is None


@pytest.mark.parametrize(
    ("ratios", "words"),
    [
        ((0.5, 0.8, 1.4), "passes dense between 50 % and 70 % sparsity"),
        ((0.5, 1.2, 1.4), "passes dense between 30 % and 50 % sparsity"),
        ((0.4, 0.5, 0.6), "is slower than dense at all timed sparsities, 30 % to 70 %"),
        ((1.4, 1.5, 1.6), "is faster than dense at all timed sparsities"),
        ((1.0, 1.001, 1.0), "shows no difference from dense at all timed sparsities"),
        ((1.4, 0.5, 1.6), "has no single crossover"),
    ],
)
def test_the_sentence_follows_the_numbers(timed, ratios, words):
    found = [each for each in speed_by_sparsity.sentences(timed(*ratios)) if each.startswith("In prefill")]

    assert len(found) == 1
    assert words in found[0].replace("\u00a0", " ")


def test_a_single_sparsity_makes_no_series(timed):
    study = timed(0.5, 0.8, 1.4)
    kept = [cell for cell in study.cells if cell.variant.format.entry != "csr" or "30" in cell.id]
    study = study.model_copy(update={"cells": tuple(kept)})

    assert speed_by_sparsity.sentences(study) == []
    assert speed_vs_sparsity.draw(study) is None


def test_the_figure_has_every_timed_cell_and_says_the_crossover(timed):
    drawing = speed_vs_sparsity.draw(timed(0.5, 0.8, 1.4))
    rows = [row for row in csv.DictReader(io.StringIO(drawing.csv)) if row["phase"] == "prefill"]

    assert [(row["speedup"], row["verdict"]) for row in rows] == [
        ("0.5", "slower"),
        ("0.8", "slower"),
        ("1.4", "faster"),
    ]
    assert "passes dense between 50\u00a0% and 70\u00a0%" in drawing.alt
    assert "no crossover" in speed_vs_sparsity.draw(timed(0.4, 0.5, 0.6)).alt
