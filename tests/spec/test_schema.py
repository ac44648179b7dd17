"""The JSON Schema says what the loader says."""

from __future__ import annotations

import tomllib
from pathlib import Path

import jsonschema
import pytest

from sparsity_report import registry
from sparsity_report.spec.schema import schema, schema_text

ROOT = Path(__file__).parents[2]
SHIPPED = sorted([*(ROOT / "specs").glob("*.toml"), *(ROOT / "templates" / "specs").glob("*.toml")])


def test_the_committed_schema_is_current() -> None:
    assert schema_text() == (ROOT / "specs" / "schema.json").read_text(encoding="utf-8")


def test_it_is_a_valid_draft_7_schema() -> None:
    jsonschema.Draft7Validator.check_schema(schema())


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_it_accepts_every_shipped_spec(file: Path) -> None:
    jsonschema.validate(tomllib.loads(file.read_text(encoding="utf-8")), schema(), jsonschema.Draft7Validator)


@pytest.mark.parametrize(
    "name", ["unknown_key", "wrong_type", "unknown_names", "formats", "missing_keys", "version", "single_table"]
)
def test_it_refuses_what_the_loader_refuses(name: str) -> None:
    """An editor that knows the schema underlines these while they are written."""
    text = (ROOT / "tests" / "specs" / f"bad_{name}.toml").read_text(encoding="utf-8")

    assert list(jsonschema.Draft7Validator(schema()).iter_errors(tomllib.loads(text)))


def test_methods_are_those_of_the_registry() -> None:
    method, many = schema()["definitions"]["Variant"]["properties"]["method"]["anyOf"]

    assert tuple(method["enum"]) == registry.names("methods")
    assert many["items"] == method


def test_nothing_of_later_drafts_is_left() -> None:
    for word in ('"$defs"', '"prefixItems"', '"null"'):
        assert word not in schema_text()


def test_every_table_and_every_key_has_a_meaning() -> None:
    """Editors and the spec reference show it; it is the docstring below the key in `sparsity_report/spec`."""
    found = schema()
    tables = {"": found, **found["definitions"]}
    keys = [
        (f"{table}.{key}", node.get("description", ""))
        for table, each in tables.items()
        for key, node in each["properties"].items()
    ]
    described = [(table, each.get("description", "")) for table, each in found["definitions"].items()]

    assert [name for name, meaning in [*keys, *described] if not meaning.strip()] == []
    assert len(keys) > 100
