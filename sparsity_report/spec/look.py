"""The files of a study's own look, checked before anything runs: what `[report]` names must be there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..paths import beside, is_dir, is_file, regular
from .findings import Finding

if TYPE_CHECKING:
    from pathlib import Path

    from . import model


def findings(report: model.Report, folder: Path) -> tuple[Finding, ...]:
    """What keeps the templates and the style sheet from being used; paths count from the spec's `folder`."""
    found = []
    if report.templates:
        place = beside(folder, report.templates)
        if not is_dir(place):
            what = f"{report.templates!r} is a file" if is_file(place) else f"there is no folder {report.templates!r}"
            hint = f"looked for {place}; a folder of *.j2, css/*.css and js/*.js to come before those shipped"
            found.append(Finding(("report", "templates"), what, hint))
    if report.style and (problem := unreadable(beside(folder, report.style))):
        hint = f"looked for {beside(folder, report.style)}; templates/css/house.css is one to start from"
        found.append(Finding(("report", "style"), f"{report.style!r} {problem}", hint))
    return tuple(found)


def unreadable(sheet: Path) -> str:
    """Why a style sheet cannot be read, or nothing."""
    try:
        regular(sheet).read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        return f"is not UTF-8 (byte {problem.start})"
    except OSError as problem:
        return f"cannot be read: {problem.strerror}"
    return ""
