"""
Kinds of values in a spec: numbers as they were written, one where many are allowed, selections; and what a table is.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, WithJsonSchema

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$|^$"
"""What may name a folder, a cell or an anchor; empty means "not given"."""

Group = Literal["embedding", "attention_linear", "mlp_linear", "lm_head", "norm"]
Scope = Literal["global", "block", "layer", "row"]
"""`layer` is one matrix, `block` a decoder block."""


def as_tuple(value: object) -> object:
    """One value stands for a list of one; an array becomes a tuple."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def as_decimal(value: object) -> object:
    """A number as it was written: 0.3 is three tenths, so that counts do not depend on binary rounding."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return Decimal(str(value)) if number else value


def as_written(value: object) -> object:
    """Like `as_decimal`, but whole numbers stay whole."""
    return Decimal(str(value)) if isinstance(value, float) else value


def as_float(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value


class OneAllowed:
    """Tells the JSON Schema that one value may stand for an array of one."""

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        array = handler(core)
        return {"anyOf": [array["items"], array]}


T = TypeVar("T")
OneOrMany = Annotated[tuple[T, ...], Field(min_length=1), BeforeValidator(as_tuple), OneAllowed()]
Exact = Annotated[Decimal, BeforeValidator(as_decimal), WithJsonSchema({"type": "number"})]
Real = Annotated[FiniteFloat, BeforeValidator(as_float), WithJsonSchema({"type": "number"})]
Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]
Fact = Annotated[str | int | Decimal, BeforeValidator(as_written), WithJsonSchema({"type": ["string", "number"]})]
Condition = Annotated[str | int | float, BeforeValidator(as_float), WithJsonSchema({"type": ["string", "number"]})]

Selection = dict[str, Fact]
"""Which cells: each key as it is in `where`."""


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
