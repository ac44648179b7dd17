"""The model card: metadata that the hub reads, numbers beside dense's, and nothing that did not run."""

from __future__ import annotations

import pytest
import yaml

from sparsity_report.report.model_card import model_card


def csr_of(results):
    return next(each for each in results.cells if each.variant.format.entry == "csr")


def metadata(card):
    head, fields, body = card.split("---\n", 2)
    assert head == ""
    return yaml.safe_load(fields), body


def test_the_metadata_are_yaml_that_the_hub_knows(results):
    course = results("course")
    cell = csr_of(course)
    fields, _ = metadata(model_card(course, cell.id))

    assert fields["library_name"] == "transformers"
    assert {"pruning", "magnitude", "csr"} <= set(fields["tags"])
    assert "base_model" not in fields  # bundled: there is no repository of that name
    [entry] = fields["model-index"]
    values = {each["type"]: each["value"] for each in entry["results"][0]["metrics"]}
    assert values["perplexity"] == cell.value("perplexity")


def test_a_model_of_the_hub_is_named_as_the_base(results):
    course = results("course")
    model = course.models[0].model_copy(
        update={"kind": "hub", "source": "facebook/opt-125m", "licence": "OPT-175B: #1"}
    )
    fields, _ = metadata(model_card(course.model_copy(update={"models": (model,)}), csr_of(course).id))

    assert fields["base_model"] == "facebook/opt-125m"
    assert (fields["license"], fields["license_name"]) == ("other", "OPT-175B: #1")


def test_numbers_stand_beside_those_of_dense(results):
    course = results("course")
    cell = csr_of(course)
    _, body = metadata(model_card(course, cell.id))
    [line] = [line for line in body.splitlines() if line.startswith("| Stored bytes, whole model")]
    own, dense = (each.value("stored_bytes", over="model") / 2**20 for each in (cell, course.cells[0]))

    assert f"| {own:.2f} MiB | {dense:.2f} MiB | counted |" in line
    assert "protocol" in body
    assert "times the speed of dense (slower)" in body


def test_a_quick_run_and_a_labelled_model_are_marked(results):
    hardest = results("hardest")
    cell = next(each for each in hardest.cells if each.status == "ok" and each.variant.model == "smollm2-135m")
    card = model_card(hardest, cell.id)

    assert "its numbers are no results" in card
    assert "de-quantised from Q4" in card
    assert "<b>" not in card.split("```bibtex")[0]
    assert "no results" not in model_card(results("course"), csr_of(results("course")).id)


def test_what_did_not_run_has_no_card(results):
    failed = results("every_cell_failed")

    with pytest.raises(ValueError, match="was not executed"):
        model_card(failed, failed.cells[0].id)
    with pytest.raises(KeyError):
        model_card(failed, "no-such-cell")


def test_a_plain_checkpoint_claims_neither_bytes_nor_speed(results):
    course = results("course")
    card = model_card(course, csr_of(course).id, plain=True)

    assert "Stored bytes" not in card
    assert "times the speed of dense" not in card
    assert "pruned weights are zeros" in card
