"""Turns what the engine knows into the records of `results.json`: models, data, entries and quantities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .. import registry
from ..accounting import VALUE_BYTES, byte_curve
from ..contracts import GROUPS, FormatChoice, Pattern
from ..corpora.text import read_files
from ..results.environment import anonymous
from ..results.model import (
    ByteCurve,
    DataRecord,
    EntryRecord,
    GroupRecord,
    MatrixRecord,
    ModelRecord,
    QuantityRecord,
    StudyRecord,
)
from .variant import model_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..contracts import Cell, Info, MatrixShape, Text
    from ..models.anatomy import Anatomy, Matrix
    from ..models.loading import LoadedModel
    from ..results.model import Results
    from ..spec.load import LoadedSpec
    from ..spec.model import Model, Spec
    from ..windows import Windows


def lock(results: Results) -> dict[str, object]:
    """What a spec was resolved to: revisions and fingerprints that pin the run."""
    return {
        "tool": results.tool.model_dump(mode="json"),
        "spec_sha256": results.spec.sha256,
        "models": {model.id: {"source": model.source, "revision": model.revision} for model in results.models},
        "data": [
            each.model_dump(mode="json", include={"source", "model", "revision", "text_sha256", "token_ids_sha256"})
            for each in results.data
        ],
        "cells": [cell.id for cell in results.cells],
    }


ALWAYS_CURVED = (("csr", {"index": "int32"}), ("csr", {"index": "int64"}))
"""Break-even curves that every report shows, because the question comes up in every study."""


def study_record(loaded: LoadedSpec) -> StudyRecord:
    """The author's words."""
    study, report = loaded.spec.study, loaded.spec.report
    return StudyRecord(
        title=study.title,
        slug=study.slug or loaded.slug,
        authors=tuple(author.model_dump() for author in study.authors),
        question=study.question,
        abstract=study.abstract,
        date=study.date,
        instructor=study.instructor,
        course=study.course,
        target_reason=loaded.spec.target.reason,
        discussion=discussion(loaded),
        layout=report.layout,
        outputs=report.outputs,
    )


def discussion(loaded: LoadedSpec) -> str:
    """The author's Markdown file. Raises EnvironmentProblem when it cannot be read."""
    name = loaded.spec.report.notes.discussion
    return read_files([loaded.folder / Path(name).expanduser()])[0] if name else ""


def matrix_records(matrices: Sequence[MatrixShape], targets: frozenset[str]) -> tuple[MatrixRecord, ...]:
    """Equal matrices of all blocks as one entry each, in the order of the first block."""
    merged: dict[tuple[str, str, int, int, bool], int] = {}
    for matrix in matrices:
        key = (matrix.name, matrix.group, matrix.rows, matrix.cols, matrix.path in targets)
        merged[key] = merged.get(key, 0) + 1
    return tuple(
        MatrixRecord(name=name, group=group, rows=rows, cols=cols, targeted=targeted, count=count)
        for (name, group, rows, cols, targeted), count in merged.items()
    )


def curve_label(choice: FormatChoice, pattern: Pattern) -> str:
    """ "CSR, 32-bit indices" or "2:4 packed"."""
    if choice.entry == "csr":
        return f"CSR, {choice.params['index'].removeprefix('int')}-bit indices"
    return choice.entry if not pattern.is_nm else f"{pattern} packed"


def byte_curves(shapes: Sequence[MatrixShape], cells: Iterable[Cell], dtype: str) -> tuple[ByteCurve, ...]:
    """One curve for each compressed format of the study, and CSR in any case."""
    wanted = {
        (entry, str(params), "unstructured"): (FormatChoice(entry, params), Pattern())
        for entry, params in ALWAYS_CURVED
    }
    for cell in cells:
        if cell.format.entry not in ("dense", "masked"):
            pattern = cell.node.stages[-1].pattern
            shown = Pattern() if cell.format.entry != "nm" else pattern
            wanted[cell.format.entry, str(cell.format.params), str(shown)] = (cell.format, shown)
    return tuple(
        byte_curve(shapes, choice, curve_label(choice, pattern), VALUE_BYTES[dtype], pattern)
        for choice, pattern in wanted.values()
    )


def model_record(
    model: Model, loaded: LoadedModel, anatomy: Anatomy, targets: Sequence[Matrix], cells: Sequence[Cell]
) -> ModelRecord:
    """The model as it was loaded and what of it may be pruned."""
    shape, shapes = anatomy.shape, [matrix.shape for matrix in targets]
    element = VALUE_BYTES[model.dtype]
    groups = [
        GroupRecord(group=group, parameters=shape.groups[group], bytes=shape.groups[group] * element)
        for group in GROUPS
        if shape.groups.get(group)
    ]
    if shape.tied_embeddings:
        groups.append(GroupRecord(group="lm_head", parameters=0, bytes=0, tied_to="embedding"))
    return ModelRecord(
        id=model.name,
        source=anonymous(loaded.source),
        kind=loaded.kind,
        revision=loaded.revision,
        architecture=shape.architecture,
        dtype=model.dtype,
        label=loaded.label,
        licence=loaded.licence,
        parameters=shape.parameters,
        prunable=sum(each.numel for each in shapes),
        bytes=model_bytes(loaded.model),
        blocks=shape.blocks,
        hidden=shape.hidden,
        vocabulary=shape.vocabulary,
        context=shape.context,
        activation=shape.activation,
        tied_embeddings=shape.tied_embeddings,
        groups=tuple(groups),
        matrices=matrix_records(shape.matrices, frozenset(each.path for each in shapes)),
        byte_curves=byte_curves(shapes, cells, model.dtype),
    )


def absent_model(model: Model) -> ModelRecord:
    """A model that could not be loaded: its cells are failed, and nothing is known about it."""
    return ModelRecord(
        id=model.name,
        source=anonymous(model.source),
        kind="absent",
        architecture="unknown",
        dtype=model.dtype,
        parameters=0,
        prunable=0,
        bytes=0,
        blocks=0,
        hidden=0,
        vocabulary=0,
    )


def data_record(spec: Spec, model: str, text: Text, windows: Windows) -> DataRecord:
    """The evaluation text as it was cut for a model's tokenizer."""
    count, length = windows.ids.shape
    return DataRecord(
        role="evaluation",
        corpus=spec.data.evaluation.source.partition(":")[0],
        source=spec.data.evaluation.source,
        model=model,
        protocol=windows.protocol,
        windows=count,
        length=length,
        tokens=count * length,
        predicted_tokens=windows.predicted_tokens,
        bytes=windows.predicted_bytes,
        tail_tokens_dropped=windows.tail_tokens_dropped,
        bos=windows.bos,
        joiner=text.joiner,
        revision=text.revision,
        text_sha256=text.sha256,
        token_ids_sha256=windows.token_ids_sha256,
    )


def entry_record(kind: str, info: Info) -> EntryRecord:
    return EntryRecord(
        kind=kind,
        name=info.name,
        summary=info.summary,
        equation=info.equation,
        spoken=info.spoken,
        cite=info.cite,
        result_version=info.result_version,
    )


def entries(spec: Spec, cells: Sequence[Cell]) -> tuple[EntryRecord, ...]:
    """Every registry entry that the study uses."""
    used: dict[tuple[str, str], None] = {}
    for cell in cells:
        used |= {("method", stage.entry): None for stage in cell.node.stages}
        used["format", cell.format.entry] = None
    used |= {("metric", name): None for name in spec.metrics.use}
    used["corpus", spec.data.evaluation.source.partition(":")[0]] = None
    kinds = {"method": "methods", "format": "formats", "metric": "metrics", "corpus": "corpora"}
    return tuple(entry_record(kind, registry.get(kinds[kind], name).INFO) for kind, name in used)


def quantities(spec: Spec) -> tuple[QuantityRecord, ...]:
    """The definitions of all metrics in use."""
    return tuple(
        QuantityRecord(
            name=each.name,
            family=family,
            unit=each.unit,
            kind=each.kind,
            noise=each.noise,
            direction=each.direction,
            definition=each.definition,
            limits=each.limits,
        )
        for family in spec.metrics.use
        for each in registry.get("metrics", family).INFO.quantities
    )
