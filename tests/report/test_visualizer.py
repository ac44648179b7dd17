"""The visualizer's matrices and first choices; what its script does is in test_browser.py."""

from __future__ import annotations

import math

import pytest
import torch

from sparsity_report.contracts import Pattern
from sparsity_report.report import visualizer
from sparsity_report.results.model import ExcerptRecord
from sparsity_report.selection import keep_masks

TIED = torch.tensor(
    [[0.5, -0.5, 0.5, 0.25, 0.0, 0.0], [0.25, 0.25, -0.25, 0.5, 1.0, 0.0], [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]]
)
EXCERPT = ExcerptRecord(model="m", matrix="a.q", col=16, weights=((0.034, -0.0071), (0.002, 0.099)), tokens=4096)


def masks(scores, scope, count, pattern="unstructured"):
    chosen = keep_masks(
        [scores.abs()], pattern=Pattern.parse(pattern), scope=scope, counts=[count], sparsity=None, compat="exact"
    )
    return chosen[0].tolist()


@pytest.mark.parametrize("count", [0, 1, 4, 7, 9, 17, 18])
def test_choices_are_those_of_the_program_ties_included(count):
    scores = TIED.abs().tolist()

    assert visualizer.keep_of_matrix(scores, count) == masks(TIED, "layer", count)
    assert visualizer.keep_of_rows(scores, count) == masks(TIED, "row", count)


@pytest.mark.parametrize("pattern", visualizer.PATTERNS)
def test_groups_are_those_of_the_program_the_shorter_last_one_too(pattern):
    n, m = map(int, pattern.split(":"))

    assert visualizer.keep_of_groups(TIED.abs().tolist(), n, m) == masks(TIED, "row", 0, pattern)


def test_the_example_shows_what_it_is_for():
    """Half of the weights go either way; Wanda keeps those that read the two large inputs and loses less."""
    example = visualizer.presets_of(())[0]
    found = {panel.criterion: panel.keep for panel in visualizer.panels(example)}
    outliers = [column for column, norm in enumerate(example.norms) if norm > 5]

    assert len(outliers) == 2
    assert sum(map(sum, found["wanda"])) == sum(map(sum, found["magnitude"])) == 16
    kept = {name: sum(row[column] for row in found[name] for column in outliers) for name in ("wanda", "magnitude")}
    assert kept == {"wanda": 7, "magnitude": 0}
    assert visualizer.error(example, found["wanda"]) < visualizer.error(example, found["magnitude"]) / 2
    assert visualizer.error(example, found["wanda-nm"]) < visualizer.error(example, found["magnitude-nm"]) / 2


def test_the_error_is_the_norm_of_what_is_lost():
    """√((0.3·8)² + (2·0.5)²) by hand."""
    preset = visualizer.Preset("", "", ((1.0, 0.3), (2.0, 4.0)), (0.5, 8.0))

    assert visualizer.error(preset, ((True, False), (False, True))) == pytest.approx(math.hypot(2.4, 1.0))


def test_the_studys_own_matrix_says_where_it_is_from_and_its_unit():
    """The largest weight is 99 thousandths: so they are shown."""
    _, own = visualizer.presets_of((EXCERPT,))

    assert own.note.startswith("Rows 1 to 2, columns 17 to 18 of a.q, in units of 10 to the power of −3;")
    assert [visualizer.shown(own, weight) for weight in own.weights[0]] == ["34", "−7"]
    assert "no calibration text, so all norms start at 1" in own.note
    assert own.norms == (1.0, 1.0)


def test_the_inputs_of_the_study_are_taken_where_there_are_any():
    _, own = visualizer.presets_of((EXCERPT.model_copy(update={"input_rms": (0.5, 7.0)}),))

    assert own.norms == (0.5, 7.0)
    assert "root mean squares over 4,096 calibration tokens" in own.note
