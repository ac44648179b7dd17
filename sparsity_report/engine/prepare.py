"""Loads a model and its text once, and checks against them what a spec alone could not know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from .. import registry
from ..contracts import CorpusRequest, ModelRequest
from ..errors import EnvironmentProblem, Problem, SpecError
from ..models.anatomy import anatomy
from ..models.loading import load
from ..windows import QUICK_WINDOWS, cut, resolve_length
from .state import ModelState, targeted
from .structure import zeros_by_parameter

if TYPE_CHECKING:
    from ..contracts import Text
    from ..models.loading import LoadedModel
    from ..spec.model import Evaluation, Latency, Model, Spec
    from ..windows import Windows


@dataclass(frozen=True)
class Prepared:
    """A model ready to be pruned and measured."""

    model: Model
    loaded: LoadedModel
    dense: ModelState
    text: Text
    windows: Windows
    dense_zeros: dict[str, int]


def read_text(evaluation: Evaluation, folder: str, offline: bool) -> Text:
    """The evaluation text. Raises EnvironmentProblem."""
    corpus, _, argument = evaluation.source.partition(":")
    request = CorpusRequest(argument, evaluation.split, offline, folder)
    text: Text = registry.need("corpora", corpus).read(request)
    return text


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
    longest = max(latency.prompt, default=0) + latency.decode
    if context is not None and longest > context:
        raise SpecError(
            Problem(
                "metrics.latency",
                f"prompt and decoded tokens are {longest} together, more than the model's context, {context}",
            )
        )


def prepare(spec: Spec, model: Model, *, folder: str, offline: bool, quick: bool) -> Prepared:
    """
    Model, target and windows. Raises EnvironmentProblem (no model, no text) and SpecError (nothing matches, too short).
    """
    device = device_of(spec.hardware.device)
    loaded = load(ModelRequest(model.source, model.revision, model.dtype, offline, folder))
    text = read_text(spec.data.evaluation, folder, offline)
    loaded.model.to(device)  # type: ignore[arg-type]  # transformers wraps `to` and loses its signature
    parts = anatomy(loaded.model)
    evaluation = spec.data.evaluation
    count = min(QUICK_WINDOWS, evaluation.windows or QUICK_WINDOWS) if quick else evaluation.windows
    length = resolve_length(evaluation.length, parts.shape.context)
    windows = cut(text, loaded.tokenizer, corpus=evaluation.source, length=length, count=count, bos=evaluation.bos)
    if "latency" in spec.metrics.use:
        check_latency(spec.metrics.latency, parts.shape.context)
    dense = ModelState(loaded.model, parts, targeted(parts, spec.target))
    return Prepared(model, loaded, dense, text, windows, zeros_by_parameter(loaded.model))
