"""`list`: what the registry holds. The function is called like its verb, so the builtin is out of reach here."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Annotated, Any, get_origin

import typer

from .. import registry
from ..errors import UsageError
from ..hardware import machines
from ..report import cite

if TYPE_CHECKING:
    from ..results.model import MachineRecord

KINDS = {
    "methods": "methods",
    "allocation": "allocation",
    "quantizers": "quantizers",
    "formats": "formats",
    "metrics": "metrics",
    "corpora": "corpora",
    "sources": "models.sources",
}
HARDWARE = "hardware"
"""A kind without entries of code: machines are rows of a table."""


def names_of(kind: str) -> tuple[str, ...]:
    """Public names of a kind."""
    return tuple(machines.known()) if kind == HARDWARE else registry.names(KINDS[kind])


def machine(name: str) -> dict[str, Any]:
    """What the table says about a machine, as plain data."""
    found = machines.known()[name]
    facts = found.model_dump(mode="json", exclude={"name", "title", "kind", "read_rates", "peak_ci", "price_per_hour"})
    return {"kind": HARDWARE, "name": name, "summary": summary(found), "class": found.kind} | {
        key: value for key, value in facts.items() if value
    }


def summary(found: MachineRecord) -> str:
    """ "NVIDIA T4, data-centre GPU: 320 GB/s, 16 GB, float32 8.1 TFLOP/s"."""
    parts = [f"{found.bandwidth / 1e9:g} GB/s"] if found.bandwidth else []
    parts += [f"{found.memory_bytes / 1e9:g} GB"] if found.memory_bytes else []
    parts += [f"{dtype} {peak / 1e12:g} TFLOP/s" for dtype, peak in found.peak.items()]
    parts += ["2:4"] if found.peak_2_4 else []
    return f"{found.title}, {found.kind}: {', '.join(parts)}"


def machine_details(each: dict[str, Any]) -> str:
    """A machine in full, with its source."""
    lines = [f"{each['name']} (hardware): {each['summary']}"]
    lines += [f"  peak        {dtype} {peak / 1e12:g} TFLOP/s" for dtype, peak in each.get("peak", {}).items()]
    lines += [
        f"  peak, 2:4   {dtype} {peak / 1e12:g} TFLOP/s, counted as if dense"
        for dtype, peak in each.get("peak_2_4", {}).items()
    ]
    lines += [f"  source      {each['source']}", f"              {each['url']}"]
    return "\n".join([*lines, *([f"  note        {each['note']}"] if "note" in each else [])])


def entry(kind: str, name: str) -> dict[str, Any]:
    """Everything that an entry says about itself, as plain data."""
    if kind == HARDWARE:
        return machine(name)
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
        "constraints": [str(each) for each in info.constraints],
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
    """`int`, the choices of a Literal, "list of int", or "table"."""
    if get_origin(annotation) is dict:
        return "table"
    if get_origin(annotation) is tuple:
        return f"list of {kind_of(annotation.__args__[0])}"
    choices = getattr(annotation, "__args__", ())
    return " | ".join(map(repr, choices)) if choices else getattr(annotation, "__name__", str(annotation))


def overview(entries: Any) -> str:
    """A line for each entry, under its kind."""
    lines, before = [], ""
    longest = {
        each["kind"]: max(12, *(len(e["name"]) for e in entries if e["kind"] == each["kind"])) for each in entries
    }
    for each in entries:
        if each["kind"] != before:
            lines.append(each["kind"])
            before = each["kind"]
        note = f"  (splits: {', '.join(each['splits'])})" if each.get("splits") else ""
        note += f"  (needs {', '.join(each['missing'])})" if each.get("missing") else ""
        note += f"  [{each['source']}]" if each["kind"] == HARDWARE else ""
        lines.append(f"  {each['name']:<{longest[each['kind']]}} {each['summary']}{note}")
    return "\n".join(lines)


def details(each: dict[str, Any]) -> str:
    """One entry in full."""
    if each["kind"] == HARDWARE:
        return machine_details(each)
    lines = [f"{each['name']} ({each['kind']}): {each['summary']}"]
    lines += [f"  equation    {each['equation']}", f"              {each['spoken']}"] if each["equation"] else []
    lines += [f"  reference   {citation(each['cite'])}"] if each["cite"] else []
    lines += [f"  splits      {', '.join(each['splits'])}"] if each["splits"] else []
    lines += [f"  needs       {', '.join(each['requires'])}"] if each["requires"] else []
    lines += [f"  looks at    {', '.join(each['needs'])}"] if each["needs"] else []
    lines += [f"  {name:<11} {text}" for name, text in each["traits"].items()]
    lines += [f"  takes       {text}" for text in each["constraints"]]
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
        str,
        typer.Argument(
            help="methods, allocation, quantizers, formats, metrics, corpora, sources or hardware; or an entry's name."
        ),
    ] = "",
    name: Annotated[str, typer.Argument(help="One entry of that kind, in full.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print plain data.")] = False,
) -> None:
    """Show the methods, quantizers, formats, metrics, corpora, model sources and machines that a spec can name."""
    every = (*KINDS, HARDWARE)
    named = [(each, kind) for each in every if kind in names_of(each)]
    if named and kind not in every and not name:
        entries = [entry(each, own) for each, own in named]
    else:
        if kind:
            known("kind or name of an entry", kind, (*every, *(own for each in every for own in names_of(each))))
        if name:
            known(f"name among {kind}", name, names_of(kind))
        kinds = (kind,) if kind else every
        entries = [entry(each, own) for each in kinds for own in ((name,) if name else names_of(each))]
    if as_json:
        typer.echo(json.dumps(entries, indent=2, ensure_ascii=False, default=str))
    else:
        typer.echo("\n\n".join(map(details, entries)) if name or kind not in ("", *every) else overview(entries))
