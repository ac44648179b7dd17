"""A page for every kind of registry entry, from what the entries say about themselves, as `list` prints it."""

from __future__ import annotations

from typing import Any

from sparsity_report import registry
from sparsity_report.cli.list import HARDWARE, KINDS, entry, names_of
from sparsity_report.report import cite

from .markdown import code, document, sentence, table, text, toml
from .specification import anchor

TITLES = {
    "methods": ("Pruning methods", '`[[variant]] method = "NAME"` chooses one; a list compares several.'),
    "allocation": (
        "Allocations",
        '`[[variant]] allocation = "NAME"` chooses how the sparsity is spread over the matrices.',
    ),
    "formats": (
        "Formats",
        '`[[variant]] format = "NAME"` chooses how a pruned matrix is stored and executed; '
        '`{ use = "NAME", KEY = … }` with parameters. The reference, `dense`, is always there and never named.',
    ),
    "metrics": ("Metrics", "`[metrics] use = [NAME, …]` chooses what is measured; the quantities come with it."),
    "corpora": ("Corpora", '`[data] evaluation = { source = "NAME" }`, and the same for the calibration.'),
    "sources": ("Model sources", "`[[model]] source` takes any of these; which one reads it follows from its form."),
    "quantizers": ("Quantizers", "A step `{ quantize = NAME, … }` of a variant lowers the precision of the values."),
    HARDWARE: (
        "Machines",
        "`[hardware] project = [NAME, …]` models lower bounds for these. Peaks and bandwidths are the makers' figures.",
    ),
}
"""Title and first sentences by kind; a kind that is not here takes its own name."""

KIND_WORDS = {"methods": ("family", "weight update")}
"""Traits that the overview of a kind shows."""


def pages() -> dict[str, str]:
    """Path to text, for every kind that `list` knows."""
    return {f"{kind}.md": page(kind) for kind in (*KINDS, HARDWARE)}


def page(kind: str) -> str:
    title, lead = TITLES.get(kind, (kind.capitalize(), ""))
    added = registry.plugins(KINDS[kind]) if kind in KINDS else {}
    entries = [entry(kind, name) for name in names_of(kind) if name not in added]
    if kind == HARDWARE:
        return document(title, lead, *map(_machine, entries))
    own = "" if kind == "sources" else _own(kind)
    return document(title, lead, own, _overview(kind, entries), *(_section(kind, each) for each in entries))


def _own(kind: str) -> str:
    group = f"sparsity_report.{KINDS[kind]}"
    how = "[a new method in one file](../tutorials/new-method.md)"
    return f"Other packages add their own through the entry point `{group}`: {how}."


def _overview(kind: str, entries: list[dict[str, Any]]) -> str:
    traits = KIND_WORDS.get(kind, ())
    rows = [
        (
            f"[`{each['name']}`](#{anchor(each['name'])})",
            text(each["summary"]),
            *(text(each["traits"].get(trait, "")) for trait in traits),
            ", ".join(map(code, each["needs"])) or "nothing" if kind == "methods" else "",
        )
        for each in entries
    ]
    return table(("name", "what it is", *traits, "looks at"), rows)


def _section(kind: str, each: dict[str, Any]) -> str:
    parts = [f"## `{each['name']}`", sentence(each["summary"])]
    if each["equation"]:
        parts += [f"```math\n{each['equation']}\n```", f"In words: {text(each['spoken'])}."]
    parts += [_facts(kind, each), _parameters(kind, each), _quantities(each)]
    return "\n\n".join(part for part in parts if part)


def _facts(kind: str, each: dict[str, Any]) -> str:
    module = registry.get(KINDS[kind], each["name"])
    facts = {
        **each["traits"],
        "looks at": ", ".join(map(code, each["needs"])),
        "compares weights within": code(getattr(module, "DEFAULT_SCOPE", ""))
        and f"`{module.DEFAULT_SCOPE}`, by default",
        "splits": ", ".join(code(split) for split in each["splits"] if split),
        "optional package": ", ".join(map(code, each["requires"])),
        "reference": _reference(each["cite"]),
        "result version": str(each["result_version"]) if each["result_version"] > 1 else "",
        "code": _code(module.__name__),
    }
    plain = set(each["traits"])
    return "\n".join(f"- {name}: {text(value) if name in plain else value}" for name, value in facts.items() if value)


def _code(module: str) -> str:
    path = module.replace(".", "/") + ".py"
    return f"[`{path}`](../../{path})"


def _reference(key: str) -> str:
    if not key:
        return ""
    found = cite.reference(key)
    title = text(found.fields["title"])
    linked = f"[{title}]({found.url})" if found.url else title
    return f"{text(found.authors)}: {linked}, {text(found.venue)}"


def _parameters(kind: str, each: dict[str, Any]) -> str:
    rows = [
        (code(name), "must be given" if own.get("required") else code(toml(own["default"])), _choices(own["type"]))
        for name, own in each["parameters"].items()
    ]
    places = {"formats": "beside `use`", "quantizers": "in the step, beside `quantize`"}
    place = places.get(kind, f"in `[variant.params.{each['name']}]`")
    lead = f"Parameters, {place}:\n\n" if rows else ""
    return lead + table(("parameter", "default", "type"), rows)


def _choices(kind: str) -> str:
    return " or ".join(code(each.strip().replace("'", '"')) for each in kind.split("|"))


def _quantities(each: dict[str, Any]) -> str:
    rows = [
        (
            code(own["name"]),
            text(own["unit"]),
            own["kind"],
            {"none": "", "lower": "lower", "higher": "higher"}[own["direction"]],
            sentence(own["definition"]),
            sentence(own["limits"]) if own["limits"] else "",
        )
        for own in each["quantities"]
    ]
    return table(("quantity", "unit", "kind", "better", "definition", "limits"), rows)


def _machine(each: dict[str, Any]) -> str:
    lines = [f"- {dtype}: {peak / 1e12:g} TFLOP/s" for dtype, peak in each.get("peak", {}).items()]
    lines += [
        f"- {dtype} with 2:4: {peak / 1e12:g} TFLOP/s, counted as if dense"
        for dtype, peak in each.get("peak_2_4", {}).items()
    ]
    lines += [f"- source: [{text(each['source'])}]({each['url']})"]
    lines += [f"- {text(each['note'])}"] if "note" in each else []
    return "\n\n".join([f"## `{each['name']}`", sentence(each["summary"]), "\n".join(lines)])
