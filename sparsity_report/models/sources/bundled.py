"""A small trained model that ships with sparsity-report, so that everything runs without a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...contracts import Info
from ...errors import EnvironmentProblem
from .directory import fingerprint, read_config

if TYPE_CHECKING:
    from ...contracts import ModelRequest
    from ..loading import LoadedModel

INFO = Info(name="bundled", summary='a small trained model that ships with the package ("bundled:tiny-opt")')

PREFIX = "bundled:"
SHELF = Path(__file__).parents[1] / "bundled"


def matches(source: str) -> bool:
    return source.startswith(PREFIX)


def shipped() -> dict[str, Path]:
    """Folders of the models that ship, by public name."""
    return {path.parent.name.replace("_", "-"): path.parent for path in sorted(SHELF.glob("*/config.json"))}


def locate(request: ModelRequest) -> Path:
    name = request.source.removeprefix(PREFIX)
    if name not in shipped():
        raise EnvironmentProblem(
            f"no model named {name!r} ships with sparsity-report", remedy=f"There is: {', '.join(shipped()) or 'none'}"
        )
    return shipped()[name]


def config(request: ModelRequest) -> dict[str, Any] | None:
    return read_config(locate(request))


def load(request: ModelRequest) -> LoadedModel:
    from ..loading import LoadedModel, read_pretrained

    folder = locate(request)
    provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    model, tokenizer = read_pretrained(folder, request.dtype)
    return LoadedModel(
        model,
        tokenizer,
        INFO.name,
        request.source,
        fingerprint(folder),
        label=provenance.get("label", ""),
        licence=provenance.get("licence", ""),
    )
