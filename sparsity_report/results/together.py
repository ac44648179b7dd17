"""
Several finished studies as one: what a joint report is made of.

Every model becomes one of its study, `STUDY/MODEL`, so that nothing of one study is pooled, ranked or drawn with what
another one measured; cells and states carry the study's name, too. What could not stand in one table is refused:
numbers of one name that were defined, cut or timed differently.
"""

from __future__ import annotations

import hashlib
import shlex
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..paths import slug
from .model import EnvironmentRecord, PartRecord, Results, SpecRecord, StudyRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

APART = "render them one by one; their reports stand beside each other as well"
Named = dict[str, Results]


def together(studies: Mapping[str, Results], paths: Iterable[str] = ()) -> Results:
    """
    The studies by their names as one. `paths` are where they were, for the command that renders them again.

    Raises UsageError where they do not go into one report.
    """
    named = dict(studies)
    agree(named)
    clashing = _clashing_machines(named)
    parts = [_apart(name, each, clashing) for name, each in named.items()]
    specs = "\n".join(f"# The study {name}\n{each.spec.text}" for name, each in named.items())
    command = shlex.join(["sparsity-report", "render", *(paths or named), "--out", "together"])
    everything = list(named.values())
    gathered = {key: [record for each in parts for record in getattr(each, key)] for key in _LISTS}
    machines = {each.name: each for part in everything for each in part.machines if each.name not in clashing}
    return Results.model_validate(
        {
            **gathered,
            "tool": everything[0].tool.model_copy(update={"dirty": any(each.tool.dirty for each in everything)}),
            "study": _study(named),
            "spec": SpecRecord(text=specs, sha256=hashlib.sha256(specs.encode()).hexdigest()),
            "quick": any(each.quick for each in everything),
            "environment": _environment([each.environment for each in everything], command),
            "tasks": _once(everything, lambda each: each.tasks, lambda each: each.task),
            "entries": _once(everything, lambda each: each.entries, lambda each: (each.kind, each.name)),
            "quantities": _once(everything, lambda each: each.quantities, lambda each: each.name),
            "machines": tuple(machines.values()),
            "alerts": (*gathered["alerts"], *_left_out(named, clashing)),
            "seconds": sum(each.seconds for each in everything),
            "peak_memory_bytes": max((each.peak_memory_bytes or 0 for each in everything), default=0) or None,
            "parts": [_part(name, each) for name, each in named.items()],
        }
    )


_LISTS = (
    *("models", "data", "cells", "nodes", "overlaps", "sensitivity", "excerpts", "histograms", "tipping"),
    *("generations", "checks", "alerts"),
)


def agree(named: Named) -> None:
    """Raises UsageError where numbers of one name mean different things."""
    for what, facts in (
        ("the perplexity on {}", lambda each: {d.called: d.protocol for d in each.data if d.role == "evaluation"}),
        ("the task {}", lambda each: {task.task: (task.sha256, task.fewshot, task.items) for task in each.tasks}),
        ("{}", lambda each: {f"the {e.kind} {e.name}": f"result_version {e.result_version}" for e in each.entries}),
        ("{}", lambda each: {q.name: (q.unit, q.kind, q.definition) for q in each.quantities}),
    ):
        found: dict[str, tuple[str, Any]] = {}
        for name, each in named.items():
            for key, fact in facts(each).items():
                first, known = found.setdefault(key, (name, fact))
                if known != fact:
                    told = f"{what.format(key)} is not the same in {first} ({known}) and in {name} ({fact})"
                    raise UsageError(told, remedy=APART)
    timed = {name: each.environment.fingerprint for name, each in named.items() if _is_timed(each)}
    if len(set(timed.values())) > 1:
        raise UsageError(
            f"{' and '.join(timed)} were timed on different machines, or with other software or threads: their times "
            "do not stand in one report",
            remedy=APART,
        )


def _is_timed(results: Results) -> bool:
    return any(each.metric.endswith("_latency_s") for cell in results.cells for each in cell.metrics)


def _clashing_machines(named: Named) -> frozenset[str]:
    """Machines whose figures differ between studies, such as this one's, which every study measures anew."""
    found: dict[str, set[str]] = {}
    for each in named.values():
        for machine in each.machines:
            found.setdefault(machine.name, set()).add(machine.model_dump_json())
    return frozenset(name for name, records in found.items() if len(records) > 1)


def _left_out(named: Named, clashing: frozenset[str]) -> list[dict[str, str]]:
    texts = [
        f"What is modelled for the machine {name!r} is left out: the studies have different figures of it. It stands "
        "in their own reports."
        for name in sorted(clashing)
    ]
    notes = [
        f"The author’s text of {name} speaks of its own cells: it stands in its own report."
        for name, each in named.items()
        if each.study.notes or each.study.abstract or each.study.discussion or each.study.target_reason
    ]
    return [{"level": "note", "text": text} for text in (*texts, *notes)]


def _apart(name: str, results: Results, clashing: frozenset[str]) -> Results:
    """The results with the study's name in every identity."""
    models = {each.id: f"{name}/{each.id}" for each in results.models}
    cells = {each.id: f"{name}.{each.id}" for each in results.cells}
    nodes = {each.node: f"{name}.{each.node}" for each in results.cells}
    nodes |= {each.key: f"{name}.{each.key}" for each in results.nodes}
    plain = results.model_dump(mode="json")
    for cell in plain["cells"]:
        cell["metrics"] = [each for each in cell["metrics"] if each["conditions"].get("machine") not in clashing]
        cell["id"], cell["node"] = cells[cell["id"]], nodes[cell["node"]]
        cell["variant"]["model"] = models[cell["variant"]["model"]]
        for each in cell["metrics"]:
            each["anchor"] = cells.get(each["anchor"], each["anchor"])
    for model in plain["models"]:
        model["id"] = models[model["id"]]
    for key in ("data", "nodes", "overlaps", "sensitivity", "excerpts", "histograms", "tipping", "generations"):
        for record in plain[key]:
            record["model"] = models.get(record["model"], record["model"])
    for record in plain["nodes"]:
        record["key"] = nodes[record["key"]]
    for record in plain["overlaps"]:
        record |= {end: nodes.get(record[end], record[end]) for end in ("first", "second")}
    for record in plain["tipping"]:
        record["nodes"] = [nodes.get(node, node) for node in record["nodes"]]
    for record in plain["histograms"]:
        for each in record["states"]:
            each["node"] = nodes.get(each["node"], each["node"])
    for record in plain["generations"]:
        for each in record["continuations"]:
            each["node"] = nodes.get(each["node"], each["node"])
    for each in (*plain["checks"], *plain["alerts"]):
        each["cells"] = [cells.get(cell, cell) for cell in each["cells"]]
        said = "what" if "what" in each else "text"
        each[said] = f"{name}: {each[said]}"
    return Results.model_validate(plain)


def _once(studies: Iterable[Results], records: Callable[[Results], Iterable[Any]], key: Callable[[Any], Any]) -> Any:
    """What several studies used, once, as the first of them has it."""
    found: dict[Any, Any] = {}
    for each in studies:
        for record in records(each):
            found.setdefault(key(record), record)
    return tuple(found.values())


def _study(named: Named) -> StudyRecord:
    studies = [each.study for each in named.values()]
    return StudyRecord(
        title="; ".join(each.title for each in studies),
        slug=slug("-".join(named)),
        authors=tuple(dict.fromkeys(author for each in studies for author in each.authors)),
        question=" ".join(each.question for each in studies if each.question),
        date=max(each.date for each in named.values()),
        layout=studies[0].layout,
        outputs=studies[0].outputs,
    )


def _environment(found: list[EnvironmentRecord], command: str) -> EnvironmentRecord:
    """What all studies share; what differs stands in each part."""
    first, *others = (each.model_dump() for each in found)
    shared = {key: value for key, value in first.items() if all(each[key] == value for each in others)}
    packages = {
        name: at for name, at in first["packages"].items() if all(e["packages"].get(name) == at for e in others)
    }
    times = {"started": min(each.started for each in found), "finished": max(each.finished for each in found)}
    device = " and ".join(dict.fromkeys(each.device for each in found))
    return EnvironmentRecord(**shared | times | {"packages": packages, "command": command, "device": device})


def _part(name: str, results: Results) -> PartRecord:
    return PartRecord(
        name=name,
        study=results.study,
        spec=results.spec,
        tool=results.tool,
        environment=results.environment,
        registration=results.registration,
        seconds=results.seconds,
    )
