"""Section 10: commands, spec, machine, revisions, fingerprints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import names, numbers, tables
from ..document import Listing, Section
from ..markup import code, plain, see
from .words import bullets, paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...results.model import DataRecord, PartRecord, Results
    from ..drawing import Drawing


def commands(results: Results) -> str:
    """What runs the study again, or each of several, and what only renders."""
    if results.parts:
        return "\n".join([*map(_run, results.parts), results.environment.command])
    return f"{_run(results)}\nsparsity-report render results.json"


def _run(results: Results | PartRecord) -> str:
    spec = results.spec.file or f"{results.study.slug}.toml"
    overrides = "".join(f" --set {each}" for each in results.spec.overrides)
    return results.environment.command or f"sparsity-report run {spec}{overrides}"


def revision_items(results: Results) -> list[str]:
    """The exact models and texts."""
    models = [
        f"{names.model(model)}: {code(model.source)}"
        + (f", revision {code(model.revision)}" if model.revision else "")
        + "."
        for model in results.models
    ]
    texts = [
        f"{code(each.called)} for {plain(each.model)}{_drawn(each)}: token ids "
        f"{code(each.token_ids_sha256[:16])}, text {code(each.text_sha256[:16])}"
        + (f", revision {code(each.revision)}" if each.revision else "")
        + "."
        for each in results.data
        if each.token_ids_sha256
    ]
    return models + texts


def _drawn(record: DataRecord) -> str:
    """What a text was for, where it was not for evaluation."""
    if record.role == "evaluation":
        return ""
    return f" ({record.role}{'' if record.seed is None else f', seed {record.seed}'})"


def tree_sentence(results: Results) -> str:
    """Uncommitted changes make a run unrepeatable."""
    dirty = [plain(each.name) for each in results.parts if each.tool.dirty]
    if dirty:
        return (
            f"The tool ran {names.listing(dirty)} from a checkout with uncommitted changes: its commit does not "
            "describe it fully."
        )
    if results.tool.dirty:
        return "The tool ran from a checkout with uncommitted changes: its commit does not describe it fully."
    return ""


def seconds_sentence(results: Results) -> str:
    if not results.seconds:
        return ""
    total = numbers.seconds(results.seconds)
    if results.parts:
        return f"The studies’ last commands took {total}; every cell’s own time is in the appendix{see('tab:cells')}."
    return f"The last command took {total}; every cell’s own time is in the appendix{see('tab:cells')}."


def lead_sentences(results: Results) -> tuple[str, ...]:
    """What the commands do, and which studies are in this report."""
    if not results.parts:
        return (
            "The first command runs the study again and skips what is finished; the second rebuilds this report from "
            "its numbers, without PyTorch.",
        )
    files = names.listing([code(f"specs/{name}") for name in results.spec_files])
    several = [f"{plain(each.name)} (“{plain(each.study.title)}”)" for each in results.parts]
    return (
        f"This report is of {numbers.count(len(several))} studies that were run apart: {names.listing(several)}.",
        "Every model, cell and state has the name of its study before its own; none is pooled with those of another "
        "study. The commands run the studies again, each where it was run; the last one rebuilds this report from "
        "their numbers, without PyTorch. "
        f"The specs are files of their own, beside this report and inside of it: {files}.",
    )


def specs(results: Results) -> tuple[Listing, ...]:
    """The spec, or one for each of several studies."""
    if not results.parts:
        spec = results.spec
        return (Listing("lst:spec", spec.text.rstrip("\n"), f"The spec, {plain(spec.file) or 'as given'}"),)
    return tuple(
        Listing(f"lst:spec-{number}", each.spec.text.rstrip("\n"), f"The spec of {plain(each.name)}")
        for number, each in enumerate(results.parts, start=1)
    )


def section(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """10 How to reproduce this."""
    table = tables.environment(results)
    blocks = (
        *paragraph(*lead_sentences(results)),
        Listing("lst:commands", commands(results), "Commands"),
        *paragraph("Exact inputs:"),
        *bullets(revision_items(results)),
        *paragraph(seconds_sentence(results), tree_sentence(results)),
        table,
        *specs(results),
    )
    return Section("sec:reproduce", "How to reproduce this", blocks)
