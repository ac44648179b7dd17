"""Section 2: models, variants, data, hardware."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import cite as references
from .. import facts, names, numbers, tables
from ..document import Section
from ..markup import cite, code, formula, plain, ref, see
from .words import bullets, figure, paragraph, recorded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...results.model import EntryRecord, ModelRecord, Results
    from ..document import Block
    from ..drawing import Drawing


def model_sentence(model: ModelRecord) -> str:
    """What the model is, where it is from, and what was done to its weights before this study."""
    label = f" Its weights were {plain(model.label)} before anything was pruned." if model.label else ""
    tied = ", with the output projection tied to the embedding" if model.tied_embeddings else ""
    return (
        f"{code(model.id)} is a decoder-only language model ({plain(model.architecture)}) of "
        f"{numbers.count(model.parameters)} parameters in {numbers.count(model.blocks)} blocks"
        f"{tied}{cite(references.of_model(model))}.{label}"
    )


def target_sentence(results: Results, model: ModelRecord) -> str:
    """Which matrices may be pruned, and how much of the model they are."""
    groups = list(dict.fromkeys(names.group(matrix.group) for matrix in model.matrices if matrix.targeted))
    kept = [
        names.group(group.group)
        for group in model.groups
        if group.parameters and names.group(group.group) not in groups
    ]
    if not groups or not model.parameters:
        return ""
    share = numbers.percent(model.prunable / model.parameters, 1)
    dense = f"; {names.listing(kept)} parameters stay dense" if kept else ""
    return names.sentence(
        names.on(results, model),
        f"the targeted matrices are those of the groups {names.listing(groups)}: "
        f"{numbers.count(model.prunable)} weights, {share} of the parameters{dense}.",
    )


def entry_items(results: Results, kind: str) -> list[str]:
    """One line for each method or format that the study uses."""
    return [f"{code(each.name)}: {plain(each.summary)}{cite(each.cite)}." for each in used(results, kind)]


def used(results: Results, kind: str) -> list[EntryRecord]:
    """Entries of a kind that some cell uses."""
    stages = {stage.entry for cell in results.cells for stage in cell.variant.stages}
    formats = {cell.variant.format.entry for cell in results.cells}
    wanted = {"method": stages, "format": formats}[kind]
    return [each for each in results.entries if each.kind == kind and each.name in wanted]


def criteria(results: Results) -> tuple[Block, ...]:
    """Scores of the methods as equations."""
    return tuple(
        block
        for each in used(results, "method")
        for block in recorded(results, "method", each.name, f"method-{each.name}")
    )


def count_sentence(results: Results) -> str:
    """How many weights are removed, and where they compete; only where something is pruned without a pattern."""
    scopes = {
        str(stage.params["scope"])
        for cell in results.cells
        for stage in cell.variant.stages
        if stage.op == "prune" and "scope" in stage.params
    }
    meaning = {
        "global": "all targeted weights compete with each other (scope global)",
        "layer": "the weights of one matrix compete with each other (scope layer)",
        "row": "the weights of one output row compete with each other (scope row)",
    }
    named = [meaning.get(scope, plain(f"scope {scope}")) for scope in sorted(scopes)]
    if not named:
        return ""
    exact = formula(r"\lfloor n\,s \rfloor", "n times s rounded down")
    return f"Of n weights that compete, the {exact} of lowest score are removed, exactly; {names.listing(named)}."


def pattern_sentence(results: Results) -> str:
    found = sorted({facts.pattern(cell) for cell in results.cells} - {"unstructured"})
    if not found:
        return ""
    return (
        f"A pattern N:M ({names.listing(found)}) keeps N of every M consecutive weights of a row and so implies its "
        f"sparsity{cite('mishra2021accelerating', 'nvidia2020ampere')}."
    )


def data_sentence(results: Results) -> str:
    """On how much text behaviour was measured."""
    every = [each for each in results.data if each.role == "evaluation"]
    if not every:
        return "No evaluation text was recorded."
    corpora = list(dict.fromkeys(each.corpus for each in every))
    cited = [references.of_entry(results, "corpus", corpus) for corpus in corpora]
    tokens = names.listing(list(dict.fromkeys(numbers.count(each.predicted_tokens) for each in every)))
    return (
        f"Behaviour is measured on {names.listing([code(corpus) for corpus in corpora])}{cite(*cited)}, cut into "
        "windows "
        f"of equal length without overlap, {tokens} predicted tokens in all; dense and pruned models see identical "
        "token "
        f"ids{see('tab:data')}."
    )


def hardware_sentence(results: Results) -> str:
    where = results.environment
    if not where.cpu:
        return ""
    threads = f" with {where.threads} threads" if where.threads else ""
    return f"Everything ran on {plain(where.cpu)} (device {plain(where.device)}){threads}{see('tab:environment')}."


def section(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """2 Setup."""
    models = (
        *paragraph(*map(model_sentence, results.models)),
        *((tables.models(results),) if results.models else ()),
    )
    layers = (
        *paragraph(*(target_sentence(results, model) for model in results.models), plain(results.study.target_reason)),
        *figure(results, drawings, "block_diagram"),
    )
    variants = (
        *paragraph(
            "Every variant is a path from the dense model: one or more stages that change weights, then a format that "
            "stores and executes the result. What loses information is a stage; a format is lossless."
        ),
        *bullets(entry_items(results, "method")),
        *criteria(results),
        *paragraph(count_sentence(results), pattern_sentence(results)),
        *bullets(entry_items(results, "format")),
        *((tables.variants(results),) if tables.variants(results).rows else ()),
    )
    data = (
        *paragraph(data_sentence(results), hardware_sentence(results), software_sentence(results)),
        *((tables.data(results),) if results.data else ()),
    )
    return Section(
        "sec:setup",
        "Setup",
        sections=(
            Section("sec:models", "Models", models),
            Section("sec:target", "Which layers are pruned, and why", layers),
            Section("sec:variants", "Compared variants", variants),
            Section("sec:data", "Data, hardware and software", data),
        ),
    )


def software_sentence(results: Results) -> str:
    """PyTorch and Transformers, cited where the environment names them."""
    known = {"torch": ("PyTorch", "paszke2019pytorch"), "transformers": ("Transformers", "wolf2020transformers")}
    parts = [
        f"{name} {plain(results.environment.packages[package])}{cite(key)}"
        for package, (name, key) in known.items()
        if package in results.environment.packages
    ]
    return f"Software: {names.listing(parts)}; the rest is in {ref('sec:reproduce')}." if parts else ""
