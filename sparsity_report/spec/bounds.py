"""
What no honest spec has, and a hostile or a broken one may: refused before anything else looks at it.

Text is what a person writes, numbers are what a machine computes with, and nothing is so large or so deep that reading
it takes long. Walks without recursion: depth is one of the things that are not trusted.
"""

from __future__ import annotations

import math
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..planning import needs_calibration
from .findings import Finding
from .model import QuantizeStep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .locate import Loc
    from .model import PruneStep, Spec

LARGEST_FILE = 2**20
"""Bytes; the longest that ships has 8 kB."""
DEEPEST = 20
LONGEST_ARRAY = 500
LONGEST_TEXT = 20_000
LARGEST_INTEGER = 2**53
"""What every program that reads the results as JSON knows exactly."""
MOST_DIGITS, LARGEST_EXPONENT = 40, 40
MOST_CELLS = 10_000
WHITE = "\n\t\r"


def findings(data: dict[str, Any]) -> tuple[Finding, ...]:
    """Everything out of bounds in plain data; of what is too deep or too long, the inside is not looked at."""
    return tuple(found(data))


def found(data: dict[str, Any]) -> Iterator[Finding]:
    waiting: list[tuple[Loc, Any]] = [((), data)]
    while waiting:
        loc, value = waiting.pop()
        if len(loc) > DEEPEST:
            yield Finding(loc[:DEEPEST], f"is nested deeper than {DEEPEST} levels")
        elif isinstance(value, dict):
            for key in value:
                if problem := of_text(key):
                    yield Finding(loc, f"the key {shortened(key)} {problem}")
            waiting += [((*loc, key), each) for key, each in value.items()]
        elif isinstance(value, list) and len(value) > LONGEST_ARRAY:
            yield Finding(loc, f"has {len(value)} elements; {LONGEST_ARRAY} are the most")
        elif isinstance(value, list):
            waiting += [((*loc, number), each) for number, each in enumerate(value)]
        elif problem := of_value(value):
            yield Finding(loc, problem)


def of_value(value: Any) -> str:
    """What is wrong with a single value, or nothing."""
    if isinstance(value, str):
        return of_text(value)
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        return "is larger than any number that is exact everywhere, 2^53"
    if isinstance(value, Decimal) and value.is_finite():
        _, digits, exponent = value.as_tuple()
        if len(digits) > MOST_DIGITS or abs(int(exponent)) > LARGEST_EXPONENT:
            return f"has more than {MOST_DIGITS} digits"
    return ""


def of_text(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        return f"has {len(text)} characters; {LONGEST_TEXT} are the most"
    control = next((each for each in text if unicodedata.category(each) in ("Cc", "Cs") and each not in WHITE), "")
    return f"holds the control character U+{ord(control):04X}" if control else ""


def shortened(key: str) -> str:
    return repr(key if len(key) <= 40 else f"{key[:40]}…")


def cells(spec: Spec) -> Iterator[Finding]:
    """Too many cells, counted from the lists' lengths alone: planning that many would be the trouble itself."""
    total = 0
    for number, variant in enumerate(spec.variant):
        points = math.prod(points_of(spec, step) for step in variant.steps)
        total += points * len(variant.format) * len(spec.model)
        if total > MOST_CELLS:
            yield Finding(("variant", number), f"the study has more than {MOST_CELLS} cells up to here")
            return


def points_of(spec: Spec, step: PruneStep | QuantizeStep) -> int:
    """How many stages a step can be at most."""
    if isinstance(step, QuantizeStep):
        return len(step.quantize) * math.prod(map(len, step.given.values()))
    per_method = len(step.pattern) * max(len(step.sparsity or ()), 1)
    return sum(per_method * looks(spec, step, method) for method in step.prune)


def looks(spec: Spec, step: PruneStep, method: str) -> int:
    """Calibration sets that the method is to see."""
    common, own = spec.data.calibration, step.calibration
    if common is None or not needs_calibration(method, step.allocation):
        return 1
    return math.prod(
        len((getattr(own, name) if own is not None else None) or getattr(common, name))
        for name in ("source", "windows", "seeds")
    )
