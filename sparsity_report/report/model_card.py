"""
The Hugging Face model card of an exported variant: README.md with YAML metadata, from results alone.

Numbers stand beside dense's, with the interval and the protocol they were measured under. YAML is written as JSON
scalars and flow collections, which are YAML too, so that no name can break out of its place.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from . import cite, facts, names, numbers, replicates
from .markdown import cell as escaped
from .markup import to_text
from .quoting import shown
from .result_tables import corpora

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..results.model import CellRecord, Condition, Measurement, ModelRecord, Results

HUB = "hub"
LICENCES = ("apache-2.0", "mit", "openrail", "bigscience-openrail-m", "gpl-3.0", "llama2", "gemma", "cc-by-4.0")
"""Of those that the hub knows by these names, the ones that language models come with; all else is "other"."""
ROWS: tuple[tuple[str, str, dict[str, Condition]], ...] = (
    ("Stored bytes, whole model", "stored_bytes", {"over": "model"}),
    ("Stored bytes, pruned matrices", "stored_bytes", {"over": "target"}),
    ("Sparsity of the pruned matrices", "sparsity_target", {}),
    ("Sparsity of the whole model", "sparsity", {}),
)
BEHAVIOUR = (
    ("Perplexity", "perplexity"),
    ("Top-1 agreement with dense", "agreement_top1"),
    ("KL divergence from dense", "kl_divergence"),
)


def model_card(results: Results, cell_id: str, *, plain: bool = False) -> str:
    """
    README.md for the variant that a cell executed, or for the `plain` checkpoint of its state, whose pruned weights
    are zeros: the bytes and the speed of the cell's format are not its own.

    Raises KeyError for an unknown cell, ValueError for one without numbers: what did not run cannot be published.
    """
    found = next((each for each in results.cells if each.id == cell_id), None)
    if found is None:
        raise KeyError(cell_id)
    if found.status != "ok":
        raise ValueError(f"{cell_id} was not executed to its end ({found.status}): it has no card")
    model = facts.model_of(results, found)
    name = to_text(f"{model.id}, {names.variant(results, found)}").replace(numbers.NBSP, " ")
    parts = [
        _metadata(results, found, model, name),
        f"# {escaped(name)}\n",
        _warnings(results, model),
        _how(results, found, model, plain),
        "## Numbers\n",
        *_table(results, found, model, plain),
        _protocols(results, model),
        _limits(results, found),
        _again(results, found),
    ]
    return "\n".join(part.rstrip() + "\n" for part in parts if part)


def _metadata(results: Results, found: CellRecord, model: ModelRecord, name: str) -> str:
    licence = model.licence.lower()
    methods = [stage.entry for stage in found.variant.stages]
    tags = ["sparsity-report", "sparsity", *(["pruning"] if facts.pruning(found.variant.stages) else []), *methods]
    fields: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "license": licence if licence in LICENCES else "other",
        **({"license_name": model.licence} if model.licence and licence not in LICENCES else {}),
        **({"base_model": model.source} if model.kind == HUB else {}),
        "tags": list(dict.fromkeys([*tags, found.variant.format.entry])),
    }
    measured = [_index(results, found, corpus) for corpus in corpora(results)]
    if any(measured):
        fields["model-index"] = [{"name": name, "results": [each for each in measured if each]}]
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


def _index(results: Results, found: CellRecord, corpus: str) -> dict[str, Any]:
    """What the hub shows beside the card, of one text."""
    values = [
        {"type": metric, "name": title, "value": value}
        for title, metric in BEHAVIOUR
        if (value := facts.value(found, metric, corpus=corpus)) is not None
    ]
    if not values:
        return {}
    return {"task": {"type": "text-generation"}, "dataset": {"name": corpus, "type": corpus}, "metrics": values}


def _warnings(results: Results, model: ModelRecord) -> str:
    told = [
        "**This comes from a quick run on very little data: its numbers are no results.**" * results.quick,
        f"The dense weights are {escaped(model.label)}: the reference itself carries that error." * bool(model.label),
    ]
    return "\n\n".join(f"> {each}" for each in told if each)


def _how(results: Results, found: CellRecord, model: ModelRecord, plain: bool) -> str:
    source = escaped(model.source) + (f" (revision `{model.revision[:12]}`)" if model.revision else "")
    made = escaped(to_text(names.state(results, found)).replace(numbers.NBSP, " "))
    form = escaped(names.storage_format(found.variant.format).replace(numbers.NBSP, " "))
    state = f"pruned as *{made}*" if found.variant.stages else "not pruned"
    stored = "written as a plain checkpoint, in which pruned weights are zeros" if plain else f"stored as *{form}*"
    return f"Made from {source}, {state}, {stored}.\n"


def _row(title: str, own: Measurement | None, dense: Measurement | None) -> Iterator[str]:
    if own is not None:
        pair = [escaped(shown(own, True)), escaped(shown(dense, True)) if dense is not None else "–"]
        yield f"| {escaped(title)} | {' | '.join(pair)} | {own.kind} |"


def _table(results: Results, found: CellRecord, model: ModelRecord, plain: bool) -> Iterator[str]:
    reference = results.reference(model.id)
    rows = [each for each in ROWS if not (plain and each[1] == "stored_bytes")]
    for corpus in corpora(results):
        rows += [(f"{title} on {corpus}", metric, {"corpus": corpus}) for title, metric in BEHAVIOUR]
    lines = ["| Quantity | this model | dense | kind |", "|---|---|---|---|"]
    for title, metric, conditions in rows:
        dense = None if reference is None else facts.find(reference, metric, **conditions)
        lines += _row(title, facts.find(found, metric, **conditions), dense)
    yield "\n".join(lines)
    speeds = [
        f"{each.phase} at {', '.join(f'{key} {value}' for key, value in each.point.items())}: "
        f"{numbers.with_interval(each.ratio)} times the speed of dense ({each.verdict})"
        for each in facts.speeds(results, found)
    ]
    if speeds and not plain:
        told = "; ".join(speeds)
        yield f"\nOn {escaped(results.environment.cpu or 'one machine')}, {escaped(told)}."


def _protocols(results: Results, model: ModelRecord) -> str:
    told = [
        f"- {escaped(each.corpus)}: protocol {escaped(each.protocol)}, {numbers.count(each.predicted_tokens)} "
        f"predicted tokens in {numbers.count(each.windows)} windows of {numbers.count(each.length)}"
        for each in results.data
        if each.role == "evaluation" and each.model == model.id
    ]
    return "\n".join(["Intervals are of 95 %. Two perplexities compare only under one protocol:\n", *told]) * bool(told)


def _limits(results: Results, found: CellRecord) -> str:
    lines = [
        "Not measured: anything beyond the table. Bias, toxicity and safety were not evaluated, and pruning may change "
        "them.",
        *(f"{escaped(each.what)} ({escaped(each.why)})." for each in found.fallbacks),
    ]
    seeds = replicates.seeds(found)
    lines += [f"One of {seeds} replicates."] if seeds > 1 else []
    return "\n".join(["## Limits\n", *(f"- {each}" for each in lines)])


def _again(results: Results, found: CellRecord) -> str:
    tool = results.tool
    keys = dict.fromkeys(cite.of_entry(results, "method", each.entry) for each in found.variant.stages)
    bibtex = "\n\n".join([cite.of_run(results), *(cite.reference(key).bibtex for key in keys if key)])
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", bibtex)), 0)
    return (
        f"## Origin\n\nMade by {escaped(tool.name)} {escaped(tool.version)} from the spec with sha256 "
        f"`{results.spec.sha256[:16]}`.\n\n{fence}bibtex\n{bibtex}\n{fence}\n"
    )
