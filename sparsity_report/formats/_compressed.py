"""
What CSR, CSC and BSR have in common: for each line of a matrix, the places of what is kept, one line after the other.

A line is a row, a column or a row of blocks. Shapes: L lines, P places in a line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .. import contracts

if TYPE_CHECKING:
    from torch import Tensor

INT16_PLACES = 2**15
"""Places whose numbers fit into 16 bits; those of a longer line are stored in 32."""
BYTES = {"int16": 2, "int32": 4, "int64": 8}


class Params(contracts.Params):
    """`index`: the type of indices and pointers; with "int16", pointers and indices that do not fit have 32 bits."""

    index: Literal["int16", "int32", "int64"] = "int32"

    def index_type(self, places: int) -> str:
        return "int32" if self.index == "int16" and places > INT16_PLACES else self.index

    @property
    def pointer_type(self) -> str:
        return "int64" if self.index == "int64" else "int32"

    def index_bytes(self, lines: int, places: int, count: int) -> dict[str, int]:
        """Of `count` indices, and of the pointers to where each line begins and the last one ends."""
        return {
            "indices": count * BYTES[self.index_type(places)],
            "pointers": (lines + 1) * BYTES[self.pointer_type],
        }


def compressed(kept_LP: Tensor, params: Params) -> dict[str, Tensor]:
    """Indices and pointers of what is kept. Raises ValueError when 32-bit pointers cannot number it."""
    import torch

    count = int(kept_LP.count_nonzero())
    if params.pointer_type == "int32" and count >= 2**31:
        raise ValueError(f'{count} are too many for 32-bit pointers; use index = "int64"')
    lines, places = kept_LP.shape
    pointers = torch.zeros(lines + 1, dtype=getattr(torch, params.pointer_type), device=kept_LP.device)
    pointers[1:] = kept_LP.sum(1).cumsum(0)
    indices = kept_LP.nonzero()[:, 1].to(getattr(torch, params.index_type(places)))
    return {"indices": indices, "pointers": pointers}


def indices(tensors: dict[str, Tensor]) -> Tensor:
    """The indices as products take them: those of 16 bits in 32."""
    import torch

    stored = tensors["indices"]
    return stored.int() if stored.dtype == torch.int16 else stored


def lines_of(tensors: dict[str, Tensor]) -> Tensor:
    """The line of each index, (K,) int64."""
    import torch

    counts = tensors["pointers"].diff().long()
    return torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
