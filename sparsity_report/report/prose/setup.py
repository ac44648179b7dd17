"""Section 2: models, variants, data, hardware."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import cite as references
from .. import facts, method_tables, names, numbers, tables
from ..document import Section
from ..figures.cells import pattern_name
from ..markup import cite, code, emphasis, formula, plain, ref, see
from . import calibration
from .words import bullets, figure, paragraph, recorded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...results.model import EntryRecord, ModelRecord, Results
    from ..document import Block
    from ..drawing import Drawing

LONG = 24
"""Rows of a table that is too long for the body."""


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
    dense = f"; the parameters of {names.listing(kept)} stay dense" if kept else ""
    return names.sentence(
        names.on(results, model),
        f"the targeted matrices are those of the groups {names.listing(groups)}: "
        f"{numbers.count(model.prunable)} weights, {share} of the parameters{dense}.",
    )


def entry_items(results: Results, kind: str) -> list[str]:
    """One line for each method, quantizer, allocation rule or format that the study uses."""
    return [
        f"{code(each.name)}: {plain(each.summary)}{cite(each.cite)}."
        + "".join(f" {plain(names.capital(text))}." for text in each.constraints if _constrained(results, each))
        for each in used(results, kind)
    ]


def _constrained(results: Results, entry: EntryRecord) -> bool:
    """Whether what an entry's products take of a GPU matters: on one, or where a cell was not executed."""
    own = [cell for cell in results.cells if cell.variant.format.entry == entry.name]
    return results.environment.device != "cpu" or any(cell.status == "not_executed" for cell in own)


def used(results: Results, kind: str) -> list[EntryRecord]:
    """Entries of a kind that some cell uses."""
    stages = {stage.entry for cell in results.cells for stage in cell.variant.stages}
    formats = {cell.variant.format.entry for cell in results.cells}
    rules = {facts.allocation_of(stage) for stage in method_tables.used_stages(results)}
    wanted = {"method": stages, "quantizer": stages, "format": formats, "allocation": rules}[kind]
    return [each for each in results.entries if each.kind == kind and each.name in wanted]


def criteria(results: Results) -> tuple[Block, ...]:
    """Scores of the methods as equations."""
    return tuple(
        block
        for each in used(results, "method")
        for block in recorded(results, "method", each.name, f"method-{each.name}")
    )


def symbols_sentence(results: Results) -> str:
    """What the letters of the scores stand for."""
    equations = [each.equation for each in used(results, "method") if each.equation and each.spoken]
    if not equations:
        return ""
    score, weight, inputs = (emphasis(letter) for letter in "SWX")
    words = f"In these scores {score}, {weight} is the weight from input {emphasis('j')} to output {emphasis('i')}"
    if any("X" in each for each in equations):
        words += f", and {inputs} are the inputs that calibration saw"
    return f"{words}."


def count_sentence(results: Results) -> str:
    """How many weights are removed, and where they compete; only where something is pruned without a pattern."""
    scopes = {
        str(stage.params["scope"])
        for cell in results.cells
        for stage in cell.variant.stages
        if stage.op == "prune" and "scope" in stage.params
    }
    meaning = {
        "block": "the weights of one decoder block compete with each other (scope block)",
        "global": "all targeted weights compete with each other (scope global)",
        "layer": "the weights of one matrix compete with each other (scope layer)",
        "row": "the weights of one output row compete with each other (scope row)",
    }
    named = [meaning.get(scope, plain(f"scope {scope}")) for scope in sorted(scopes)]
    if not named:
        return ""
    exact = formula(r"\lfloor n\,s \rfloor", "n times s rounded down")
    return (
        f"Of {emphasis('n')} weights that compete, the {exact} of lowest score are removed, exactly (sparsity "
        f"{emphasis('s')}); {names.listing(named)}."
    )


def pattern_sentence(results: Results) -> str:
    found = sorted({facts.pattern(cell) for cell in results.cells if facts.is_nm(cell)})
    if not found:
        return ""
    return (
        f"A pattern N:M ({names.listing(found)}) keeps N of every M consecutive weights of a row and so implies its "
        f"sparsity{cite('mishra2021accelerating', 'nvidia2020ampere')}."
    )


def units_sentence(results: Results) -> str:
    """Patterns that remove whole rows, columns or tiles."""
    found = {str(each): each for cell in results.cells if (each := facts.pattern_of(cell.variant.stages)).unit}
    words = {"row": "rows are whole output features", "column": "columns are whole inputs of one matrix"}
    parts = [
        words.get(each.unit, f"{pattern_name(each)} are tiles of {each.height} outputs by {each.width} inputs")
        for _, each in sorted(found.items())
    ]
    if not parts:
        return ""
    return (
        f"Patterns of units remove weights together, and a unit’s score is that of its weights: {names.listing(parts)}."
    )


def allocation_sentence(results: Results) -> str:
    """That the sparsity of matrices may be chosen by a rule; the rules follow."""
    rules = [name for name in rule_names(results) if name != "uniform"]
    if not rules:
        return ""
    return (
        "An allocation spreads the sparsity that is asked for over the matrices; without one every matrix has the "
        f"same. This study uses {names.listing([_told(results, name) for name in rules])}{see('fig:allocation')}:"
    )


def _told(results: Results, rule: str) -> str:
    """The rule with the parameters that the study gave it."""
    words: dict[str, None] = {}
    for stage in method_tables.used_stages(results):
        chosen = stage.params.get("allocation")
        if isinstance(chosen, dict) and chosen.get("use") == rule:
            words |= {f"{key.replace('_', ' ')} {value}": None for key, value in chosen.items() if key != "use"}
    return code(rule) + (f" with {plain(', '.join(words))}" if words else "")


def rule_names(results: Results) -> list[str]:
    """Allocations of the study, in order."""
    return list(dict.fromkeys(facts.allocation_of(stage) for stage in method_tables.used_stages(results)))


def rules(results: Results) -> tuple[Block, ...]:
    """Each allocation rule with its equation."""
    return tuple(
        block
        for each, item in zip(used(results, "allocation"), entry_items(results, "allocation"), strict=True)
        for block in (*bullets([item]), *recorded(results, "allocation", each.name, f"allocation-{each.name}"))
        if each.name != "uniform"
    )


def quantizers(results: Results) -> tuple[Block, ...]:
    """Each quantizer with its equation, and what holds for all of them."""
    found = used(results, "quantizer")
    if not found:
        return ()
    told = (
        "A quantize stage replaces weights by values of fewer bits. A weight that is 0 stays 0, so that what was "
        "pruned stays pruned; a small one may become 0. Behaviour is measured with the weights that the values stand "
        "for; formats store the values, and masked shows them in the model’s own type:"
    )
    items = zip(found, entry_items(results, "quantizer"), strict=True)
    return (
        *paragraph(told),
        *(
            block
            for each, item in items
            for block in (*bullets([item]), *recorded(results, "quantizer", each.name, f"quantizer-{each.name}"))
        ),
    )


def options_sentence(results: Results) -> str:
    """Permutation and counting rules that differ from the usual ones."""
    stages = method_tables.used_stages(results)
    permuted = (
        "Permuted states reorder the inputs of a matrix before N:M groups are formed, so that the groups lose less"
        f"{cite('pool2021channel')}; execution then has to gather its inputs."
        if any(stage.params.get("permute") for stage in stages)
        else ""
    )
    published = (
        "Where the counting is “as published”, weights are compared with a threshold as the papers’ code does, and "
        "ties may be removed together: the achieved sparsity says what came of it."
        if any(stage.params.get("compat") == "reference" for stage in stages)
        else ""
    )
    return " ".join(each for each in (permuted, published) if each)


def data_sentence(results: Results) -> str:
    """On how much text behaviour was measured."""
    every = [each for each in results.data if each.role == "evaluation"]
    if not every:
        return "No evaluation text was recorded."
    corpora = list(dict.fromkeys(each.corpus for each in every))
    shown = list(dict.fromkeys(each.called for each in every))
    cited = [references.of_entry(results, "corpus", corpus) for corpus in corpora]
    tokens = names.listing(list(dict.fromkeys(numbers.count(each.predicted_tokens) for each in every)))
    return (
        f"Behaviour is measured on {names.listing([code(corpus) for corpus in shown])}{cite(*cited)}, cut into "
        f"windows of equal length without overlap, {tokens} predicted tokens in all; dense and pruned models see "
        f"identical token ids{see('tab:data')}."
    )


def hardware_sentence(results: Results) -> str:
    where = results.environment
    if not where.cpu:
        ran = [f"{plain(each.name)} on {plain(each.environment.cpu)}" for each in results.parts if each.environment.cpu]
        return f"The studies ran on several machines: {names.listing(ran)}{see('tab:environment')}." if ran else ""
    threads = f" with {where.threads} threads" if where.threads else ""
    return f"Everything ran on {plain(where.cpu)} (device {plain(where.device)}){threads}{see('tab:environment')}."


def section(results: Results, drawings: Mapping[str, Drawing]) -> Section:
    """2 Setup."""
    methods, states = method_tables.methods(results), tables.variants(results)
    formats = entry_items(results, "format")
    models = (
        *paragraph(*map(model_sentence, results.models)),
        *((tables.models(results),) if results.models else ()),
    )
    layers = (
        *paragraph(*(target_sentence(results, model) for model in results.models), plain(results.study.target_reason)),
        *figure(results, drawings, "block_diagram"),
        *figure(results, drawings, "mask_patterns"),
    )
    variants = (
        *paragraph(
            "Every variant is a path from the dense model: one or more stages that change weights, then a format that "
            "stores and executes the result. What loses information is a stage; a format is lossless."
        ),
        *bullets(entry_items(results, "method")),
        *((methods,) if methods.rows else ()),
        *criteria(results),
        *paragraph(
            symbols_sentence(results), count_sentence(results), pattern_sentence(results), units_sentence(results)
        ),
        *paragraph(options_sentence(results)),
        *paragraph(allocation_sentence(results)),
        *rules(results),
        *quantizers(results),
        *paragraph("Every pruned state is stored and executed in one or more formats:" if formats else ""),
        *bullets(formats),
        *((states,) if 0 < len(states.rows) <= LONG else ()),
    )
    data = (
        *paragraph(data_sentence(results)),
        *paragraph(*calibration.sentences(results)),
        *paragraph(hardware_sentence(results), software_sentence(results)),
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
