"""A model in a local directory: config.json, safetensors and a tokenizer. Its revision is a hash of its files."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ...contracts import Info
from ...errors import EnvironmentProblem
from ...paths import beside, is_dir, is_file, regular

if TYPE_CHECKING:
    from pathlib import Path

    from ...contracts import ModelRequest
    from ..loading import LoadedModel

INFO = Info(name="directory", summary='a local directory ("./model"): config.json, *.safetensors, tokenizer')

PATH_STARTS = ("./", "../", "/", "~")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model")


def matches(source: str) -> bool:
    """A path by its spelling: it starts like one, ends with "/", has more parts than a hub id, or Windows' sign."""
    return (
        source.startswith(PATH_STARTS)
        or source in (".", "..")
        or source.endswith("/")
        or "\\" in source
        or source[1:3] == ":/"
        or (source.count("/") > 1 and ":" not in source)
    )


def locate(request: ModelRequest) -> Path:
    """The directory; a relative path counts from the request's folder."""
    return beside(request.folder, request.source)


def read_config(folder: Path) -> dict[str, Any] | None:
    """config.json of a folder, or None where there is none that can be read."""
    try:
        plain = json.loads(regular(folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return plain if isinstance(plain, dict) else None


def config(request: ModelRequest) -> dict[str, Any] | None:
    return read_config(locate(request))


def check(folder: Path) -> None:
    """As `check_weights`, and for a missing tokenizer."""
    check_weights(folder)
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise EnvironmentProblem(
            f"{folder} holds no tokenizer (none of {', '.join(TOKENIZER_FILES)}).",
            remedy="Save the model's tokenizer there: tokenizer.save_pretrained(DIRECTORY)",
        )


def check_weights(folder: Path) -> None:
    """Raises EnvironmentProblem for what is missing, and for weights that only unpickling would read."""
    if not is_dir(folder):
        raise EnvironmentProblem(
            f"there is no directory {folder}", remedy="Relative paths count from the folder of the spec."
        )
    if odd := [path.name for path in sorted(folder.iterdir()) if not (is_file(path) or is_dir(path))]:
        raise EnvironmentProblem(f"{folder}: {odd[0]} is no ordinary file", remedy="Copy the model there again.")
    if read_config(folder) is None:
        raise EnvironmentProblem(f"{folder} has no readable config.json", remedy="Save the model there again.")
    if not list(folder.glob("*.safetensors")):
        pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
        found = f" but {pickles[0]}, which is never unpickled: it could run any code" if pickles else ""
        raise EnvironmentProblem(
            f"{folder} holds no *.safetensors{found}.",
            remedy="Convert once where you trust the file: model.save_pretrained(DIRECTORY, safe_serialization=True)",
        )


def fingerprint(folder: Path) -> str:
    """sha256 over names and contents of the config and of the weights."""
    total = hashlib.sha256()
    for path in sorted([folder / "config.json", *folder.glob("*.safetensors")]):
        with path.open("rb") as file:
            total.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return f"sha256:{total.hexdigest()}"


def load(request: ModelRequest) -> LoadedModel:
    from ..loading import LoadedModel, read_pretrained

    folder = locate(request)
    check(folder)
    model, tokenizer = read_pretrained(folder, request.dtype)
    return LoadedModel(model, tokenizer, INFO.name, request.source, fingerprint(folder))
