"""Blocks out of sentences, and figures where they were drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import names
from ..document import Bullets, Equation, Figure, Paragraph
from ..maths import EQUATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...results.model import Results
    from ..document import Block
    from ..drawing import Drawing


def paragraph(*sentences: str, heading: str = "") -> tuple[Block, ...]:
    """One paragraph of the sentences that hold; nothing where none does."""
    text = " ".join(each for each in sentences if each)
    return (Paragraph(text, heading),) if text else ()


def bullets(items: Iterable[str]) -> tuple[Block, ...]:
    kept = tuple(each for each in items if each)
    return (Bullets(kept),) if kept else ()


def figure(results: Results, drawings: Mapping[str, Drawing], name: str) -> tuple[Block, ...]:
    """The figure `fig:<name>`, with the labels of its models in the caption; nothing where it could not be drawn."""
    drawing = drawings.get(name)
    if drawing is None:
        return ()
    missing = [note for note in names.labels_note(results) if not _says(drawing.caption, results)]
    return (Figure(f"fig:{name}", drawing, " ".join(missing)),)


def _says(caption: str, results: Results) -> bool:
    return all(model.label in caption for model in results.models if model.label)


def recorded(results: Results, kind: str, name: str, target: str) -> tuple[Block, ...]:
    """The equation that a method, format or metric brought along, as `eq:<target>`; nothing where it has none."""
    return tuple(
        Equation(f"eq:{target}", each.equation, each.spoken)
        for each in results.entries
        if (each.kind, each.name) == (kind, name) and each.equation and each.spoken
    )


def defined(lead: str, equations: tuple[Block, ...]) -> tuple[Block, ...]:
    """A sentence that ends in an equation, or in itself where there is none."""
    return (*paragraph(f"{lead}{':' if equations else '.'}"), *equations)


def equation(name: str) -> Equation:
    """A numbered equation of the catalogue, `eq:<name>`."""
    known = EQUATIONS[name]
    return Equation(f"eq:{name}", known.tex, known.spoken)
