"""A small study on the bundled model, written as a user would write it."""

from __future__ import annotations

import pytest
from tiny_models import build_model

from sparsity_report.engine.run import Options, run_study
from sparsity_report.spec.load import load_spec

SPEC = """
spec_version = 1
[study]
title = "A small study"
[[model]]
source = "bundled:tiny-opt"
[data]
evaluation = { source = "embedded", length = 64, windows = 4 }
[[variant]]
id = "course"
method = "magnitude"
scope = "global"
sparsity = 0.3
format = ["masked", "csr"]
[[variant]]
id = "semi"
method = "magnitude"
pattern = "2:4"
format = ["masked", "nm"]
[metrics]
use = ["storage", "sparsity", "flops", "agreement", "divergence", "perplexity"]
"""


@pytest.fixture
def spec_file(tmp_path):
    file = tmp_path / "small.toml"
    file.write_text(SPEC, encoding="utf-8")
    return file


@pytest.fixture
def study(spec_file):
    """`study(folder, text=…, **options) -> (results, events)`: one run."""

    def run(folder, *, overrides=(), **options):
        events = []
        loaded = load_spec(spec_file, overrides=overrides)
        return run_study(loaded, folder, Options(**options), events.append), events

    return run


@pytest.fixture
def build_tiny():
    """The function that builds a tiny model of an architecture by its name."""
    return build_model
