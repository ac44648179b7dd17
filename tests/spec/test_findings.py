"""Pydantic's errors in our own words."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import ValidationError
from pydantic_core.core_schema import ErrorType

from sparsity_report.spec.findings import EXPECTED, SENTENCES, dotted, from_pydantic, keys_at
from sparsity_report.spec.model import Data, Spec, Variant


def test_paths_read_like_toml() -> None:
    assert dotted(("variant", 1, "params", "x.y", "alpha")) == 'variant[1].params."x.y".alpha'


def test_every_type_that_we_word_is_one_of_pydantics() -> None:
    """A type that pydantic renamed would fall back to its own wording."""
    assert {*EXPECTED, *SENTENCES} <= {*get_args(ErrorType)}


def test_known_keys_follow_the_shape_of_the_spec() -> None:
    assert keys_at(Spec, ("variant", 3)) == tuple(Variant.model_fields)
    assert "batch" in keys_at(Spec, ("metrics", "latency"))


def test_branches_of_a_choice_are_one_finding() -> None:
    """A window length is a whole number or "max": two errors of pydantic, one of ours."""
    data = {"evaluation": {"source": "embedded", "length": {"not": "a length"}}}

    with pytest.raises(ValidationError) as refused:
        Data.model_validate(data, strict=True)
    (finding,) = from_pydantic(refused.value, data, Data, ("data",))

    assert finding.loc == ("data", "evaluation", "length")
    assert finding.message == "must be a whole number or 'max', got a table"
