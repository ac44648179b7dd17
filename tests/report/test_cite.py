"""References and BibTeX."""

from __future__ import annotations

import pytest

from sparsity_report import registry
from sparsity_report.report import cite
from sparsity_report.report.build import build


def test_every_registry_entry_cites_a_known_reference():
    cited = {
        registry.get(kind, name).INFO.cite
        for kind in ("methods", "formats", "metrics", "corpora", "allocation")
        for name in registry.names(kind)
    }

    assert cited - {""} <= set(cite.references())


@pytest.mark.parametrize("key", sorted(cite.references()))
def test_every_reference_has_authors_title_and_year(key):
    reference = cite.references()[key]

    assert {"author", "title", "year"} <= set(reference.fields)
    assert reference.bibtex.startswith(f"@{reference.type}{{{key},")
    assert reference.bibtex.count("{") == reference.bibtex.count("}")


def test_authors_are_shortened_to_initials():
    assert cite.reference("han2015learning").authors == "S. Han, J. Pool, J. Tran and W. J. Dally"
    assert cite.reference("zhang2022opt").authors.endswith("M. Chen et al.")


def test_an_unknown_key_is_shown_by_its_key():
    assert cite.reference("plugin2030").authors == "plugin2030"


@pytest.mark.parametrize(
    ("identifier", "architecture", "key"),
    [
        ("anything", "OPTForCausalLM", "zhang2022opt"),
        ("anything", "opt", "zhang2022opt"),
        ("optimistic-llama", "llama", ""),
        ("pythia-70m", "gpt_neox", "biderman2023pythia"),
        ("smollm2-135m", "llama", "allal2025smollm2"),
        ("other", "llama", ""),
    ],
)
def test_models_cite_their_paper(results, identifier, architecture, key):
    model = (
        results("course")
        .models[0]
        .model_copy(update={"id": identifier, "source": identifier, "architecture": architecture})
    )

    assert cite.of_model(model) == key


def test_an_expectation_from_a_known_work_has_its_reference(results, report, drawn_as):
    drawn_as("course")
    made = results("course")
    checks = tuple(each.model_copy(update={"source": "Herri 2025, section 4"}) for each in made.checks)
    known = [each.key for each in build(made.model_copy(update={"checks": checks})).references]

    assert "herri2025characterization" in known
    assert "herri2025characterization" not in [each.key for each in report("course").references]
    assert cite.reference("herri2025characterization").venue == "Course paper ECE 718, McMaster University, 2025"
