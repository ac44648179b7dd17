"""Loads a model and its text once, and checks against them what a spec alone could not know."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from .. import registry
from ..contracts import CorpusRequest, ModelRequest, own_params
from ..curation import curate
from ..errors import EnvironmentProblem, Problem, SpecError
from ..models.anatomy import anatomy
from ..models.blocks import ResidentBlocks, batches
from ..models.loading import load
from ..planning import digest, first_calibration
from ..spec.model import Curation
from ..windows import QUICK_WINDOWS, cut, draw, encode, resolve_length
from . import harness
from .state import ModelState, targeted
from .structure import zeros_by_parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..contracts import Cell, Stage, Text
    from ..models.loading import LoadedModel
    from ..spec.model import Calibration, Evaluation, Generation, Latency, Model, Spec
    from ..windows import Encoding, Windows
    from .harness import TaskSet


@dataclass(frozen=True)
class CalibrationSet:
    """Calibration windows as a stage asks for them (`params["calibration"]`), the text, and what curation dropped."""

    asked: dict[str, Any]
    text: Text
    windows: Windows
    curation: dict[str, int]


@dataclass(frozen=True)
class EvaluationSet:
    """An evaluation text as the spec names it, and its windows."""

    name: str
    source: str
    text: Text
    windows: Windows


@dataclass(frozen=True)
class Prepared:
    """
    A model ready to be pruned and measured.

    `calibration` is by the digest of what was asked for; `fingerprints`, by the digest of a stage's parameters, say
    what is in the files that its method reads.
    """

    model: Model
    loaded: LoadedModel
    dense: ModelState
    blocks: ResidentBlocks
    evaluation: tuple[EvaluationSet, ...]
    dense_zeros: dict[str, int]
    calibration: dict[str, CalibrationSet]
    fingerprints: dict[str, str]
    folder: str
    offline: bool
    tasks: TaskSet | None = None

    def fingerprint_of(self, stage: Stage) -> str:
        """Of the files beside the spec that the stage's masks come from; "" where there are none."""
        return self.fingerprints.get(digest(stage.params), "")

    @property
    def windows(self) -> Windows:
        """Of the first evaluation text: for what any text will do, such as timing and the check of a format."""
        return self.evaluation[0].windows

    def calibration_of(self, stage: Stage) -> CalibrationSet | None:
        """The set on which a stage's method looks at the model; None for one that needs no data."""
        asked = stage.params.get("calibration")
        return None if asked is None else self.calibration[digest(asked)]


def read_text(source: str, split: str, folder: str, offline: bool) -> Text:
    """A corpus as a spec names it. Raises EnvironmentProblem."""
    corpus, _, argument = source.partition(":")
    text: Text = registry.need("corpora", corpus).read(CorpusRequest(argument, split, offline, folder))
    return text


def calibration_sets(
    cells: Sequence[Cell], study: Calibration | None, loaded: LoadedModel, context: int | None, place: Place
) -> dict[str, CalibrationSet]:
    """
    Every calibration set that the cells' stages ask for, each text read and tokenised once.

    A study that has a calibration text but no method that needs one still gets its first set: reconstruction errors
    and the sensitivity scan look at the model on it. Raises EnvironmentProblem and SpecError.
    """
    asked = {
        digest(stage.params["calibration"]): stage.params["calibration"]
        for cell in cells
        for stage in cell.node.stages
        if "calibration" in stage.params
    }
    if study is not None:
        first = first_calibration(study)
        asked = {digest(first): first} | asked
    texts: dict[str, tuple[Text, dict[str, int], Encoding]] = {}
    found = {}
    for key, each in asked.items():
        origin = digest([each["source"], each["split"], each["bos"], each["curate"]])
        if origin not in texts:
            dropped: dict[str, int] = {}
            text = read_text(each["source"], each["split"], place.folder, place.offline)
            if each["curate"]:
                curated, dropped = curate(text.text, Curation.model_validate(each["curate"]))
                text = replace(text, text=curated)
            texts[origin] = (text, dropped, encode(text, loaded.tokenizer, each["bos"]))
        text, dropped, encoding = texts[origin]
        count = min(QUICK_WINDOWS, each["windows"]) if place.quick else each["windows"]
        length = resolve_length(each["length"], context, "data.calibration.length")
        windows = draw(encoding, corpus=each["source"], split=text.split, length=length, count=count, seed=each["seed"])
        found[key] = CalibrationSet(each, text, windows, dropped)
    return found


def evaluation_sets(
    wanted: Sequence[Evaluation], texts: Sequence[Text], loaded: LoadedModel, context: int | None, quick: bool
) -> tuple[EvaluationSet, ...]:
    """The evaluation texts, cut. Raises SpecError for a window longer than the context or the text."""
    found = []
    for number, (each, text) in enumerate(zip(wanted, texts, strict=True)):
        key = "data.evaluation" if len(wanted) == 1 else f"data.evaluation[{number}]"
        count = min(QUICK_WINDOWS, each.windows or QUICK_WINDOWS) if quick else each.windows
        length = resolve_length(each.length, context, f"{key}.length")
        windows = cut(text, loaded.tokenizer, corpus=each.source, length=length, count=count, bos=each.bos, key=key)
        found.append(EvaluationSet(each.name, each.source, text, windows))
    return tuple(found)


@dataclass(frozen=True)
class Place:
    """Where relative paths count from, whether the network may be used, and whether this is a rehearsal."""

    folder: str
    offline: bool
    quick: bool


def device_of(name: str) -> torch.device:
    """The device that the spec names. Raises EnvironmentProblem when this machine has none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise EnvironmentProblem(
            "the spec asks for a CUDA device, and PyTorch sees none here",
            remedy="run on the CPU: --set hardware.device=cpu",
        )
    return torch.device(name)


def check_latency(latency: Latency, context: int | None) -> None:
    """Prompt and decoded tokens must fit the model's context. Raises SpecError."""
    longest = max(latency.prompt) + max(latency.decode)
    if context is not None and longest > context:
        raise SpecError(
            Problem(
                "metrics.latency",
                f"prompt and decoded tokens are {longest} together, more than the model's context, {context}",
            )
        )


def fingerprints(cells: Sequence[Cell], studied: ModelRequest) -> dict[str, str]:
    """Of every stage whose method reads files beside the spec, by the digest of its parameters."""
    return {
        digest(stage.params): method.fingerprint(own_params(method, stage.params), studied)
        for cell in cells
        for stage in cell.node.stages
        if stage.op == "prune" and hasattr(method := registry.get("methods", stage.entry), "fingerprint")
    }


def check_context(stated: int | None, context: int | None) -> None:
    """The context that projections state must be one that the model has. Raises SpecError."""
    if stated is not None and context is not None and stated > context:
        message = f"{stated} tokens are more than the model's context, {context}"
        raise SpecError(Problem("hardware.context", message))


def check_generation(generation: Generation, context: int | None) -> None:
    """Prompt and continuation must fit the model's context. Raises SpecError."""
    longest = generation.prompt + generation.tokens
    if context is not None and longest > context:
        message = f"prompt and generated tokens are {longest} together, more than the model's context, {context}"
        raise SpecError(Problem("metrics.generation", message))


def check_vocabulary(loaded: LoadedModel, windows: Sequence[Windows]) -> None:
    """Every token must have a row of the embedding. Raises EnvironmentProblem for a tokenizer of another model."""
    embedding: Any = loaded.model.get_input_embeddings()
    rows = embedding.weight.shape[0]
    largest = max((int(each.ids.max()) for each in windows if each.ids.numel()), default=-1)
    if largest >= rows:
        raise EnvironmentProblem(
            f"the tokenizer of {loaded.source} gives the token {largest}, and the model knows {rows}",
            remedy="Tokenizer and weights belong to different models: fetch them again, or save both from one.",
        )


def prepare(spec: Spec, model: Model, cells: Sequence[Cell], place: Place) -> Prepared:
    """
    Model, target and windows. Raises EnvironmentProblem (no model, no text) and SpecError (nothing matches, too short).
    """
    device, folder, offline = device_of(spec.hardware.device), place.folder, place.offline
    request = ModelRequest(model.source, model.revision, model.dtype, offline, folder)
    loaded = load(request)
    texts = [read_text(each.source, each.split, folder, offline) for each in spec.data.evaluation]
    loaded.model.to(device)  # type: ignore[arg-type]  # transformers wraps `to` and loses its signature
    parts = anatomy(loaded.model)
    evaluation = evaluation_sets(spec.data.evaluation, texts, loaded, parts.shape.context, place.quick)
    check_context(spec.hardware.context, parts.shape.context)
    if "latency" in spec.metrics.use:
        check_latency(spec.metrics.latency, parts.shape.context)
    if "generation" in spec.metrics.use:
        check_generation(spec.metrics.generation, parts.shape.context)
    blocks = ResidentBlocks(loaded.model, parts.blocks_path)
    calibration = calibration_sets(cells, spec.data.calibration, loaded, parts.shape.context, place)
    seen = [*(each.windows for each in evaluation), *(each.windows for each in calibration.values())]
    check_vocabulary(loaded, seen)
    if calibration or "sensitivity" in spec.metrics.use:
        with torch.no_grad():
            blocks.check(batches(evaluation[0].windows.ids)[0])
    return Prepared(
        model=model,
        loaded=loaded,
        dense=ModelState(loaded.model, parts, targeted(parts, spec.target)),
        blocks=blocks,
        evaluation=evaluation,
        dense_zeros=zeros_by_parameter(loaded.model),
        calibration=calibration,
        fingerprints=fingerprints(cells, request),
        folder=folder,
        offline=offline,
        tasks=harness.load(spec.metrics.tasks, base=folder, quick=place.quick) if "tasks" in spec.metrics.use else None,
    )
