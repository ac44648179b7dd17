"""Turns what the engine knows into the records of `results.json`: models, data, entries and quantities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .. import contamination, registry
from ..accounting import byte_curve, values_of
from ..contracts import GROUPS, VALUE_BYTES, FormatChoice, Pattern, pattern_of
from ..models.anatomy import config_of
from ..models.attention import attention_shape
from ..results.environment import anonymous
from ..results.model import (
    Alert,
    ByteCurve,
    DataRecord,
    EntryRecord,
    GroupRecord,
    MatrixRecord,
    ModelRecord,
    NoteRecord,
    QuantityRecord,
    StudyRecord,
)
from .variant import model_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..contracts import Cell, Info, MatrixShape, Text, Values
    from ..models.anatomy import Anatomy, Matrix
    from ..models.loading import LoadedModel
    from ..results.model import Results
    from ..spec.load import LoadedSpec
    from ..spec.model import Model, Spec
    from ..windows import Windows
    from .prepare import Prepared


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
PATTERNED = ("nm", "bsr")
"""Formats whose bytes depend on where the zeros are: their curves are of the state's own pattern."""


def study_record(loaded: LoadedSpec) -> StudyRecord:
    """The author's words."""
    study, report = loaded.spec.study, loaded.spec.report
    return StudyRecord(
        title=study.title,
        slug=loaded.slug,
        authors=tuple(author.model_dump() for author in study.authors),
        question=study.question,
        abstract=study.abstract,
        date=study.date,
        instructor=study.instructor,
        course=study.course,
        target_reason=loaded.spec.target.reason,
        notes=tuple(
            NoteRecord.model_validate({"part": part, "file": anonymous(file), "text": text})
            for part, (file, text) in loaded.notes.texts.items()
        ),
        references=loaded.notes.references,
        layout=report.layout,
        outputs=report.outputs,
    )


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


def curve_label(choice: FormatChoice, pattern: Pattern, permuted: bool = False, values: Values | None = None) -> str:
    """ "CSR, 32-bit indices", "BSR 8x8, 32-bit indices, int8", "2:4 packed" or "2:4 packed, permuted"."""
    parts = [f"{pattern} packed" if pattern.is_nm else choice.entry]
    if "index" in choice.params:
        block = f" {choice.params['block']}" if "block" in choice.params else ""
        parts = [choice.entry.upper() + block, f"{choice.params['index'].removeprefix('int')}-bit indices"]
    return ", ".join([*parts, *(["permuted"] if permuted else []), *([values.dtype] if values else [])])


def byte_curves(shapes: Sequence[MatrixShape], cells: Iterable[Cell], dtype: str) -> tuple[ByteCurve, ...]:
    """One curve for each compressed format of the study, and CSR in any case."""
    wanted: dict[tuple[str, ...], tuple[FormatChoice, tuple[Pattern, bool, Values | None]]] = {
        (entry, str(params), "unstructured", "", ""): (FormatChoice(entry, params), (Pattern(), False, None))
        for entry, params in ALWAYS_CURVED
    }
    for cell in cells:
        if cell.format.entry not in ("dense", "masked"):
            stages, pattern = cell.node.stages, pattern_of(cell.node.stages)
            shown = pattern if cell.format.entry in PATTERNED and not pattern.unstructured else Pattern()
            permuted = shown.is_nm and any(stage.params.get("permute") for stage in stages)
            values = values_of(stages, cell.format, "")
            key = (cell.format.entry, str(cell.format.params), str(shown), str(permuted or ""), values.dtype)
            wanted[key] = (cell.format, (shown, permuted, values if values.dtype else None))
    return tuple(
        byte_curve(shapes, choice, curve_label(choice, *how), VALUE_BYTES[dtype], *how)
        for choice, how in wanted.values()
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
        attention=getattr(loaded.model.config, "_attn_implementation", None) or "",
        attention_shape=attention_shape(config_of(loaded.model)),
        tied_embeddings=shape.tied_embeddings,
        groups=tuple(groups),
        matrices=matrix_records(shape.matrices, frozenset(each.path for each in shapes)),
        byte_curves=byte_curves(shapes, cells, model.dtype),
        targets=tuple(each.path for each in shapes),
        target_numel=tuple(each.numel for each in shapes),
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


def data_records(spec: Spec, prepared: Prepared) -> list[DataRecord]:
    """The texts as they were cut for a model's tokenizer: evaluation first, then every calibration set."""
    model = prepared.model.name
    return [
        *(
            data_record("evaluation", each.source, model, each.text, each.windows, name=each.name)
            for each in prepared.evaluation
        ),
        *(
            data_record("calibration", each.asked["source"], model, each.text, each.windows).model_copy(
                update={"seed": each.asked["seed"], "curation": each.curation}
            )
            for each in prepared.calibration.values()
        ),
    ]


def data_record(
    role: Literal["evaluation", "calibration"], source: str, model: str, text: Text, windows: Windows, name: str = ""
) -> DataRecord:
    """One text as it was cut."""
    count, length = windows.ids.shape
    return DataRecord(
        role=role,
        corpus=source.partition(":")[0],
        source=source,
        name=name,
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


def alerts(prepared: Prepared) -> list[Alert]:
    """What the texts themselves say, and where calibration has seen what is evaluated."""
    texts = [*(each.text for each in prepared.evaluation), *(each.text for each in prepared.calibration.values())]
    found = [Alert(text=text) for each in texts for text in each.alerts]
    for seen in (each.windows for each in prepared.calibration.values()):
        for own in (each.windows for each in prepared.evaluation):
            text = contamination.alert(seen.ids, own.ids, seen.protocol, own.protocol)
            found += [Alert(text=text)] if text else []
    return list(dict.fromkeys(found))


def entry_record(kind: str, info: Info) -> EntryRecord:
    return EntryRecord(
        kind=kind,
        name=info.name,
        summary=info.summary,
        equation=info.equation,
        spoken=info.spoken,
        cite=info.cite,
        result_version=info.result_version,
        traits=dict(info.traits),
        needs=info.needs,
        constraints=tuple(map(str, info.constraints)),
    )


def entries(spec: Spec, cells: Sequence[Cell]) -> tuple[EntryRecord, ...]:
    """Every registry entry that the study uses."""
    used: dict[tuple[str, str], None] = {}
    kind_of = {"prune": "method", "quantize": "quantizer"}
    for cell in cells:
        used |= {(kind_of[stage.op], stage.entry): None for stage in cell.node.stages}
        chosen = [stage.params["allocation"]["use"] for stage in cell.node.stages if "allocation" in stage.params]
        used |= {("allocation", name): None for name in chosen}
        used["format", cell.format.entry] = None
    used |= {("metric", name): None for name in spec.metrics.use}
    calibration = spec.data.calibration.source if spec.data.calibration else ()
    evaluation = [each.source for each in spec.data.evaluation]
    used |= {("corpus", source.partition(":")[0]): None for source in (*evaluation, *calibration)}
    kinds = {kind: kind + "s" for kind in ("method", "quantizer", "format", "metric")}
    kinds |= {"corpus": "corpora", "allocation": "allocation"}
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
