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


def spec_file(argument: str) -> Path:
    """The spec that `argument` names: a file, or a shipped spec's bare name ("quickstart"). Raises UsageError."""
    path = Path(argument)
    if path.is_file():
        return path
    shipped = folder("specs") / f"{argument}.toml"
    if path.name == argument and shipped.is_file():
        return shipped
    known = ", ".join(sorted(file.stem for file in folder("specs").glob("*.toml")))
    raise UsageError(f"there is no spec {argument!r}", remedy=f"give a file, or one of the shipped specs: {known}")
