"""Tables about the study: models, variants, data, quantities, checks, environment, cells, matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..results.published import reference_of
from . import cite as references
from . import facts, names, numbers, replicates
from .columns import NONE, aligned, plain_number, share, size, text
from .document import Column, Entry, Row, RowGroup, Table
from .markup import cite, plain

if TYPE_CHECKING:
    from ..results.model import ByteCurve, CellRecord, DataRecord, MatrixRecord, ModelRecord, PartRecord, Results


def facing(identifier: str, caption: str, heads: list[str], lines: list[tuple[str, list[str]]]) -> Table:
    """A table with properties down and things across; lines without any value are left out."""
    rows = (
        Row((text(title), *(text(value or numbers.DASH) for value in values))) for title, values in lines if any(values)
    )
    columns = (Column(""), *(Column(head) for head in heads))
    return Table(identifier, caption, columns, (RowGroup(tuple(rows)),))


def models(results: Results) -> Table:
    every = results.models
    lines = [
        ("Source", [plain(each.source) for each in every]),
        ("Weights", [plain(each.label) for each in every]),
        ("Revision", [plain(each.revision[:12]) for each in every]),
        ("Licence", [plain(each.licence) for each in every]),
        ("Architecture", [plain(each.architecture) for each in every]),
        ("Data type", [plain(each.dtype) for each in every]),
        ("Decoder blocks × hidden size", [f"{each.blocks} × {numbers.count(each.hidden)}" for each in every]),
        ("Vocabulary", [numbers.count(each.vocabulary) for each in every]),
        ("Context (tokens)", [numbers.count(each.context) if each.context else "" for each in every]),
        ("Activation", [plain(each.activation) for each in every]),
        ("Tied embeddings", ["yes" if each.tied_embeddings else "no" for each in every]),
        ("Parameters", [numbers.count(each.parameters) for each in every]),
        ("Targeted weights", [_targeted(each) for each in every]),
        ("Dense size", [numbers.mebibytes(each.bytes) for each in every]),
    ]
    caption = "Models as loaded; parameters and bytes are counted, tied weights once."
    return facing("tab:models", caption, [names.model(each) for each in every], lines)


def _targeted(model: ModelRecord) -> str:
    part = f" ({numbers.percent(model.prunable / model.parameters, 1)})" if model.parameters else ""
    return f"{numbers.count(model.prunable)}{part}"


def by_model(results: Results, rows_of: dict[str, list[Row]]) -> tuple[RowGroup, ...]:
    """Row groups, headed by the model where there are several or where it has a label."""
    headed = len(results.models) > 1 or any(model.label for model in results.models)
    return tuple(
        RowGroup(tuple(rows_of[model.id]), names.model(model) if headed else "")
        for model in results.models
        if rows_of.get(model.id)
    )


def variants(results: Results) -> Table:
    """One row a pruned state: what was asked for, and what was achieved on the target and on the model."""
    rows: dict[str, list[Row]] = {}
    for model in results.models:
        for cells in facts.nodes(facts.cells_of(results, model)):
            first = next((cell for cell in cells if facts.find(cell, "sparsity_target")), cells[0])
            rows.setdefault(model.id, []).append(_variant(results, first, cells))
    columns = (
        Column("Pruned state"),
        Column("Requested", "%", "counted", numeric=True),
        Column("On target", "%", "counted", numeric=True),
        Column("On model", "%", "counted", numeric=True),
        Column("Formats"),
    )
    caption = (
        "Pruned states: sparsity requested, achieved over the targeted matrices and achieved over the whole model "
        "(fractions of zeros, counted)."
    )
    notes = names.labels_note(results)
    return aligned(Table("tab:variants", caption, columns, by_model(results, rows), notes, long=True))


def _variant(results: Results, first: CellRecord, cells: tuple[CellRecord, ...]) -> Row:
    formats = ", ".join(_format_and_status(cell) for cell in cells)
    return Row(
        (
            text(names.state(results, first), f"{replicates.seeds(first)} seeds" * (replicates.seeds(first) > 1)),
            _requested(first),
            share(facts.value(first, "sparsity_target"), 3),
            share(facts.value(first, "sparsity")),
            text(formats),
        )
    )


def _requested(cell: CellRecord) -> Entry:
    """As the spec has it, without digits that it does not give."""
    asked = facts.requested(cell)
    return NONE if asked is None else Entry(numbers.percent(asked).removesuffix(f"{numbers.NBSP}%"), sort=asked)


def _format_and_status(cell: CellRecord) -> str:
    name = names.storage_format(cell.variant.format)
    return name if cell.status == "ok" else f"{name} ({names.STATUS[cell.status]})"


def texts(results: Results) -> list[tuple[DataRecord, ...]]:
    """Texts that differ in their seed only, together."""
    found: dict[tuple[object, ...], list[DataRecord]] = {}
    for each in results.data:
        key = (each.role, each.source, each.model, each.windows, each.length, each.bos, each.text_sha256)
        found.setdefault(key, []).append(each)
    return [tuple(each) for each in found.values()]


def _fingerprints(group: tuple[DataRecord, ...]) -> str:
    if len(group) == 1:
        return group[0].token_ids_sha256[:12]
    return ", ".join(f"{each.token_ids_sha256[:8]} ({each.seed})" for each in group if each.token_ids_sha256)


def _curation(record: DataRecord) -> str:
    return plain(", ".join(f"{name.replace('_', ' ')} {numbers.count(n)}" for name, n in record.curation.items()))


def data(results: Results) -> Table:
    groups = texts(results)
    every = [group[0] for group in groups]
    several = len({each.model for each in every}) > 1
    heads = [f"{each.role}, {plain(each.short)}" + (f", {plain(each.model)}" if several else "") for each in every]
    seeds = [", ".join(str(each.seed) for each in group if each.seed is not None) for group in groups]
    lines = [
        ("Protocol", [plain(each.protocol) for each in every]),
        ("Source", [plain(each.source) for each in every]),
        (
            "Windows × length (tokens)",
            [f"{numbers.count(each.windows)} × {numbers.count(each.length)}" for each in every],
        ),
        (
            "Tokens, of which predicted",
            [f"{numbers.count(each.tokens)}, {numbers.count(each.predicted_tokens)}" for each in every],
        ),
        ("Text covered (bytes)", [numbers.count(each.bytes) for each in every]),
        ("Tail dropped (tokens)", [numbers.count(each.tail_tokens_dropped) for each in every]),
        ("BOS policy", [plain(each.bos) for each in every]),
        ("Joiner of documents", [plain(repr(each.joiner)[1:-1]) for each in every]),
        ("Revision", [plain(each.revision[:12]) for each in every]),
        ("sha256 of text", [each.text_sha256[:12] for each in every]),
        ("Seeds", seeds),
        ("Curation (paragraphs)", list(map(_curation, every))),
        (
            "sha256 of token ids" + (" (seed)" if any("," in each for each in seeds) else ""),
            list(map(_fingerprints, groups)),
        ),
    ]
    return facing("tab:data", "Data protocol: what a perplexity must share to be comparable.", heads, lines)


def quantities(results: Results) -> Table:
    """The glossary of what was counted, measured and modelled; of a study without results, of what was asked for."""
    found = {each.metric for cell in results.cells for each in cell.metrics}
    columns = (Column("Quantity", code=True), Column("Unit"), Column("Kind"), Column("Better"), Column("Definition"))
    rows = tuple(
        Row(
            (
                text(plain(each.name)),
                text(plain(each.unit if each.unit not in ("", "1") else numbers.DASH)),
                text(each.kind),
                text(numbers.DASH if each.direction == "none" else each.direction),
                text(names.capital(plain(each.definition))),
            )
        )
        for each in results.quantities
        if not found or each.name in found
    )
    return Table("tab:quantities", "Quantities of this report.", columns, (RowGroup(rows),), long=True, small=True)


def groups(results: Results) -> Table:
    """Parameters by group; tied weights once."""
    rows: dict[str, list[Row]] = {}
    for model in results.models:
        targeted = {matrix.group for matrix in model.matrices if matrix.targeted}
        rows[model.id] = [
            Row(
                (
                    text(
                        names.capital(names.group(each.group)),
                        f"tied to {names.group(each.tied_to)}" if each.tied_to else "",
                    ),
                    plain_number(each.parameters),
                    share(each.parameters / model.parameters),
                    size(each.bytes),
                    text("targeted" if each.group in targeted else "kept dense"),
                )
            )
            for each in model.groups
        ]
    columns = (
        Column("Group"),
        Column("Parameters", "", "counted", numeric=True),
        Column("Share", "%", "counted", numeric=True),
        Column("Dense size", "MiB", "counted", numeric=True),
        Column("Treatment"),
    )
    notes = ("Biases belong to the group of their matrix; tied weights are counted once.", *names.labels_note(results))
    caption = "Parameters by group of the dense model."
    return aligned(Table("tab:groups", caption, columns, by_model(results, rows), notes))


def break_even(results: Results) -> Table:
    """From which sparsity on each format is smaller than dense, by arithmetic."""
    rows: dict[str, list[Row]] = {}
    for model in results.models:
        dense = _dense_target_bytes(results, model)
        for curve in model.byte_curves:
            if curve.format.entry in ("dense", "masked"):
                continue
            shown = [_bytes_at(curve, each) for each in (0.3, 0.5, 0.7, 0.9)]
            never = text("never") if len(curve.sparsity) > 1 else NONE
            even = share(curve.break_even) if curve.break_even is not None else never
            ratios = (plain_number(each / dense if each is not None and dense else None, 3) for each in shown)
            rows.setdefault(model.id, []).append(
                Row((text(plain(curve.label), plain(curve.unavailable)), even, *ratios))
            )
    columns = (
        Column("Format"),
        Column("Break-even sparsity", "%", "counted", numeric=True),
        *(Column(f"at {each} %", "× dense", "counted", numeric=True) for each in (30, 50, 70, 90)),
    )
    caption = (
        "Stored bytes of the targeted matrices relative to dense, by arithmetic on the shapes, and break-even sparsity."
    )
    notes = names.labels_note(results)
    return aligned(Table("tab:break-even", caption, columns, by_model(results, rows), notes))


def _bytes_at(curve: ByteCurve, sparsity: float) -> int | None:
    """Bytes at a sparsity that the curve has, up to rounding of its steps."""
    for at, size_there in zip(curve.sparsity, curve.bytes, strict=True):
        if abs(at - sparsity) < 1e-6:
            return size_there
    return None


def _dense_target_bytes(results: Results, model: ModelRecord) -> float | None:
    reference = results.reference(model.id)
    return None if reference is None else facts.value(reference, "stored_bytes", over="target")


VERDICTS = {"pass": "met", "miss": "missed", "undecided": "undecided", "cannot_check": "could not be checked"}


PUBLISHED = {"pass": "agrees", "miss": "differs", "undecided": "undecided", "cannot_check": "no comparison"}


def published(results: Results) -> Table:
    """Figures of papers beside this study's own."""
    columns = (Column("Quantity"), Column("Published"), Column("Observed"), Column("Verdict"), Column("Source"))
    rows = tuple(
        Row(
            (
                text(names.capital(plain(each.what.removeprefix("published ")))),
                text(plain(each.expected)),
                text(plain(each.observed)),
                text(PUBLISHED[each.verdict]),
                text(f"{plain(each.source)}{cite(reference_of(each.source))}" or numbers.DASH),
            ),
            muted=each.verdict == "cannot_check",
        )
        for each in results.checks
        if each.origin == "published"
    )
    notes = (
        "Only figures of the same model, method, sparsity and protocol are here. They come from other code and "
        "hardware; “agrees” means within the stated range, and what is disputed or unverified decides nothing.",
        *names.labels_note(results),
    )
    caption = "Published figures beside what this study observed."
    return Table("tab:published", caption, columns, (RowGroup(rows),), notes, tall=True, small=True)


def checks(results: Results) -> Table:
    """Expectations of the spec and contracts of the tool; published figures have a table of their own."""
    columns = (Column("Check"), Column("Expected"), Column("Observed"), Column("Verdict"), Column("Source"))
    rows = tuple(
        Row(
            (
                text(plain(each.what)),
                text(plain(each.expected)),
                text(plain(each.observed)),
                text(VERDICTS[each.verdict], "stated after results" if each.late else ""),
                text(
                    f"{plain(each.source)}{cite(references.of_source(each.source))}"
                    or {"contract": "contract", "expect": "spec"}[each.origin]
                ),
            )
        )
        for each in results.checks
        if each.origin != "published"
    )
    notes = names.labels_note(results)
    caption = "What was expected beside what was observed."
    return Table("tab:checks", caption, columns, (RowGroup(rows),), notes, tall=True, small=True)


TIMED_IN = {"fresh": "each in a process of its own", "shared": "all in the process of the run"}


def environment(results: Results) -> Table:
    """Of each study, where there are several."""
    found = [_origin(each) for each in results.parts or (results,)]
    lines = [(title, [each[title] for each in found]) for title in found[0]]
    if results.parts:
        registered = [plain(each.registration.registered) if each.registration else "" for each in results.parts]
        lines.append(("Expectations registered", registered))
    caption = "Machine and software. Timings are comparable only between equal fingerprints."
    return facing("tab:environment", caption, [plain(each.name) for each in results.parts] or ["Value"], lines)


def _origin(of: Results | PartRecord) -> dict[str, str]:
    """Where numbers come from, by what it is called."""
    where = of.environment
    memory = numbers.number(where.memory_bytes / 1024**3, 1) + f"{numbers.NBSP}GiB" if where.memory_bytes else ""
    return {
        "Processor": plain(where.cpu),
        "Cores": str(where.cores or ""),
        "Memory": memory,
        "Device": plain(where.device),
        "Threads": str(where.threads or ""),
        "Wait policy of threads": plain(where.wait_policy),
        "Cells are timed": TIMED_IN.get(where.timing_process, ""),
        "Frequency governor": plain(where.governor),
        "Load average at start": "" if where.load_average is None else numbers.number(where.load_average, 2),
        "Platform": plain(where.platform),
        "Python": plain(where.python),
        "Packages": plain(", ".join(f"{name} {version}" for name, version in where.packages.items())),
        "Environment variables": plain(", ".join(f"{name}={value}" for name, value in where.variables.items())),
        "Started, finished": plain(f"{where.started}, {where.finished}" if where.started else ""),
        "Machine fingerprint": plain(where.fingerprint),
        "Tool": plain(" ".join(part for part in (of.tool.name, of.tool.version, of.tool.commit[:12]) if part)),
        "sha256 of the spec": of.spec.sha256[:16],
    }


def cells(results: Results) -> Table:
    """Every cell with its fate and its cost."""
    columns = (
        Column("Cell", code=True),
        Column("State"),
        Column("Seconds", "s", "measured", numeric=True),
        Column("Peak memory", "MiB", "measured", numeric=True),
        Column("Remark"),
    )
    rows = tuple(
        Row(
            (
                text(plain(cell.id)),
                text(names.STATUS[cell.status]),
                plain_number(cell.seconds, 1),
                Entry(numbers.count(cell.peak_memory_bytes / numbers.MIB), sort=cell.peak_memory_bytes)
                if cell.peak_memory_bytes
                else NONE,
                text(
                    "; ".join([plain(cell.reason)] * bool(cell.reason) + [plain(each.what) for each in cell.fallbacks])
                ),
            ),
            muted=cell.status != "ok",
            id=f"cell:{cell.id}",
        )
        for cell in replicates.runs(results)
    )
    caption = (
        "All cells. Seconds and peak memory are single readings, without an interval. The time of a pruned state "
        "(pruning and its forward passes) is shared by its formats and counted in each of them, so that the column "
        "does not add up to the time of the run."
    )
    return aligned(
        Table("tab:cells", caption, columns, (RowGroup(rows),), names.labels_note(results), long=True, small=True)
    )


def matrices(results: Results) -> Table:
    """Matrices in canonical (out, in) view, equal ones of all blocks in one row."""
    rows = {model.id: [_matrix(each) for each in model.matrices] for model in results.models}
    columns = (
        Column("Matrix", code=True),
        Column("Group"),
        Column("Out × in"),
        Column("Count", numeric=True),
        Column("Weights", "", "counted", numeric=True),
        Column("Treatment"),
    )
    caption = "Linear weights by name, in (out, in) view; equal matrices of all decoder blocks share a row."
    notes = names.labels_note(results)
    return aligned(Table("tab:matrices", caption, columns, by_model(results, rows), notes, long=True, small=True))


def _matrix(matrix: MatrixRecord) -> Row:
    return Row(
        (
            text(plain(matrix.name)),
            text(names.group(matrix.group)),
            text(f"{numbers.count(matrix.rows)} × {numbers.count(matrix.cols)}"),
            plain_number(matrix.count),
            plain_number(matrix.rows * matrix.cols * matrix.count),
            text("targeted" if matrix.targeted else "kept dense"),
        )
    )
