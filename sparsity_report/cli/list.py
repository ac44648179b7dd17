"""`list`: what the registry holds. The function is called like its verb, so the builtin is out of reach here."""

from __future__ import annotations

import importlib.util
import json
from typing import Annotated, Any, get_origin

import typer

from .. import registry
from ..errors import UsageError
from ..report import cite

KINDS = {
    "methods": "methods",
    "allocation": "allocation",
    "formats": "formats",
    "metrics": "metrics",
    "corpora": "corpora",
    "sources": "models.sources",
}


def entry(kind: str, name: str) -> dict[str, Any]:
    """Everything that an entry says about itself, as plain data."""
    module = registry.get(KINDS[kind], name)
    info = module.INFO
    fields = module.Params.model_fields if hasattr(module, "Params") else {}
    parameters = {
        key: {"default": None if field.is_required() else field.default, "type": kind_of(field.annotation)}
        | ({"required": True} if field.is_required() else {})
        for key, field in fields.items()
    }
    missing = [package for package in info.requires if importlib.util.find_spec(package) is None]
    return {
        "kind": kind,
        "name": name,
        "summary": info.summary,
        "equation": info.equation,
        "spoken": info.spoken,
        "cite": info.cite,
        "traits": dict(info.traits),
        "needs": [*info.needs],
        "requires": [*info.requires],
        "missing": missing,
        "splits": [*getattr(module, "SPLITS", ())],
        "result_version": info.result_version,
        "parameters": parameters,
        "quantities": [
            {"name": each.name, "unit": each.unit, "kind": each.kind, "noise": each.noise, "direction": each.direction}
            | {"definition": each.definition, "limits": each.limits}
            for each in info.quantities
        ],
    }


def citation(key: str) -> str:
    """The reference in words; the key alone where a plug-in cites what is not known here."""
    if key not in cite.references():
        return key
    found = cite.references()[key]
    return f"{found.authors}: {found.fields['title']}, {found.venue} [{key}]"


def kind_of(annotation: Any) -> str:
    """`int`, the choices of a Literal, or "table"."""
    if get_origin(annotation) is dict:
        return "table"
    choices = getattr(annotation, "__args__", ())
    return " | ".join(map(repr, choices)) if choices else getattr(annotation, "__name__", str(annotation))


def overview(entries: Any) -> str:
    """A line for each entry, under its kind."""
    lines, before = [], ""
    for each in entries:
        if each["kind"] != before:
            lines.append(each["kind"])
            before = each["kind"]
        note = f"  (splits: {', '.join(each['splits'])})" if each["splits"] else ""
        note += f"  (needs {', '.join(each['missing'])})" if each["missing"] else ""
        lines.append(f"  {each['name']:<12} {each['summary']}{note}")
    return "\n".join(lines)


def details(each: dict[str, Any]) -> str:
    """One entry in full."""
    lines = [f"{each['name']} ({each['kind']}): {each['summary']}"]
    lines += [f"  equation    {each['equation']}", f"              {each['spoken']}"] if each["equation"] else []
    lines += [f"  reference   {citation(each['cite'])}"] if each["cite"] else []
    lines += [f"  splits      {', '.join(each['splits'])}"] if each["splits"] else []
    lines += [f"  needs       {', '.join(each['requires'])}"] if each["requires"] else []
    lines += [f"  looks at    {', '.join(each['needs'])}"] if each["needs"] else []
    lines += [f"  {name:<11} {text}" for name, text in each["traits"].items()]
    for name, parameter in each["parameters"].items():
        value = "must be given" if parameter.get("required") else f"= {parameter['default']!r}"
        lines.append(f"  parameter   {name} {value}   ({parameter['type']})")
    for quantity in each["quantities"]:
        lines.append(
            f"  quantity    {quantity['name']} [{quantity['unit']}], {quantity['kind']}: {quantity['definition']}"
        )
        lines += [f"              limits: {quantity['limits']}"] if quantity["limits"] else []
    return "\n".join(lines)


def known(what: str, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise UsageError(f"{name!r} is not a {what}", remedy=registry.suggest(name, names))


def list(
    kind: Annotated[
        str, typer.Argument(help="methods, allocation, formats, metrics, corpora or sources; or the name of an entry.")
    ] = "",
    name: Annotated[str, typer.Argument(help="One entry of that kind, in full.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print plain data.")] = False,
) -> None:
    """Show the methods, formats, metrics, corpora and model sources that a spec can name."""
    named = [(each, kind) for each in KINDS if kind in registry.names(KINDS[each])]
    if named and kind not in KINDS and not name:
        entries = [entry(each, own) for each, own in named]
    else:
        if kind:
            names = [own for each in KINDS.values() for own in registry.names(each)]
            known("kind or name of an entry", kind, (*KINDS, *names))
        if name:
            known(f"name among {kind}", name, registry.names(KINDS[kind]))
        kinds = (kind,) if kind else (*KINDS,)
        entries = [entry(each, own) for each in kinds for own in ((name,) if name else registry.names(KINDS[each]))]
    if as_json:
        typer.echo(json.dumps(entries, indent=2, ensure_ascii=False, default=str))
    else:
        typer.echo("\n\n".join(map(details, entries)) if name or kind not in ("", *KINDS) else overview(entries))
