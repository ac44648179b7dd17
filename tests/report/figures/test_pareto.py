"""Quality against bytes and time: the CSV says which points are on the front, and the noise is no difference."""

from __future__ import annotations

import csv
import io

from sparsity_report.report.figures import pareto_bytes, pareto_latency


def front_of(drawing):
    return [row["name"] for row in csv.DictReader(io.StringIO(drawing.csv)) if row["on_front"] == "True"]


def test_a_smaller_variant_of_worse_quality_is_on_the_front_and_a_larger_one_is_not(course):
    """Masked stores what dense stores and predicts worse."""
    front = front_of(pareto_bytes.draw(course))

    assert "dense" in front
    assert "magnitude 2:4, N:M packed" in front
    assert not any("masked" in name for name in front)


def test_a_time_within_the_noise_of_dense_is_its_own(course):
    """2:4 masked was timed at 0.997 of dense and predicts worse: no reason to prefer it."""
    assert front_of(pareto_latency.draw(course)) == ["dense", "dense"]


def test_a_front_needs_numbers(studies):
    assert pareto_bytes.draw(studies("every_cell_failed")) is None
    assert pareto_latency.draw(studies("nan_perplexity")) is None
