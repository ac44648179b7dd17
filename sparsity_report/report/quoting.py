"""
The author's text with its quotes written out from the results, as numbers are written in tables.

A number that this run does not have, because its cell failed or was left out, is said to be missing, in the text and
by an alert: a long run is not lost for it. A quote that means no number or several is a mistake of the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import bibliography, quotes, selectors
from ..errors import Problem, SpecError
from ..results.model import Alert
from ..results.observation import observations, over_dense, pick, ratio
from . import markup, names, numbers, replicates
from .markdown import to_html

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markupsafe import Markup

    from ..results.model import CellRecord, Measurement, NoteRecord, Results
    from ..results.observation import Observation

SHARES = ("sparsity", "agreement", "task_", "parameter_fraction", "pruned_fraction", "time_share", "python_share")
"""How the names of fractions begin that are written in per cent."""
FACTORS = ("_speedup", "_gain", "_ratio", "_limit")
MISSING = "no number"
FEW_DECIMALS = 3


class _Wrong(Exception):
    """The quote means no number, or several."""


class _Missing(Exception):
    """The quote means a number that this run does not have."""


def shown(measurement: Measurement, interval: bool) -> str:
    """The value with its unit, and with its 95 % interval if asked for: "61.4 %", "12.30 MiB", "4.1 ms [4.0, 4.2]"."""
    value, unit, metric = measurement.value, measurement.unit, measurement.metric
    if value is None:
        return "not finite"
    if unit == "B":
        return numbers.mebibytes(value)
    if metric.startswith(SHARES) and measurement.kind == "counted":
        return numbers.percent(value)
    if unit in ("FLOP", "1") and float(value).is_integer() and measurement.kind == "counted":
        return numbers.count(value)
    scale, word, fallback = 1.0, "" if unit == "1" else unit, FEW_DECIMALS if unit else 2
    if metric.startswith(SHARES):
        scale, word, fallback = 100.0, "%", 1
    elif unit == "s" and metric.endswith("latency_s"):
        scale, word = 1e3, "ms"
    elif metric.startswith("perplexity"):
        fallback = 2
    places = numbers.decimals_for(measurement, scale, fallback)
    text = numbers.number(value * scale, places)
    if metric.endswith(FACTORS):
        text += "×"
    if word:
        text += f"{numbers.NBSP}{word}"
    return f"{text} {numbers.interval(measurement, scale, places)}".rstrip() if interval else text


def to_dense(seen: Observation, interval: bool) -> str:
    bounds = f" [{numbers.number(seen.low, 2)}, {numbers.number(seen.high, 2)}]"
    return numbers.times(seen.value) + (bounds if interval and seen.low != seen.high else "")


def cells_meant(results: Results, quote: quotes.Quote) -> list[CellRecord]:
    """Replicates as one cell, unless one of them is asked for."""
    single = {"seed", "replicate"} & quote.options.keys()
    every = replicates.runs(results) if single else replicates.pooled(results).cells
    where = quote.where(format_keys(results))
    return [cell for cell in every if selectors.selects_record(cell, where)]


def format_keys(results: Results) -> frozenset[str]:
    return frozenset(key for cell in results.cells for key in cell.variant.format.params)


def number(results: Results, quote: quotes.Quote) -> str:
    """What a quote stands for. Raises _Missing, _Wrong."""
    if quote.problem:
        raise _Wrong(quote.problem)
    found = cells_meant(results, quote)
    if not found:
        raise _Missing("no cell of this run fits")
    lost = [cell for cell in found if cell.status in ("failed", "not_executed")]
    known = [cell for cell in found if cell not in lost]
    if not known:
        reason = f": {lost[0].reason}" if lost[0].reason else ""
        raise _Missing(
            f"the cell {lost[0].id} {'failed' if lost[0].status == 'failed' else 'was not executed'}{reason}"
        )
    texts = {_of_cell(results, cell, quote): cell.id for cell in known}
    if len(texts) > 1:
        raise _Wrong(f"is {len(texts)} numbers, of {names.listing(list(texts.values()))}: say which")
    return next(iter(texts))


def _of_cell(results: Results, cell: CellRecord, quote: quotes.Quote) -> str:
    conditions = quote.conditions(format_keys(results))
    if quote.relative:
        return to_dense(_ratio(results, cell, quote, conditions), quote.interval)
    seen = pick(cell, quote.metric, conditions)
    if isinstance(seen, str):
        raise (_Missing if cell.status != "ok" and "values of" not in seen else _Wrong)(seen)
    return shown(seen, quote.interval)


def _ratio(
    results: Results, cell: CellRecord, quote: quotes.Quote, conditions: dict[str, str | int | float]
) -> Observation:
    dense = results.reference(cell.variant.model)
    seen = over_dense(cell, quote.metric, conditions)
    if seen is None:
        if dense is None or dense.status != "ok":
            raise _Missing("the dense cell has no numbers")
        pair = (observations(each, quote.metric, conditions) for each in (cell, dense))
        [ours], [theirs] = pair
        seen = ratio(ours, theirs, quote.metric, "")
    if seen.missing:
        raise (_Missing if cell.status != "ok" or "not finite" in seen.missing else _Wrong)(seen.missing)
    return seen


def _problems(results: Results, note: NoteRecord) -> Iterator[tuple[quotes.Quote, Exception]]:
    for each in quotes.read(note.text):
        if isinstance(each, quotes.Quote):
            try:
                number(results, each)
            except (_Missing, _Wrong) as problem:
                yield each, problem


def check(results: Results, note: NoteRecord) -> None:
    """Raises SpecError for every quote and key that is a mistake of the text."""
    known = results.study.references.keys() | bibliography.shipped().keys()
    wrong = [
        each.refused(f"the quote {each.text!r} is not one number: {problem}")
        for each, problem in _problems(results, note)
        if isinstance(problem, _Wrong)
    ]
    wrong += [
        Problem("", f"the key {key!r} is in no list of references", each.line)
        for each in quotes.read(note.text)
        if isinstance(each, quotes.Citation)
        for key in each.keys
        if key not in known
    ]
    if wrong:
        raise SpecError(*wrong, file=note.file, text=note.text)


def html(results: Results, part: str) -> Markup | None:
    """A part of the author's text as safe HTML with marks; None where there is none. Raises SpecError."""
    note = results.study.note(part)
    if note is None:
        return None
    check(results, note)

    def write(quote: quotes.Quote) -> str:
        try:
            return markup.quoted(number(results, quote))
        except _Missing:
            return markup.quoted(MISSING)

    own = markup.plain(note.text)
    return to_html(quotes.replaced(own, write, lambda each: markup.cite(*each.keys).lstrip()))


def alerts(results: Results) -> tuple[Alert, ...]:
    """One for each quoted number that this run does not have."""
    return tuple(
        Alert(
            text=f"{note.file}, line {each.line}, quotes a number that this run does not have ({each.text}): {problem}."
        )
        for note in results.study.notes
        for each, problem in _problems(results, note)
        if isinstance(problem, _Missing)
    )
