"""The work of a variant at the points of the latency grid: what every forward must at least move and compute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from ..contracts import VALUE_BYTES
from ..hardware import roofline
from ..hardware.roofline import Weights
from ..models.anatomy import config_of
from ..models.attention import attention_shape
from .structure import executed_by_group
from .variant import model_bytes, stored_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..contracts import Pattern
    from ..hardware.roofline import Work
    from ..models.anatomy import Anatomy
    from ..results.model import Condition
    from .timing import Setting
    from .variant import Variant


@dataclass(frozen=True)
class Point:
    """A phase at one point of the grid."""

    phase: str
    conditions: dict[str, Condition]
    work: Work


@dataclass(frozen=True)
class Traffic:
    """What a variant holds, and its work at every point."""

    weight_bytes: int
    points: tuple[Point, ...]


def lookup_tables(model: nn.Module) -> list[nn.Embedding]:
    """Embeddings that are only looked up: one that is tied to the head is read whole by it."""
    head = model.get_output_embeddings()  # type: ignore[operator]  # transformers defines it
    tied = getattr(head, "weight", None)
    address = None if tied is None else tied.data_ptr()
    return [each for each in model.modules() if isinstance(each, nn.Embedding) and each.weight.data_ptr() != address]


def weights_of(anatomy: Anatomy, variant: Variant, entry: str, pattern: Pattern) -> Weights:
    """Bytes and products of the variant's weights."""
    tables, executed = lookup_tables(variant.model), executed_by_group(anatomy, variant)
    head = executed.pop("lm_head")
    heads = {matrix.module for matrix in anatomy.matrices if matrix.shape.group == "lm_head"}
    packed = entry == "nm" and (pattern.n, pattern.m) == (2, 4)
    return Weights(
        read=model_bytes(variant.model) - stored_bytes(*(each.weight for each in tables)),
        looked_up=sum(each.weight.shape[1] * each.weight.element_size() for each in tables),
        body=sum(executed.values()),
        head=head,
        body_2_4=sum(count for path, count in variant.executed.items() if path not in heads) if packed else 0,
    )


def traffic(
    anatomy: Anatomy, variant: Variant, entry: str, pattern: Pattern, dtype: str, settings: Iterable[Setting]
) -> Traffic:
    """Prefill and decode at every setting; a grid without decoding still has the first decoded token."""
    weights = weights_of(anatomy, variant, entry, pattern)
    shape, value = attention_shape(config_of(variant.model)), VALUE_BYTES[dtype]
    points = []
    for each in settings:
        at: dict[str, Condition] = {"batch": each.batch, "prompt": each.prompt}
        points.append(Point("prefill", at, roofline.prefill(weights, shape, each.batch, each.prompt, value)))
        for length in each.decode or (0,):
            contexts = range(each.prompt + 1, each.prompt + max(length, 1) + 1)
            work = roofline.decode(weights, shape, each.batch, contexts, value)
            points.append(Point("decode", {**at, "decode": length}, work))
    return Traffic(model_bytes(variant.model), tuple(points))
