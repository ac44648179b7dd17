"""Where templates and specs are: inside the installed package, else at the top of the checkout."""

from __future__ import annotations

from pathlib import Path

from .errors import UsageError

PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """`templates` or `specs`: a wheel carries them inside the package, a checkout beside it."""
    for parent in (PACKAGE, PACKAGE.parent):
        if (parent / name).is_dir():
            return parent / name
    raise FileNotFoundError(f"{name}/ is neither in {PACKAGE} nor beside it: this installation is broken")


def shipped_specs() -> dict[str, Path]:
    """The specs that ship by their short names: "quickstart", "exercises/wanda_one_layer"."""
    specs = folder("specs")
    return {file.relative_to(specs).with_suffix("").as_posix(): file for file in sorted(specs.rglob("*.toml"))}


def spec_file(argument: str) -> Path:
    """The spec that `argument` names: a file, or a shipped spec by its short name. Raises UsageError."""
    path = Path(argument)
    if path.is_file():
        return path
    known = shipped_specs()
    if (name := path.as_posix()) in known:
        return known[name]
    names = ", ".join(known)
    raise UsageError(f"there is no spec {argument!r}", remedy=f"give a file, or one of the shipped specs: {names}")
