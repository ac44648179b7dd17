"""
Why a dense baseline is not the published one: named by its windows, their length, and what is known to go wrong.

A text of n tokens gives ⌊n / L⌋ windows of L. So a count and a length say between which bounds n lies, and two
evaluations whose bounds overlap may have cut one text in two ways.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from . import published
from .expect import number
from .model import Alert, Record
from .published import Published

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .model import CellRecord, DataRecord, ModelRecord, Results

FILE = Path(__file__).with_name("signatures.toml")
Kind = Literal["agrees", "contradicts", "other windows", "part of the text", "another text"]


class Signature(Record):
    """A way to go wrong that is known: whatever it names must be as seen."""

    family: str
    cause: str
    source: str
    model: str = ""
    length: int | None = None
    windows: int | None = None
    perplexity: tuple[float, float] | None = None


class Diagnosis(Record):
    """A dense model's perplexity beside the published figure whose protocol is nearest."""

    model: str
    kind: Kind
    figure: Published
    value: float
    windows: int
    length: int
    known: Signature | None = None


class File(Record):
    signature: tuple[Signature, ...]


@cache
def signatures() -> tuple[Signature, ...]:
    return File.model_validate(tomllib.loads(FILE.read_text(encoding="utf-8"))).signature


def known(figure: Published, text: DataRecord, value: float, *, by_value: bool) -> Signature | None:
    """The first signature that fits: of the windows, or of the perplexity."""
    family, _, size = figure.name.rpartition("-")
    for each in signatures():
        if each.family != family or each.model not in ("", size):
            continue
        if by_value:
            fits = each.perplexity is not None and each.perplexity[0] <= value <= each.perplexity[1]
        else:
            fits = each.windows == text.windows and each.length in (None, text.length)
        if fits:
            return each
    return None


def may_be_one_text(windows: int, length: int, other_windows: int, other_length: int) -> bool:
    """Whether some number of tokens gives both counts."""
    return windows * length < (other_windows + 1) * other_length and other_windows * other_length < (
        (windows + 1) * length
    )


def kind_of(figure: Published, cell: CellRecord, model: ModelRecord, text: DataRecord, value: float) -> Kind:
    """How the evaluation differs from the figure's, if it does."""
    wanted = figure.protocol.evaluation
    if not published.differences(figure, cell, model, [text]):
        low, high = figure.bounds
        return "agrees" if low <= value <= high else "contradicts"
    expected = figure.windows or 0
    if wanted is None or not expected:
        return "another text"
    if text.length == wanted.length and text.windows < expected:
        return "part of the text"
    one = may_be_one_text(text.windows, text.length, expected, wanted.length)
    return "other windows" if one and text.length != wanted.length else "another text"


def candidates(results: Results) -> Iterator[tuple[Published, CellRecord, ModelRecord, DataRecord, float, int]]:
    """Published dense perplexities of the study's models that can be held against it, and how much differs."""
    for figure in published.load() if not results.quick else ():
        for model in results.models:
            dense = results.reference(model.id)
            text = next((each for each in results.data if each.role == "evaluation" and each.model == model.id), None)
            value = None if dense is None else dense.value("perplexity")
            if dense is None or text is None or value is None or figure.method != "dense" or figure.doubt:
                continue
            if published.concerns(figure, dense, model) and figure.windows is not None:
                yield figure, dense, model, text, value, len(published.differences(figure, dense, model, [text]))


def diagnose(results: Results) -> tuple[Diagnosis, ...]:
    """One for every model with a published dense perplexity: beside the figure of the nearest protocol."""
    nearest: dict[str, tuple[Published, CellRecord, ModelRecord, DataRecord, float, int]] = {}
    for each in candidates(results):
        if each[2].id not in nearest or each[5] < nearest[each[2].id][5]:
            nearest[each[2].id] = each
    found = []
    for figure, dense, model, text, value, _ in nearest.values():
        kind = kind_of(figure, dense, model, text, value)
        signature = known(figure, text, value, by_value=kind == "contradicts") if kind != "agrees" else None
        found.append(
            Diagnosis(
                model=model.id,
                kind=kind,
                figure=figure,
                value=value,
                windows=text.windows,
                length=text.length,
                known=signature,
            )
        )
    return tuple(found)


def sentence(found: Diagnosis) -> str:
    """What the dense baseline is beside the published one, and why."""
    figure, wanted = found.figure, found.figure.protocol.evaluation
    length = wanted.length if wanted else 0
    theirs = f"{figure.value} ({figure.source.text}: {figure.windows} windows of {length} tokens)"
    ours = f"dense perplexity of {found.model}, {number(found.value, '')}"
    if found.kind == "agrees":
        return f"The {ours}, agrees with the published {theirs}."
    if found.kind == "contradicts":
        off = 100 * (found.value / float(figure.value) - 1)
        text = f"The {ours}, is not the published {theirs}, though the protocol is the same ({off:+.1f} %)"
        text += ": whatever is measured relative to it is in doubt"
    else:
        how = {
            "other windows": f"the same text, it seems, in windows of {found.length} tokens",
            "part of the text": f"the first {found.windows} of {figure.windows} windows",
            "another text": "another text, joiner or tokenizer, not only other windows",
        }[found.kind]
        seen = f"{found.windows} windows of {found.length} tokens"
        text = f"The {ours}, is not comparable with the published {theirs}: this study evaluated {seen}, {how}"
    if found.known is not None:
        text += f". This is what {found.known.cause.rstrip(',')} gives ({found.known.source})"
    return f"{text}.".replace("(-", "(−")


def alerts(results: Results) -> tuple[Alert, ...]:
    """A baseline that contradicts what is published under its own protocol concerns every reader."""
    return tuple(Alert(text=sentence(each)) for each in diagnose(results) if each.kind == "contradicts")
