"""Section 10: commands, spec, machine, revisions, fingerprints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import names, numbers, tables
from ..document import Listing, Section
from ..markup import code, plain, see
from .words import bullets, paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...results.model import DataRecord, Results
    from ..drawing import Drawing


def commands(results: Results) -> str:
    """What runs the study again, and what only renders it."""
    spec = results.spec.file or f"{results.study.slug}.toml"
    overrides = "".join(f" --set {each}" for each in results.spec.overrides)
    run = results.environment.command or f"sparsity-report run {spec}{overrides}"
    return f"{run}\nsparsity-report render results.json"


def revision_items(results: Results) -> list[str]:
    """The exact models and texts."""
    models = [
        f"{names.model(model)}: {code(model.source)}"
        + (f", revision {code(model.revision)}" if model.revision else "")
        + "."
        for model in results.models
    ]
    texts = [
        f"{plain(each.corpus)} for {plain(each.model)}{_drawn(each)}: token ids "
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
    if results.tool.dirty:
        return "The tool ran from a checkout with uncommitted changes: its commit does not describe it fully."
    return ""


def seconds_sentence(results: Results) -> str:
    if not results.seconds:
        return ""
    total = numbers.seconds(results.seconds)
    return f"The last command took {total}; every cell’s own time is in the appendix{see('tab:cells')}."


def section(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """10 How to reproduce this."""
    table = tables.environment(results)
    blocks = (
        *paragraph(
            "The first command runs the study again and skips what is finished; the second rebuilds this report from "
            "its numbers, without PyTorch."
        ),
        Listing("lst:commands", commands(results), "Commands"),
        *paragraph("Exact inputs:"),
        *bullets(revision_items(results)),
        *paragraph(seconds_sentence(results), tree_sentence(results)),
        table,
        Listing("lst:spec", results.spec.text.rstrip("\n"), f"The spec, {plain(results.spec.file) or 'as given'}"),
    )
    return Section("sec:reproduce", "How to reproduce this", blocks)
