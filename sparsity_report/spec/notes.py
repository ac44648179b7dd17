"""
The author's Markdown beside a spec, read before anything runs: what it quotes must be planned, what it cites known.

Which number a quote means in the end is decided on the results (`report/quoting.py`); here it is refused if it cannot
come true: an unknown quantity or property, no cell, or several states.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import bibliography, quotes, registry, selectors
from ..errors import Problem, SpecError
from ..paths import beside, regular
from . import rules
from .findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ..contracts import Cell
    from . import model

PARTS = ("question", "abstract", "related_work", "discussion")
OF_A_STATE = ("behaviour", "pruning", "tasks")
"""Levels of metrics that all formats of a pruned state share."""
OF_ANY = ("scan",)
SEEDS = ("id", "seed", "replicate")
"""What replicates differ in: a quote of all of them is their mean."""


@dataclass(frozen=True)
class Notes:
    """File and text by part of the paper, and the author's own references by key."""

    texts: dict[str, tuple[str, str]] = field(default_factory=dict)
    references: dict[str, bibliography.Fields] = field(default_factory=dict)


def read(wanted: model.Notes, folder: Path) -> tuple[tuple[Finding, ...], Notes]:
    """The files, and a finding for each that cannot be read. Raises SpecError for references with mistakes."""
    texts, missing = dict[str, tuple[str, str]](), []
    for part in (*PARTS, "references"):
        name = getattr(wanted, part)
        try:
            if name:
                texts[part] = (name, regular(beside(folder, name)).read_text(encoding="utf-8-sig"))
        except UnicodeDecodeError as problem:
            missing.append(Finding(("report", "notes", part), f"{name!r} is not UTF-8 (byte {problem.start})"))
        except OSError as problem:
            hint = f"looked for {folder / name}"
            missing.append(Finding(("report", "notes", part), f"{name!r} cannot be read: {problem.strerror}", hint))
    file, text = texts.pop("references", ("", ""))
    return tuple(missing), Notes(texts, bibliography.read(text, str(folder / file)) if file else {})


def check(spec: model.Spec, notes: Notes, folder: Path) -> None:
    """Raises SpecError with every problem of the first text that has any."""
    from ..planning import plan_cells

    cells = plan_cells(spec) if notes.texts else ()
    for file, text in notes.texts.values():
        found = tuple(problems(spec, cells, text, frozenset(notes.references)))
        if found:
            raise SpecError(*found, file=str(folder / file), text=text)


def problems(spec: model.Spec, cells: Sequence[Cell], text: str, own: frozenset[str]) -> Iterator[Problem]:
    known = own | bibliography.shipped().keys()
    for each in quotes.read(text):
        if isinstance(each, quotes.Quote):
            yield from unsound(spec, cells, each)
            continue
        for key in each.keys:
            if key not in known:
                close = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else "report.notes.references names a file of your own"
                yield Problem("", f"the key {key!r} is in no list of references", each.line, hint)


def unsound(spec: model.Spec, cells: Sequence[Cell], quote: quotes.Quote) -> Iterator[Problem]:
    """What keeps a quote from being one number of this study."""
    if quote.problem:
        yield quote.refused(f"the quote {quote.text!r} {quote.problem}", quotes.EXAMPLE)
        return
    families = rules.families()
    if quote.metric not in families and quote.metric not in rules.LEAF_CHECKS:
        hint = registry.suggest(quote.metric, (*families, *rules.LEAF_CHECKS))
        yield quote.refused(f"{quote.metric!r} is not a known quantity", hint)
        return
    family = families.get(quote.metric, "")
    if family and family not in spec.metrics.use:
        yield quote.refused(f"{quote.metric!r} will not be measured", f"add {family!r} to metrics.use")
    keys = rules.selectable(spec)
    unknown = [key for key in quote.options if key not in (*keys, *quotes.CONDITIONS)]
    for key in unknown:
        hint = registry.suggest(key, (*keys, *quotes.CONDITIONS))
        yield quote.refused(f"{key!r} is no property of a cell and no condition of a value", hint)
    if not unknown:
        yield from selection(spec, cells, quote, registry.get("metrics", family).LEVEL if family else "")


def selection(spec: model.Spec, cells: Sequence[Cell], quote: quotes.Quote, level: str) -> Iterator[Problem]:
    """Exactly one state must be meant, and one of its formats where the number depends on it."""
    formats = frozenset(rules.selectable(spec)) - set(selectors.KEYS)
    meant = [selectors.facts_of_cell(cell) for cell in cells if selectors.selects(cell, quote.where(formats))]
    if not meant:
        hint = "`sparsity-report plan` lists the cells"
        yield quote.refused(f"the quote {quote.text!r} selects no cell of this study", hint)
        return
    stored = {"format", *formats} if level in OF_A_STATE or quote.metric.startswith("sparsity") else set()
    differing = sorted(
        key
        for key in {key for facts in meant for key in facts} - {*SEEDS, *stored}
        if len({str(facts.get(key)) for facts in meant}) > 1
    )
    if differing and level not in OF_ANY:
        yield quote.refused(
            f"the quote {quote.text!r} means {len(meant)} cells, which differ in {', '.join(differing)}", "say which"
        )
