"""Values of targeted matrices by decoder block and by the matrix's name: how records of one value a matrix are read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .economy import remembered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..results.model import ModelRecord


@dataclass(frozen=True)
class Layout:
    """
    Where the targeted matrices are: block (-1 outside of the blocks), short name and weights of each, in order.

    `blocks` and `names` are the distinct ones, in the order of the model.
    """

    places: tuple[tuple[int, str], ...]
    numel: tuple[int, ...]

    @cached_property
    def blocks(self) -> tuple[int, ...]:
        return tuple(sorted({block for block, _ in self.places}))

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for _, name in self.places))

    def grid(self, values: Sequence[float | None]) -> dict[tuple[int, str], float | None]:
        return dict(zip(self.places, values, strict=True))

    def by_block(self, values: Sequence[float | None]) -> dict[int, float]:
        """Means over the weights of each block."""
        return {block: self._mean(values, [at == block for at, _ in self.places]) for block in self.blocks}

    def by_name(self, values: Sequence[float | None]) -> dict[str, float]:
        """Means over the weights of each name, all blocks together."""
        return {name: self._mean(values, [at == name for _, at in self.places]) for name in self.names}

    def mean(self, values: Sequence[float | None]) -> float:
        return self._mean(values, [True] * len(self.places))

    def _mean(self, values: Sequence[float | None], chosen: Sequence[bool]) -> float:
        known = [
            (value, weights)
            for value, weights, mine in zip(values, self.numel, chosen, strict=True)
            if mine and value is not None
        ]
        total = sum(weights for _, weights in known)
        return sum(value * weights for value, weights in known) / total if total else float("nan")


@remembered
def layout(model: ModelRecord) -> Layout | None:
    """The layout of a model's targeted matrices; None where they were not recorded."""
    if not model.targets or len(model.targets) != len(model.target_numel):
        return None
    known = [matrix.name for matrix in model.matrices]
    found = [_place(path, known) for path in model.targets]
    full = {name for _, name in found}
    short = {name: name.rsplit(".", 1)[-1].rsplit(":", 1)[-1] for name in full}
    if len(set(short.values())) < len(full):  # such as the experts of a mixture
        short = {name: name for name in full}
    return Layout(tuple((block, short[name]) for block, name in found), model.target_numel)


def _place(path: str, known: list[str]) -> tuple[int, str]:
    """Block and name of "model.decoder.layers.3.self_attn.q_proj": (3, "self_attn.q_proj")."""
    fits = [name for name in known if path == name or path.endswith(f".{name}")]
    name = max(fits, key=len, default=path)
    numbers = [part for part in path.removesuffix(name).split(".") if part.isdecimal()]
    return (int(numbers[-1]) if numbers else -1), name
