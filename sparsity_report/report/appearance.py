"""
A study's own look: templates and a style sheet that stand in a run folder's `templates/` and come before those shipped.

They are copied there by `run`, so that the folder renders the same wherever it is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import EnvironmentProblem, UsageError
from ..paths import beside, is_dir
from ..results.store import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "templates"
HOUSE = "css/house.css"
SUFFIXES = (".j2", ".css", ".js")


def gather(folder: Path, templates: str, style: str) -> dict[str, bytes]:
    """
    The files that a spec names, by their name among the templates; paths count from the spec's `folder`.

    Raises EnvironmentProblem for one that cannot be read.
    """
    found: dict[str, bytes] = {}
    if templates:
        place = beside(folder, templates)
        if not is_dir(place):
            raise EnvironmentProblem(f"there is no folder {place}", remedy="[report] templates names a folder of *.j2")
        found = {file.relative_to(place).as_posix(): file.read_bytes() for file in files_of(place)}
    if style:
        sheet = beside(folder, style)
        try:
            found[HOUSE] = sheet.read_bytes()
        except OSError as problem:
            raise EnvironmentProblem(
                f"cannot read {sheet}: {problem.strerror}", remedy="[report] style names a style sheet"
            ) from problem
    return found


def files_of(folder: Path) -> list[Path]:
    """Templates, style sheets and scripts below a folder, in order."""
    return sorted(file for file in folder.rglob("*") if file.suffix in SUFFIXES and file.is_file())


def keep(run: Path, files: dict[str, bytes]) -> None:
    """Writes the files into the run folder; what an earlier run left there and this one has not, goes."""
    for file in files_of(run / FOLDER):
        if file.relative_to(run / FOLDER).as_posix() not in files:
            file.unlink()
    for name, content in files.items():
        write_bytes(run / FOLDER / name, content)


def of_run(results_file: Path, given: Path | None = None) -> Path | None:
    """The folder whose templates come first: the given one, else the run's own. Raises UsageError if it is none."""
    if given is not None:
        if not given.is_dir():
            raise UsageError(f"there is no folder {given}", remedy="--templates names a folder of templates")
        return given
    own = results_file.parent / FOLDER
    return own if own.is_dir() else None
