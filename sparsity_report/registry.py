"""
A folder is a registry: the file's name is the public name ("_" reads "-" there).

`methods/wanda.py` is the method "wanda", `corpora/wikitext_2.py` the corpus "wikitext-2". Names are listed without
importing anything; other packages add entries through the entry-point groups `sparsity_report.methods`,
`sparsity_report.formats` and so on ("package:name").
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

from .errors import EnvironmentProblem

if TYPE_CHECKING:
    from types import ModuleType

REQUIRED = {
    "methods": ("INFO", "Params", "DEFAULT_SCOPE", "SEEDED", "NEEDS", "refuses"),
    "formats": (
        *("INFO", "Params", "SKIPS_ZEROS", "IN_PLACE"),
        *("refuses", "stored_bytes", "encode", "decode", "apply", "fallback"),
    ),
    "quantizers": ("INFO", "Params", "values", "quantize"),
    "metrics": ("INFO", "LEVEL", "measure"),
    "allocation": ("INFO", "Params", "NEEDS", "allocate"),
    "corpora": ("INFO", "SPLITS", "read"),
    "models.sources": ("INFO", "matches", "config", "load"),
}
"""What each kind must export: checked when an entry is fetched, so that a new file fails at once and by name."""


OTHERWISE = {"corpora": "\nA study whose text needs no package and no download: sparsity-report run quickstart"}
"""What else there is where an entry of a kind cannot be had."""


@cache
def plugins(kind: str) -> dict[str, metadata.EntryPoint]:
    """Entries that other installed packages add to a kind."""
    return {point.name: point for point in metadata.entry_points(group=f"sparsity_report.{kind}")}


def names(kind: str) -> tuple[str, ...]:
    """Public names of a kind, in order; imports none of the entries."""
    package = importlib.import_module(f".{kind}", __package__)
    own = {module.name.replace("_", "-") for module in pkgutil.iter_modules(package.__path__) if module.name[0] != "_"}
    return tuple(sorted(own | set(plugins(kind))))


def suggest(name: str, known: tuple[str, ...]) -> str:
    """A hint for a name that is not known."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"{f'did you mean {close[0]!r}? ' if close else ''}known: {', '.join(known)}"


@cache
def get(kind: str, name: str) -> ModuleType:
    """The module behind `name`. Raises KeyError if there is none, TypeError if it lacks what its kind promises."""
    if name in plugins(kind):
        module: ModuleType = plugins(kind)[name].load()
    elif name in names(kind):
        module = importlib.import_module(f".{kind}.{name.replace('-', '_')}", __package__)
    else:
        raise KeyError(f"{name!r} is not one of {kind}: {suggest(name, names(kind))}")
    missing = [attribute for attribute in REQUIRED[kind] if not hasattr(module, attribute)]
    if missing:
        raise TypeError(f"{module.__name__} must define {', '.join(missing)}")
    return module


def need(kind: str, name: str) -> ModuleType:
    """Like `get`, but an entry whose optional packages are missing is an EnvironmentProblem with the remedy."""
    module = get(kind, name)
    for package in module.INFO.requires:
        if importlib.util.find_spec(package) is None:
            raise EnvironmentProblem(
                f"{kind}/{name} needs the package {package!r}, which is not installed.",
                remedy=f"pip install 'sparsity-report[all]'   (or: pip install {package})" + OTHERWISE.get(kind, ""),
            )
    return module
