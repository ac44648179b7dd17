"""Published figures beside results that were invented for the purpose: what counts as the same experiment."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
import tiny_results
from tiny_published import C4, CALIBRATED, EVALUATION, HEAD, LINEARS, SEEN, cell, study

from sparsity_report.report.cite import references
from sparsity_report.results import published
from sparsity_report.results.model import (
    CellRecord,
    Results,
    StageRecord,
)


def magnitude(value: float | None, **params: Any) -> CellRecord:
    return cell("magnitude", value, **{"pattern": "unstructured", "sparsity": "0.5", "scope": "layer"} | params)


def wanda(value: float, **params: Any) -> CellRecord:
    return cell("wanda", value, **{"pattern": "unstructured", "sparsity": "0.5", "scope": "row", **CALIBRATED} | params)


def verdicts(found: Results) -> list[tuple[str, str]]:
    """(published value, verdict) of every check."""
    return [(each.expected.partition(",")[0], each.verdict) for each in published.matches(found)]


def differs(found: Results, source: str = "") -> set[str]:
    """Everything that keeps the figures of `source` from being checks."""
    return {text for each in published.near(found) if source in each.published.source.text for text in each.differs}


# The file


def figure(model: str, method: str, amount: str, source: str) -> Decimal:
    (found,) = (
        each.value
        for each in published.load()
        if (each.name, each.method, each.amount) == (model, method, amount)
        and source in each.source.text
        and each.metric == "perplexity"
    )
    return found


@pytest.mark.parametrize(
    ("model", "method", "amount", "source", "value"),
    [
        ("OPT-125M", "dense", "", "Frantar", "27.66"),
        ("OPT-125M", "magnitude", "50 %", "Frantar", "193"),
        ("OPT-125M", "sparsegpt", "50 %", "Frantar", "36.85"),
        ("OPT-125M", "wanda", "50 %", "Mozaffari", "39.3"),
        ("OPT-125M", "magnitude", "2:4", "Mozaffari", "341.5"),
        ("OPT-125M", "wanda", "2:4", "Mozaffari", "81.6"),
        ("OPT-125M", "sparsegpt", "2:4", "Mozaffari", "60.7"),
        ("OPT-125M", "sparsegpt", "2:4", "Ashkboos", "45.07"),
        ("OPT-66B", "sparsegpt", "2:4", "Frantar", "10.09"),
        ("Llama-2-70B", "wanda", "2:4", "Sun", "5.16"),
        ("Llama-3-8B", "wanda", "2:4, permuted", "Zhang", "22.03"),
        ("LLaMA-7B", "wanda", "70 %, owl", "Yin", "24.55"),
        ("BLOOM-7.1B", "wanda", "50 %", "Sun", "13.55"),
    ],
)
def test_the_file_says_what_the_tables_say(model: str, method: str, amount: str, source: str, value: str) -> None:
    assert figure(model, method, amount, source) == Decimal(value)


def test_a_figure_of_the_same_source_and_protocol_stands_there_once() -> None:
    keys = [
        (each.name, each.method, each.amount, each.metric, each.task, each.tag, each.source.text)
        for each in published.load()
    ]

    assert len(keys) == len(set(keys))


def test_every_reference_is_known() -> None:
    assert {each.source.reference for each in published.load()} - {""} <= references().keys()


def test_what_was_not_checked_again_says_so() -> None:
    (remembered,) = (
        each for each in published.load() if (each.name, each.method, each.amount) == ("LLaMA-7B", "wanda", "2:4")
    )

    assert remembered.basis == "memory"
    assert remembered.doubt == "from memory, not verified"


def test_a_row_has_as_many_values_as_columns() -> None:
    table = published.Table(
        source="a", protocol="P", family="F", models=("x", "y"), rows=[{"method": "m", "values": [1]}]
    )
    file = published.File(
        tolerance={"default": 0.01},
        protocols={"P": {}},
        sources={"a": {"text": "A"}},
        families={"F": {"models": {"x": ("x",), "y": ("y",)}, "bos": False}},
        table=(table,),
    )

    with pytest.raises(ValueError, match="shorter"):
        list(published.figures(file, table, table.rows[0]))


@pytest.mark.parametrize(
    ("method", "model", "low", "high"),
    [
        ("dense", "OPT-125M", 27.66 * 0.99 - 0.005, 27.66 * 1.01 + 0.005),
        ("magnitude", "OPT-1.3B", 1700 * 0.99 - 50, 1700 * 1.01 + 50),  # printed as 1.7e3
        ("sparsegpt", "OPT-125M", 36.85 * 0.98 - 0.005, 36.85 * 1.02 + 0.005),
    ],
)
def test_the_bounds_are_tolerance_and_rounding(method: str, model: str, low: float, high: float) -> None:
    found = next(
        each
        for each in published.load()
        if (each.method, each.name, each.amount) == (method, model, "" if method == "dense" else "50 %")
    )

    assert all(map(math.isclose, found.bounds, (low, high)))


# Checks


def test_dense_and_layerwise_magnitude_meet_their_figures() -> None:
    """SparseGPT's table 1 has 27.66 and 193; SliceGPT has 27.64 and SLiM 193.4."""
    checks = published.matches(study(cell("dense", 27.65), magnitude(193.2)))

    assert [(each.expected.partition(",")[0], each.verdict) for each in checks] == [
        ("27.66", "pass"),
        ("193", "pass"),
        ("193.4", "pass"),
        ("27.64", "pass"),
    ]
    assert {each.origin for each in checks} == {"published"}
    assert checks[0].observed == "27.65 (+0.0 %)"
    assert checks[0].source == "Frantar and Alistarh 2023, table 1 (protocol P2048)"
    assert checks[0].cells == ("dense-dense",)
    assert published.reference_of(checks[0].source) == "frantar2023sparsegpt"


def test_a_value_outside_of_the_tolerance_misses() -> None:
    checks = published.matches(study(magnitude(190.0)))

    assert [each.verdict for each in checks] == ["miss", "miss"]
    assert [each.observed for each in checks] == ["190 (−1.6 %)", "190 (−1.8 %)"]


def test_a_calibrated_method_is_matched_by_the_calibration_set_as_it_was_cut() -> None:
    """The stage asks for "max" tokens of the default split; the record says 2048 of c4 (train)."""
    (check,) = published.matches(study(wanda(39.5)))

    assert (check.expected, check.verdict) == ("39.3, thus 38.46 to 40.14", "pass")
    assert check.source.endswith("calibration windows by another sampler)")


def test_patterns_are_matched_without_scope_and_sparsity() -> None:
    nm = {"pattern": "2:4", "sparsity": None, "scope": None}

    assert verdicts(study(wanda(81.0, **nm))) == [("81.6", "pass")]


def test_formats_and_seeds_of_one_figure_are_one_check_and_the_worst_counts() -> None:
    again = wanda(50.0, calibration=C4 | {"seed": 1}).model_copy(update={"id": "seed1"})
    seen = SEEN.model_copy(update={"seed": 1})
    found = study(wanda(39.5), wanda(39.5, form="csr"), again)
    found = found.model_copy(update={"data": (*found.data, seen)})

    (check,) = published.matches(found)

    assert (len(check.cells), check.verdict) == (3, "miss")
    assert check.observed == "39.5 (+0.5 %); 50 (+27.2 %)"


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (study(magnitude(193.0, scope="global")), "scope global instead of layer"),
        (study(magnitude(193.0), windows=32), "evaluated 32 windows instead of 140 windows"),
        (study(magnitude(193.0), length=1024), "windows of 1024 tokens instead of 2048 tokens"),
        (study(magnitude(193.0), joiner=" "), "documents joined by ' ' instead of '\\n\\n'"),
        (study(magnitude(193.0), bos="no BOS"), "the text begins with no BOS instead of one BOS before the text"),
        (
            study(magnitude(193.0), protocol="wikitext-2 (validation), 140 × 2048 tokens"),
            "evaluated on wikitext-2 (validation) instead of wikitext-2 (test)",
        ),
        (
            study(magnitude(193.0, allocation={"use": "erk"})),
            "allocation erk instead of uniform",
        ),
        (study(wanda(39.3, propagate="dense")), "inputs of blocks that were dense instead of pruned"),
        (study(wanda(39.3, own=3)), "own 3 instead of None"),
        (
            study(wanda(39.3, calibration=C4 | {"curate": {"min_words": 5}})),
            "a curated calibration text instead of all of it",
        ),
        (
            study(wanda(39.3, calibration=C4 | {"windows": 32})),
            "calibrated on 32 windows instead of 128 windows",
        ),
        (
            study(wanda(39.3, calibration=C4 | {"source": "embedded", "split": "train"})),
            "calibrated on embedded (train) instead of c4 (train)",
        ),
    ],
)
def test_another_experiment_is_no_check_and_says_what_differs(found: Results, text: str) -> None:
    assert published.matches(found) == ()
    assert text in differs(found)


def test_pruning_the_head_too_is_another_experiment() -> None:
    found = study(magnitude(193.0))
    model = found.models[0]
    model = model.model_copy(update={"matrices": (*LINEARS, HEAD.model_copy(update={"targeted": True}))})
    found = found.model_copy(update={"models": (model,)})

    assert published.matches(found) == ()
    assert differs(found) == {"pruned other matrices than all linear maps of the decoder blocks"}


def test_another_model_method_or_amount_is_not_even_near() -> None:
    elsewhere = study(magnitude(193.0), cell("dense", 27.66), source="bundled:tiny-opt")
    unknown = study(magnitude(193.0, sparsity="0.4"), cell("random", 1.0, pattern="unstructured", sparsity="0.5"))

    for found in (elsewhere, unknown):
        assert (published.matches(found), published.near(found)) == ((), ())


def test_a_second_stage_makes_it_another_model() -> None:
    pruned = magnitude(193.0)
    trained = (*pruned.variant.stages, StageRecord(op="train", entry="masked"))
    variant = pruned.variant.model_copy(update={"stages": trained})

    assert published.matches(study(pruned.model_copy(update={"variant": variant}))) == ()


def test_what_matches_a_figure_is_not_near_another() -> None:
    """SparseGPT 2:4 on OPT-125M stands in SLiM (calibrated on C4) and in SliceGPT (on WikiText-2)."""
    pruned = cell("sparsegpt", 60.5, pattern="2:4", **CALIBRATED)

    assert verdicts(study(pruned)) == [("60.7", "pass")]
    assert published.near(study(pruned)) == ()


def test_where_the_number_of_windows_is_not_known_a_tail_shows_that_the_text_was_used_whole() -> None:
    bloom = {"source": "bigscience/bloom-560m", "bos": "no BOS", "windows": 160}

    assert verdicts(study(cell("dense", 22.4), **bloom)) == [("22.42", "pass")]
    assert verdicts(study(cell("dense", 22.4), **bloom, tail_tokens_dropped=0)) == []


@pytest.mark.parametrize("value", [1.2e4, 2.4e4, 9e4])
def test_a_disputed_figure_decides_nothing(value: float) -> None:
    """Two papers print 1.2e4 and 2.4e4 for OPT-13B at 50 %."""
    checks = published.matches(study(magnitude(value), source="facebook/opt-13b"))

    assert [each.verdict for each in checks] == ["undecided", "undecided"]
    assert all("(disputed: " in each.expected for each in checks)


def test_a_figure_from_memory_decides_nothing() -> None:
    llama = {"source": "huggyllama/llama-7b", "windows": 166}
    (check,) = published.matches(study(magnitude(99.0, pattern="2:4", sparsity=None, scope=None), **llama))

    assert check.verdict == "undecided"
    assert check.expected.endswith("(from memory, not verified)")


@pytest.mark.parametrize(
    ("broken", "observed"),
    [
        (magnitude(None, status="failed"), "failed"),
        (magnitude(None, status="diverged"), "perplexity is not finite"),
    ],
)
def test_what_could_not_be_measured_cannot_be_checked(broken: CellRecord, observed: str) -> None:
    checks = published.matches(study(broken))

    assert [each.verdict for each in checks] == ["cannot_check", "cannot_check"]
    assert observed in checks[0].observed


def test_a_study_without_perplexities_and_a_rehearsal_have_no_checks() -> None:
    without = magnitude(193.0).model_copy(update={"metrics": ()})

    assert published.matches(study(without)) == ()
    assert published.matches(study(magnitude(193.0)).model_copy(update={"quick": True})) == ()


def test_of_several_texts_the_figures_own_is_compared() -> None:
    """Perplexity on another text beside it neither hides the figure nor is taken for it."""
    on = [
        tiny_results.perplexity(value).model_copy(update={"conditions": {"corpus": corpus}})
        for corpus, value in (("ptb", 900.0), ("wikitext-2", 193.0))
    ]
    found = study(magnitude(0.0).model_copy(update={"metrics": tuple(on)}))
    other = EVALUATION.model_copy(update={"corpus": "ptb", "source": "ptb", "protocol": "ptb (test), 40 × 2048 tokens"})
    both = found.model_copy(update={"data": (other, *found.data)})

    assert published.matches(both)
    assert [each.observed for each in published.matches(both)] == [
        each.observed for each in published.matches(study(magnitude(193.0)))
    ]
