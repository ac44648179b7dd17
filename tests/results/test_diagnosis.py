"""Why a baseline is not the published one, on evaluations whose fault is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tiny_published import cell, study

from sparsity_report.report.prose.checks import baseline_sentences
from sparsity_report.results import diagnosis, published

if TYPE_CHECKING:
    from sparsity_report.results.model import Results

LLAMA = "meta-llama/Llama-2-7b-hf"


def evaluated(value: float, *, source: str = "facebook/opt-125m", **changed: Any) -> Results:
    if "length" in changed:
        changed["protocol"] = f"wikitext-2 (test), {changed['windows']} × {changed['length']} tokens, no overlap"
    return study(cell("dense", value), source=source, **changed)


def only(found: Results) -> diagnosis.Diagnosis:
    (one,) = diagnosis.diagnose(found)
    return one


@pytest.mark.parametrize(
    ("value", "changed", "kind"),
    [
        (27.65, {}, "agrees"),
        (31.0, {}, "contradicts"),
        (30.1, {"length": 1024, "windows": 280}, "other windows"),  # 287,645 tokens
        (33.0, {"length": 512, "windows": 561}, "other windows"),
        (28.2, {"length": 2048, "windows": 32}, "part of the text"),
        (28.2, {"length": 1024, "windows": 300}, "another text"),  # 307,200 tokens are too many
        (28.2, {"length": 2048, "windows": 166}, "another text"),
    ],
)
def test_windows_and_length_say_what_was_evaluated(value: float, changed: dict[str, Any], kind: str) -> None:
    found = evaluated(value, **changed)

    assert only(found).kind == kind
    assert len(diagnosis.alerts(found)) == (1 if kind == "contradicts" else 0)


def test_333_windows_of_llama_2_are_a_known_mistake() -> None:
    """Issue 52 of Wanda's code: perplexity 7.72 where 5.12 is published, 333 windows where 83 of 4096 tokens belong."""
    found = evaluated(7.72, source=LLAMA, length=1024, windows=333)

    text = diagnosis.sentence(only(found))
    assert "333 windows of 1024 tokens" in text
    assert "This is what WikiText-103 in place of WikiText-2, or windows of 1024 tokens in place of 4096" in text
    assert text.endswith("gives (Sun et al. 2024, issue 52 of their code).")


def test_a_perplexity_of_thousands_under_the_right_protocol_is_a_known_mistake() -> None:
    """Issue 44 of SparseGPT's code."""
    (alert,) = diagnosis.alerts(evaluated(7452.0))

    assert "is in doubt. This is what code that hands the blocks no positions" in alert.text
    assert "(+26" in alert.text


def test_an_unknown_deviation_is_reported_without_a_cause() -> None:
    found = only(evaluated(31.0))

    assert found.known is None
    assert "(+12.1 %)" in diagnosis.sentence(found)


def test_the_nearest_protocol_is_the_one_that_is_compared() -> None:
    """Llama-2-7B has 5.47 at 2048 tokens and 5.12 at 4096; this study cut 2048."""
    found = only(evaluated(5.47, source=LLAMA, length=2048, windows=166))

    assert (found.kind, float(found.figure.value)) == ("agrees", 5.47)


def test_models_without_a_published_baseline_and_rehearsals_have_none() -> None:
    assert diagnosis.diagnose(evaluated(9.0, source="somebody/else")) == ()
    assert diagnosis.diagnose(evaluated(9.0).model_copy(update={"quick": True})) == ()


def test_the_report_has_the_sentence() -> None:
    assert baseline_sentences(evaluated(27.65)) == [
        "The dense perplexity of tiny, 27.65, agrees with the published 27.66 "
        "(Frantar and Alistarh 2023, table 1: 140 windows of 2048 tokens)."
    ]


def test_two_cuts_of_one_text_have_a_number_of_tokens_in_common() -> None:
    """341,469 tokens: 83 windows of 4096, 166 of 2048, 333 of 1024; 84 of 4096 are too many."""
    assert diagnosis.may_be_one_text(83, 4096, 333, 1024)
    assert diagnosis.may_be_one_text(166, 2048, 333, 1024)
    assert not diagnosis.may_be_one_text(84, 4096, 333, 1024)


def test_every_signature_is_of_a_known_family() -> None:
    families = {each.name.rpartition("-")[0] for each in published.load()}

    assert {each.family for each in diagnosis.signatures()} <= families
