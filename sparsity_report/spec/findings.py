"""What is wrong in a spec, in our own words: pydantic's errors by their type, never by their wording."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from ..registry import suggest
from .values import NAME

if TYPE_CHECKING:
    from pydantic import ValidationError

    from .locate import Loc


@dataclass(frozen=True)
class Finding:
    """One thing wrong at `loc`, the path of keys and indices from the top of the spec."""

    loc: Loc
    message: str
    hint: str = ""


EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "is_instance_of": "a number",  # the only class that the spec's shape names is Decimal
    "decimal_type": "a number",
    "decimal_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
    "literal_error": "{expected}",
}
"""Errors that say "must be this"; those of one place are joined by "or"."""

SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not a known key",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must fit the pattern {pattern}, got {got}",
    "too_short": "needs at least {min_length}",
    "too_long": "takes at most {max_length}",
    "greater_than_equal": "must be at least {ge}, got {got}",
    "greater_than": "must be more than {gt}, got {got}",
    "less_than_equal": "must be at most {le}, got {got}",
    "less_than": "must be less than {lt}, got {got}",
    "finite_number": "must be a finite number, got {got}",
    "value_error": "{error}",
}


def dotted(loc: Loc) -> str:
    """`("variant", 1, "params", "x.y")` as `variant[1].params."x.y"`; arrays count from 0."""
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            key = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"'
            path += f".{key}" if path else key
    return path


def written(value: object) -> str:
    """A value as TOML writes it; tables and arrays by their kind."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, int | float | Decimal):
        return str(value)
    return "a table" if isinstance(value, dict) else "an array" if isinstance(value, list | tuple) else str(value)


def in_the_text(loc: Loc, data: Any, *, missing: bool) -> Loc:
    """`loc` without the parts that only pydantic knows: tags of unions, and the index of a value that stands alone."""
    kept: list[str | int] = []
    for number, part in enumerate(loc, start=1):
        here = isinstance(data, dict) and part in data
        if here or (isinstance(data, list | tuple) and isinstance(part, int) and part < len(data)):
            kept.append(part)
            data = data[part]
        elif missing and number == len(loc) and isinstance(data, dict if isinstance(part, str) else list | tuple):
            kept.append(part)
    return tuple(kept)


def table_in(annotation: Any) -> type[BaseModel] | None:
    """The first model inside an annotation such as `tuple[Variant, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := table_in(part))), None)


def keys_at(model: type[BaseModel], loc: Loc) -> tuple[str, ...]:
    """The keys that the table at `loc` may have."""
    table: type[BaseModel] | None = model
    for part in loc:
        if table and isinstance(part, str) and part in table.model_fields:
            table = table_in(table.model_fields[part].annotation)
    return tuple(table.model_fields) if table else ()


def sentence(errors: list[Any]) -> str:
    """One sentence for all errors of one place; several of them are the branches of one choice."""
    wanted = [EXPECTED[each["type"]].format(**each.get("ctx", {})) for each in errors if each["type"] in EXPECTED]
    if len(wanted) == len(errors):
        return f"must be {' or '.join(dict.fromkeys(wanted))}, got {written(errors[0]['input'])}"
    error = next(each for each in errors if each["type"] not in EXPECTED)
    context, got = error.get("ctx", {}), written(error["input"])
    if context.get("pattern") == NAME:
        return f"may hold letters, digits, '.', '_' and '-', and begins with a letter or digit; got {got}"
    template = SENTENCES.get(error["type"])
    return template.format(got=got, **context) if template else str(error["msg"])


def hint(error: Any, loc: Loc, model: type[BaseModel]) -> str:
    if error["type"] == "extra_forbidden":
        keys = keys_at(model, loc[:-1])
        return suggest(str(loc[-1]), keys) if keys else "there is nothing to set here"
    if error["type"] == "tuple_type" and isinstance(error["input"], dict):
        return f"write [[{dotted(loc)}]]: there may be several"
    if error["type"] == "tuple_type":
        return f"write [{written(error['input'])}]"
    return ""


def is_shadow(error: Any) -> bool:
    """Pydantic also calls an array too short when all of its elements are wrong."""
    return bool(error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"])


def from_pydantic(error: ValidationError, data: Any, model: type[BaseModel], prefix: Loc = ()) -> tuple[Finding, ...]:
    """Findings for `data` that `model` refused, one for each place; `prefix` is where `data` stands in the spec."""
    places: dict[Loc, list[Any]] = {}
    for each in error.errors(include_url=False):
        if not is_shadow(each):
            places.setdefault(in_the_text(each["loc"], data, missing=each["type"] == "missing"), []).append(each)
    return tuple(
        Finding((*prefix, *loc), sentence(errors), hint(errors[0], loc, model)) for loc, errors in places.items()
    )
