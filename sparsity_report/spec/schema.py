"""
The JSON Schema of specs, for completion and checking in editors.

Kept to draft-07, which the TOML language servers know: they read it from `#:schema ./schema.json`.
"""

from __future__ import annotations

import json
from typing import Any

from .. import registry
from ..hardware.machines import known
from .model import SPEC_VERSION, Spec

IDENTIFIER = f"https://sparsity-report.github.io/schema/spec-{SPEC_VERSION}.json"


def schema() -> dict[str, Any]:
    """The schema as plain data, with the registry's names as choices."""
    plain = tidy(Spec.model_json_schema(ref_template="#/definitions/{model}"))
    tables = plain["definitions"]
    choose(tables["Variant"]["properties"]["method"], registry.names("methods"))
    choose(tables["Metrics"]["properties"]["use"], registry.names("metrics"))
    choose(tables["Hardware"]["properties"]["project"], tuple(known()))
    formats = tuple(name for name in registry.names("formats") if name != "dense")  # the reference, never a variant
    choose(tables["Variant"]["properties"]["format"], formats)
    choose(tables["Format"]["properties"]["use"], formats)
    plain["properties"]["extends"] = {"type": "string", "description": "Another spec that this one completes."}
    required = plain.pop("required")
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "$id": IDENTIFIER, "title": "sparsity-report spec"}
    return {**head, **{k: v for k, v in plain.items() if k != "title"}, "anyOf": [{"required": required}, EXTENDING]}


EXTENDING = {"required": ["extends"]}
"""What a spec lacks may stand in the one that it extends."""


RENAMED = {"$defs": "definitions", "prefixItems": "items"}


def tidy(node: Any) -> Any:
    """TOML has no null; draft-07 has other words for two things; titles only repeat the key."""
    if isinstance(node, list):
        return [tidy(each) for each in node]
    if not isinstance(node, dict):
        return node
    branches = [each for each in node.get("anyOf", ()) if each != {"type": "null"}]
    others = {key: value for key, value in node.items() if key != "anyOf"}
    node = {**others, **branches[0]} if len(branches) == 1 else {**others, "anyOf": branches} if branches else others
    return {
        RENAMED.get(key, key): tidy(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str)) and not (key == "default" and value is None)
    }


def choose(node: Any, names: tuple[str, ...]) -> None:
    """Restricts every text in a property's schema to `names`, in place."""
    if isinstance(node, dict):
        if node.get("type") == "string":
            node["enum"] = sorted(names)
        for each in node.values():
            choose(each, names)
    elif isinstance(node, list):
        for each in node:
            choose(each, names)


def schema_text() -> str:
    """The schema as the committed file holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
