"""
What calibration remembers of the inputs of a linear map: sums over tokens, never the tokens themselves.

Shapes: T tokens of a batch, I in features. Sums are float32 whatever the model computes in.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from .. import onednn
from ..tasks import Statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from torch import Tensor, nn

    from ..models.blocks import BlockSource

PANEL = 256
"""Σxxᵀ is symmetric: only panels on and above the diagonal are computed, in strips of so many rows."""


class Accumulator:
    """The sums that are wanted (names of `tasks.STATISTICS`) of one input group, batch by batch."""

    def __init__(self, wanted: Collection[str]) -> None:
        self.wanted = frozenset(wanted)
        self.tokens = self.windows = 0
        self.sq_sum_I: Tensor | None = None
        self.sum_I: Tensor | None = None
        self.upper_II: Tensor | None = None

    def add(self, x: Tensor, windows: int) -> None:
        """The inputs of a batch of windows, (B, L, I) or flattened to (B·L, I) as OPT's MLP has them."""
        x_TI = x.reshape(-1, x.shape[-1]).float()
        self.tokens += len(x_TI)
        self.windows += windows
        if "gram" in self.wanted:
            self._add_gram(x_TI)
        if "sq_sum" in self.wanted:
            squares_I = x_TI.square().sum(0)
            self.sq_sum_I = squares_I if self.sq_sum_I is None else self.sq_sum_I + squares_I
        if "sum" in self.wanted:
            total_I = x_TI.sum(0)
            self.sum_I = total_I if self.sum_I is None else self.sum_I + total_I

    def _add_gram(self, x_TI: Tensor) -> None:
        cols = x_TI.shape[1]
        if self.upper_II is None:
            self.upper_II = x_TI.new_zeros(cols, cols)
        x_IT = x_TI.t().contiguous()
        for start in range(0, cols, PANEL):
            self.upper_II[start : start + PANEL, start:] += onednn.linear(x_IT[start : start + PANEL], x_IT[start:])

    def result(self) -> Statistics:
        """All sums; the Gram matrix is completed by symmetry."""
        gram = None if self.upper_II is None else self.upper_II.triu() + self.upper_II.triu(1).t()
        return Statistics(self.tokens, self.windows, self.sq_sum_I, self.sum_I, gram)


class _Enough(Exception):
    """The last input that was wanted has been seen: the rest of the block need not run."""


@torch.no_grad()
def observe(
    source: BlockSource,
    index: int,
    block: nn.Module,
    hidden: Sequence[Tensor],
    groups: Mapping[str, str],
    wanted: Collection[str],
    *,
    outputs_needed: bool = True,
) -> tuple[dict[str, Statistics], list[Tensor]]:
    """
    One forward of `block` in the place of block `index` over all batches of hidden states (B, L, D).

    `groups` names the input group of a module (by its path within the block) whose inputs are to be summed. Returns
    the statistics by input group, in the order in which the block uses them, and the block's outputs; where these are
    not needed, the block stops at the last input that is summed.
    """
    sums: dict[str, Accumulator] = {}
    outputs: list[Tensor] = []
    windows, last = 0, ""

    def hook(group: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def note(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            sums.setdefault(group, Accumulator(wanted)).add(args[0], windows)
            if group == last:
                raise _Enough

        return note

    handles = [block.get_submodule(path).register_forward_pre_hook(hook(group)) for path, group in groups.items()]
    try:
        for batch in hidden:
            windows = batch.shape[0]
            with contextlib.suppress(_Enough), onednn.Linears():
                outputs.append(source.run(index, block, batch))
            if sums and not outputs_needed:
                last = list(sums)[-1]
    finally:
        for handle in handles:
            handle.remove()
    return {group: each.result() for group, each in sums.items()}, outputs if outputs_needed else []
