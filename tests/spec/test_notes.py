"""The author's text beside a spec. What is refused stands in tests/specs/bad_quotes.toml and its neighbours."""

from __future__ import annotations

import pytest

from sparsity_report import bibliography, quotes
from sparsity_report.errors import SpecError
from sparsity_report.spec.load import load_spec

SPEC = """
spec_version = 1
[study]
title = "Quotes"
[[model]]
source = "bundled:tiny-opt"
[data]
evaluation = {{ source = "embedded", length = 256 }}
[[variant]]
method = ["magnitude", "random"]
sparsity = 0.5
format = ["masked", {{ use = "csr", index = ["int32", "int64"] }}]
[report.notes]
discussion = "{}"
"""


def loaded(folder, text, name="own.md"):
    (folder / "own.md").write_text(text, encoding="utf-8")
    spec = folder / "study.toml"
    spec.write_text(SPEC.format(name).replace('["int32", "int64"]', '"int64"'), encoding="utf-8")
    return load_spec(spec)


def test_what_the_study_will_have_may_be_quoted(tmp_path):
    """Behaviour is a state's, whatever its format; a format's own parameters select too."""
    text = (
        "{{ perplexity | method=random }} {{stored_bytes|method=magnitude, index=int64}} {{ sparsity | variant=dense }}"
    )

    assert loaded(tmp_path, text).notes.texts == {"discussion": ("own.md", text)}


def test_every_problem_of_a_text_is_told_with_its_line(tmp_path):
    with pytest.raises(SpecError) as refused:
        loaded(tmp_path, "fine\n\n{{ perplexity }}\n{{ nothing }} [@nobody]")

    assert [problem.line for problem in refused.value.problems] == [3, 4, 4]
    assert "differ in" in refused.value.problems[0].message
    assert f"{tmp_path / 'own.md'}:3: the quote 'perplexity' means" in str(refused.value)


def test_nothing_in_a_quote_is_evaluated():
    [found] = quotes.read("{{ ().__class__.__mro__ }}")

    assert found.problem == "does not begin with the name of a quantity"


def test_a_quote_may_run_over_lines_and_is_placed_where_it_begins():
    [first, second] = quotes.read('a\nb {{ perplexity |\n  id="a, b", batch=1,\n  interval }}\n{{ x }}')

    assert (first.line, first.options, first.interval) == (2, {"id": "a, b", "batch": 1}, True)
    assert second.line == 5


BIB = r"""
@comment{not read}
@InProceedings{frantar:2023, author = {Frantar, Elias and {The {\"O}kobau Team} and Jos\'{e} Garc{\'\i}a},
  title = "Massive {L}anguage {M}odels \& 50~\% fewer -- weights", year = 2023}
@misc{other, author={Erd{\H{o}}s, P. and Ma{\l}gorzata Stra\ss e and van der Maaten, Laurens},
  title={A {nested {title}}}}
"""


def test_bibtex_is_read_with_its_latex_written_out():
    found = bibliography.read(BIB, "own.bib")

    assert found["frantar:2023"] == {
        "type": "inproceedings",
        "author": "Elias Frantar and {The Ökobau Team} and José García",
        "title": "Massive Language Models & 50 % fewer – weights",
        "year": "2023",
    }
    assert found["other"]["author"] == "P. Erdős and Małgorzata Straße and Laurens van der Maaten"
    assert found["other"]["title"] == "A nested title"


def test_toml_references_are_read_like_those_shipped():
    found = bibliography.read('[a1]\ntype = "book"\nauthor = "A B"\ntitle = "T"\nyear = 2020\n', "own.toml")

    assert found == {"a1": {"type": "book", "author": "A B", "title": "T", "year": "2020"}}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("\n@misc{a, title = {T}", 2, "not closed"),
        ("@misc{a, title = {T}, author = {A} nonsense}", 1, "'nonsense'"),
        ("@misc{a, title={T}, author={A}}\n@misc{a, title={T}, author={A}}", 2, "taken already"),
        ("@string{x = {y}}", 1, "@string"),
        ("@misc{a, author = {A}}", 1, "'a' has no title"),
    ],
)
def test_mistakes_in_bibtex_are_told_with_their_line(text, line, message):
    with pytest.raises(SpecError) as refused:
        bibliography.read(text, "own.bib")

    assert refused.value.problems[0].line == line
    assert message in str(refused.value)
