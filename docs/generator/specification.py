"""The spec reference, from the JSON Schema that editors use: every table and key with its type, default and meaning."""

from __future__ import annotations

from typing import Any

from sparsity_report.spec.schema import schema

from .markdown import code, document, sentence, table, text, toml

LEAD = """\
A spec is a TOML file. Every mistake is reported at once, with its line and a hint: `sparsity-report validate FILE`.
Where a key takes a list, one value stands for a list of one. Relative paths count from the spec's folder. Unknown keys
are refused. `sparsity-report schema --output schema.json` writes the same as a JSON Schema, with which an editor
completes and checks a spec whose first line is `#:schema ./schema.json`."""

MANY = 8
"""Choices that are more than this are a link to their page and not a list."""


def page() -> str:
    found = schema()
    definitions: dict[str, Any] = found["definitions"]
    top = {"": {"properties": found["properties"], "required": found["anyOf"][0]["required"]}}
    places = _places(found["properties"], definitions)
    sections = [_section("A spec", top[""], {}, places)]
    for name, place in places.items():
        sections.append(_section(place, definitions[name], definitions[name], places))
    return document("Spec reference", LEAD, *sections)


def _places(properties: dict[str, Any], definitions: dict[str, Any], before: str = "") -> dict[str, str]:
    """The TOML name of every table, in the order in which a reader of the spec meets them."""
    found: dict[str, str] = {}
    for key, node in properties.items():
        name = _named(node)
        if name and name not in found:
            many = "items" in node
            path = f"{before}{key}"
            found[name] = f"[[{path}]]" if many else f"[{path}]"
            inner = _places(definitions[name].get("properties", {}), definitions, f"{path}.")
            found |= {each: place for each, place in inner.items() if each not in found}
    return found


def _named(node: Any) -> str:
    """The table that a key's schema leads to, "" if it is a plain value."""
    if isinstance(node, list):
        return next(filter(None, map(_named, node)), "")
    if not isinstance(node, dict):
        return ""
    if "$ref" in node:
        return str(node["$ref"]).rpartition("/")[2]
    return _named(node.get("items")) or _named(node.get("anyOf", []))


def _section(heading: str, node: dict[str, Any], described: dict[str, Any], places: dict[str, str]) -> str:
    required = node.get("required", ())
    rows = [
        (code(key), _type(each, places), _default(each, key in required), text(each.get("description", "")))
        for key, each in node["properties"].items()
    ]
    paragraphs = [sentence(each) for each in described.get("description", "").split("\n\n") if each]
    shown = heading if heading.startswith("A ") else code(heading)
    return "\n\n".join([f"## {shown}", *paragraphs, table(("key", "type", "default", "meaning"), rows)])


def _default(node: dict[str, Any], required: bool) -> str:
    if required:
        return "must be given"
    default = node.get("default")
    if default in (None, "", [], {}) or _named(node):
        return ""
    return code(toml(default).replace('"', "") if _numeric(node) else toml(default))


def _numeric(node: dict[str, Any]) -> bool:
    """Whether every value is a number: exact ones stand in the schema's defaults as texts."""
    branches = node.get("anyOf", [node])
    return all(each.get("items", each).get("type") == "number" for each in branches)


def _type(node: dict[str, Any], places: dict[str, str]) -> str:
    """In words: "integer ≥ 1, or a list of them"."""
    if "$ref" in node:
        place = places[_named(node)]
        return f"table [`{place}`](#{anchor(place)})"
    if "const" in node:
        return code(toml(node["const"]))
    if "enum" in node:
        return " or ".join(code(toml(each)) for each in node["enum"]) if len(node["enum"]) <= MANY else "a known name"
    if "anyOf" in node:
        return _union(node["anyOf"], places)
    if node.get("type") == "array":
        items = node["items"]
        if isinstance(items, list):
            return f"list of {len(items)} {_type(items[0], places)}s"
        if "$ref" in items:
            return f"list of {_type(items, places).replace('table', 'tables', 1)}"
        return f"list of {_type(items, places)}" if "enum" not in items else f"list: {_type(items, places)}"
    return _plain(node)


def _union(branches: list[dict[str, Any]], places: dict[str, str]) -> str:
    """One value or a list of the same reads "…, or a list"."""
    lists = [each for each in branches if each.get("type") == "array"]
    single = [_type(each, places) for each in branches if each.get("type") != "array"]
    alone = [_type(each, places) for each in lists if each.get("items") not in branches]
    return ", or ".join([*single, *alone, *(["a list"] if len(alone) < len(lists) else [])])


def _plain(node: dict[str, Any]) -> str:
    kinds = node.get("type", "value")
    words = " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
    words = {"string": "text", "boolean": "true or false", "object": "table"}.get(words, words)
    return f"{words} ≥ {node['minimum']}" if "minimum" in node else words


def anchor(heading: str) -> str:
    """A heading's address on code hosts: lower case, spaces as hyphens, other signs dropped."""
    kept = "".join(each for each in heading.lower() if each.isalnum() or each in " -_")
    return kept.replace(" ", "-")
