"""From a model's source, as a spec names it, to a model that is ready to be studied."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import registry
from ..errors import EnvironmentProblem
from . import plausible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from ..contracts import ModelRequest

ASKED_FIRST = ("bundled", "package", "gguf", "directory")
ASKED_LAST = "hub"
UNLIMITED = int(1e30)
"""Tokens; windows are cut by the spec, so that the tokenizer needs no limit of its own (and no warning about it)."""


@dataclass(frozen=True)
class LoadedModel:
    """
    A model in evaluation mode, without gradients, and its tokenizer.

    `kind` names the source's file, `revision` pins what was loaded (a commit, or sha256 of the files), and `label`
    must stand wherever the model's numbers stand ("de-quantised from Q4_1").
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    kind: str
    source: str
    revision: str = ""
    label: str = ""
    licence: str = ""


def kind_of(source: str) -> str:
    """Name of the entry of `models/sources/` that knows the source, the hub asked last; empty where none does."""
    others = [name for name in registry.names("models.sources") if name not in (*ASKED_FIRST, ASKED_LAST)]
    names = (*ASKED_FIRST, *others, ASKED_LAST)
    return next((name for name in names if registry.get("models.sources", name).matches(source)), "")


def is_path(source: str) -> bool:
    """Whether the source is a directory or a file of this machine."""
    return kind_of(source) in ("directory", "gguf")


def source_of(source: str) -> ModuleType:
    """The entry of `models/sources/` that knows the source. Raises EnvironmentProblem."""
    if kind := kind_of(source):
        return registry.need("models.sources", kind)
    raise EnvironmentProblem(
        f"{source!r} names no model.",
        remedy='Give a hub id ("facebook/opt-125m"), a directory ("./model"), a GGUF file ("./model.gguf"), '
        '"package:NAME/FILE" or "bundled:tiny-opt".',
    )


def load(request: ModelRequest) -> LoadedModel:
    """Load the model. Raises EnvironmentProblem with a remedy where it is out of reach or not safe to read."""
    loaded: LoadedModel = source_of(request.source).load(request)
    return loaded


def load_weights(request: ModelRequest) -> tuple[PreTrainedModel, str]:
    """
    A model and its revision; of a directory that holds weights and no tokenizer, too. Raises EnvironmentProblem.
    """
    if kind_of(request.source) != "directory":
        loaded = load(request)
        return loaded.model, loaded.revision
    from .sources import directory

    folder = directory.locate(request)
    directory.check_weights(folder)
    return read_model(folder, request.dtype), directory.fingerprint(folder)


def config(request: ModelRequest) -> dict[str, Any] | None:
    """The model's config as far as it is known without a network and without torch; None where it is not."""
    known: dict[str, Any] | None = source_of(request.source).config(request)
    return known


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' progress bars and warnings off stderr; what matters is checked and raised here."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # transformers leaves these untyped
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def read_pretrained(folder: Path, dtype: str, **gguf: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model and the tokenizer in a folder, as `read_model` reads it. Raises EnvironmentProblem."""
    with quiet_transformers(), wrapped_errors(folder / gguf.get("gguf_file", "")):
        tokenizer = read_tokenizer(folder, **gguf)
    return read_model(folder, dtype, **gguf), tokenizer


def read_model(folder: Path, dtype: str, **gguf: str) -> PreTrainedModel:
    """
    The model in a folder, in evaluation mode and without gradients.

    Only safetensors are read (or a `gguf_file` in the folder), code from the folder never runs, and a weight that the
    files lack is an error: transformers would fill it with random numbers. Raises EnvironmentProblem.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    if not gguf:
        plausible.check(folder)
    here: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True, **gguf}
    with quiet_transformers(), wrapped_errors(folder / gguf.get("gguf_file", "")):
        config: Any = AutoConfig.from_pretrained(folder, **here)
        config._attn_implementation = "sdpa"  # what its file says would go before an argument
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=getattr(torch, dtype),
            use_safetensors=True if not gguf else None,
            output_loading_info=True,
            **here,
        )
    model, report = loaded
    absent = sorted({*report["missing_keys"], *(str(each) for each in report["mismatched_keys"])})
    if absent:
        raise EnvironmentProblem(
            f"{folder}: the weights do not fit the config: {len(absent)} are missing or of another shape, "
            f"{absent[0]} among them.",
            remedy="The files are incomplete or belong to different models: fetch them again.",
        )
    ready: PreTrainedModel = model.eval().requires_grad_(False)
    return ready


def read_tokenizer(folder: Path, **gguf: str) -> PreTrainedTokenizerBase:
    """The tokenizer in a folder, without a limit of length."""
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        folder, trust_remote_code=False, local_files_only=True, **gguf
    )
    tokenizer.model_max_length = UNLIMITED
    return tokenizer


@contextlib.contextmanager
def wrapped_errors(place: Path) -> Iterator[None]:
    """What transformers raises for files that it cannot use, as an EnvironmentProblem."""
    try:
        yield
    except Exception as error:  # of a broken config it makes any: division by zero, wrong types, missing attributes
        raise EnvironmentProblem(
            f"{place} cannot be loaded: {type(error).__name__}: {' '.join(str(error).split())[:400]}",
            remedy="Its files must be whole, and of a decoder-only model that the installed transformers knows; "
            "try: pip install -U transformers",
        ) from error
