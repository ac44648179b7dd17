"""Templates, style sheets and scripts: those of this installation, or the reader's own of the same name."""

from __future__ import annotations

import contextlib
import re
import traceback
from functools import cache
from typing import TYPE_CHECKING

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from .. import resources
from ..errors import SparsityReportError, UsageError
from . import images, labels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@cache
def environment(own: Path | None = None) -> jinja2.Environment:
    """
    Templates by name, those in the folder `own` first; what is not marked as HTML is escaped.

    Sandboxed: a template folder can come with somebody's study, and must not do more than arrange a page.
    """
    folders = [folder for folder in (own, resources.folder("templates")) if folder is not None]
    found = ImmutableSandboxedEnvironment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=jinja2.select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.tests["block"] = lambda block, name: type(block).__name__ == name
    found.filters |= {"svg_uri": images.svg_uri, "as_text": labels.as_text}
    found.filters["display"] = lambda block: images.display(block.tex, block.spoken)
    return found


def raw(name: str, own: Path | None = None) -> Markup:
    """A style sheet or a script, as it is. Raises UsageError for one that would end its element."""
    found = environment(own)
    assert found.loader is not None
    text, file, _ = found.loader.get_source(found, name)
    if (ending := re.search(r"</(style|script)", text, re.IGNORECASE)) is not None:
        raise UsageError(f"{file}: {ending[0]!r} cannot stand in a style sheet or a script of the page")
    return Markup(text)


@contextlib.contextmanager
def blamed(own: Path | None) -> Iterator[None]:
    """Turns what is wrong with somebody's own templates into a UsageError with file and line."""
    try:
        yield
    except SparsityReportError:
        raise
    except Exception as problem:
        place = _place(problem)
        if own is None or not (place or isinstance(problem, jinja2.TemplateError)):  # ours are right, or it is a bug
            raise
        raise UsageError(
            f"{place or 'a template'}: {_words(problem)}", remedy=f"templates in {own} come before those shipped"
        ) from problem


def _words(problem: Exception) -> str:
    if isinstance(problem, jinja2.TemplateNotFound):
        return f"there is no template {problem.name!r}, nor is one looked for outside of the folder"
    if isinstance(problem, jinja2.TemplateError):
        return str(problem.message)
    return f"{type(problem).__name__}: {problem}"


def _place(problem: Exception) -> str:
    """`file:line` of the innermost template that was at work; empty where none was."""
    if isinstance(problem, jinja2.TemplateSyntaxError):
        return f"{problem.filename or problem.name}:{problem.lineno}"
    frames = [each for each in traceback.extract_tb(problem.__traceback__) if each.filename.endswith(".j2")]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
