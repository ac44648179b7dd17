"""
A model as a sequence of decoder blocks, run one at a time: what the walk of calibration and pruning reads from.

`BlockSource` is the contract; `ResidentBlocks` serves a model that is in memory. Nothing here knows an architecture:
the arguments of every block (rotary embeddings, attention masks, …) are those that the model itself passes, caught in
a forward whose blocks hand their input on. A model whose blocks do not compose to its own forward is refused.

Shapes: B windows, L tokens, D hidden.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from ..errors import SparsityReportError

if TYPE_CHECKING:
    from collections.abc import Callable

TOKENS_PER_FORWARD = 512
REPLAY_TOLERANCE = 1e-3
"""Largest difference, relative to the largest hidden value, between the blocks run one by one and the whole model."""


def shared_copy(module: nn.Module) -> nn.Module:
    """A copy of the module tree that owns no tensor: parameters and buffers are the original's."""
    import copy
    from itertools import chain

    memo = {id(tensor): tensor for tensor in chain(module.parameters(), module.buffers())}
    return copy.deepcopy(module, memo)


def batches(windows: Tensor) -> tuple[Tensor, ...]:
    """Windows (N, L, …) in the batches in which every model here runs them."""
    return torch.split(windows, max(1, TOKENS_PER_FORWARD // windows.shape[1]))


def head_path(model: nn.Module) -> str:
    """Where the output projection is. Raises SparsityReportError for a model without one."""
    head = model.get_output_embeddings()  # type: ignore[operator]  # nn.Module's attributes are untyped; transformers defines it
    for path, module in model.named_modules():
        if module is head:
            return str(path)
    raise SparsityReportError(f"{type(model).__name__} has no output projection: it is no causal language model")


def device_of(model: nn.Module) -> torch.device:
    """Where the model's first parameter is."""
    return next(model.parameters()).device


class HeadCapture(nn.Module):
    """Stands where the head was: keeps what the head would receive."""

    def forward(self, hidden: Tensor) -> Tensor:
        self.seen = hidden
        return hidden[..., :1]


def hidden_of(output: Any) -> Tensor:
    """A block's hidden states: blocks return them alone, or first in a tuple (older transformers)."""
    hidden: Tensor = output if isinstance(output, Tensor) else output[0]
    return hidden


class BlockSource(Protocol):
    """Decoder blocks by number, and the way into and out of them. `resident`: whether whole-model gradients exist."""

    count: int
    resident: bool

    def path(self, index: int) -> str:
        """Where block `index` is in the model."""

    def block(self, index: int) -> nn.Module:
        """The block with its own weights; not to be changed."""

    def embed(self, ids_BL: Tensor) -> Tensor:
        """(B, L, D): what the first block receives."""

    def run(self, index: int, block: nn.Module, hidden_BLD: Tensor) -> Tensor:
        """(B, L, D) after `block` has taken the place of block `index`."""

    def finish(self, hidden_BLD: Tensor) -> Tensor:
        """(B, L, D) as the head receives it: after everything that follows the last block."""


class ResidentBlocks:
    """The blocks of a model in memory. All windows have one length and no padding, so that arguments can be shared."""

    resident = True

    def __init__(self, model: nn.Module, blocks_path: str) -> None:
        self.model, self.blocks_path = model, blocks_path
        self.blocks: list[nn.Module] = list(model.get_submodule(blocks_path).children())
        self.count = len(self.blocks)
        self.arguments: dict[tuple[int, ...], list[tuple[tuple[Any, ...], dict[str, Any]]]] = {}
        """By shape of the hidden states: how the model calls each block, without the hidden states."""

    @cached_property
    @torch.no_grad()
    def in_tuples(self) -> bool:
        """Whether blocks return their hidden states in a tuple, as those of older transformers do."""
        seen: list[bool] = []
        body = shared_copy(self.model)
        first = next(iter(body.get_submodule(self.blocks_path).children()))
        first.register_forward_hook(lambda module, args, output: seen.append(not isinstance(output, Tensor)))
        body(input_ids=torch.zeros(1, 2, dtype=torch.int64, device=device_of(self.model)), use_cache=False)
        return seen[0]

    def path(self, index: int) -> str:
        return f"{self.blocks_path}.{index}"

    def block(self, index: int) -> nn.Module:
        return self.blocks[index]

    def embed(self, ids_BL: Tensor) -> Tensor:
        seen: list[Tensor] = []

        def keep(index: int, hidden: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
            if index == 0:
                seen.append(hidden)
            return hidden

        self._passing_on(keep, ids_BL)
        return seen[0]

    def run(self, index: int, block: nn.Module, hidden_BLD: Tensor) -> Tensor:
        args, kwargs = self._arguments(hidden_BLD)[index]
        return hidden_of(block(hidden_BLD, *args, **kwargs))

    def finish(self, hidden_BLD: Tensor) -> Tensor:
        def replace(index: int, hidden: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
            return hidden_BLD

        ids = torch.zeros(hidden_BLD.shape[:2], dtype=torch.int64, device=hidden_BLD.device)
        return self._passing_on(replace, ids)

    def check(self, ids_BL: Tensor) -> None:
        """
        Raises SparsityReportError when the blocks, run one by one, do not give the model's own final hidden states.

        The arguments come from another text than `ids_BL`: a model whose blocks are told more about the text than its
        hidden states is found out too.
        """
        own = self._whole(ids_BL)
        hidden = self.embed(ids_BL)
        for index in range(self.count):
            hidden = self.run(index, self.block(index), hidden)
        replayed = self.finish(hidden)
        scale = own.abs().max().clamp_min(1e-9)
        difference = float((own - replayed).abs().max() / scale)
        if torch.isfinite(own).all() and not difference <= REPLAY_TOLERANCE:
            raise SparsityReportError(
                f"{type(self.model).__name__} is more than its blocks one after the other (relative difference "
                f"{difference:.2g}): it cannot be calibrated block by block; methods without calibration work"
            )

    def _whole(self, ids_BL: Tensor) -> Tensor:
        """The model's own final hidden states."""
        body, capture = shared_copy(self.model), HeadCapture()
        body.set_submodule(head_path(self.model), capture)
        body(input_ids=ids_BL.to(device_of(self.model)), use_cache=False)
        return capture.seen

    def _passing_on(self, visit: Callable[..., Tensor], ids_BL: Tensor) -> Tensor:
        """A forward in which every block returns what `visit` makes of its input; gives what the head receives."""
        body, capture = shared_copy(self.model), HeadCapture()
        body.set_submodule(head_path(self.model), capture)
        for index, block in enumerate(body.get_submodule(self.blocks_path).children()):
            block.forward = self._stand_in(index, visit)
        body(input_ids=ids_BL.to(device_of(self.model)), use_cache=False)
        return capture.seen

    def _stand_in(self, index: int, visit: Callable[..., Tensor]) -> Callable[..., Any]:
        def forward(*args: Any, **kwargs: Any) -> Any:
            hidden = args[0] if args else kwargs.pop("hidden_states")
            given = visit(index, hidden, args[1:], kwargs)
            return (given,) if self.in_tuples else given

        return forward

    def _arguments(self, hidden_BLD: Tensor) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        """How the model calls its blocks for windows of this shape."""
        shape = tuple(hidden_BLD.shape[:2])
        if shape not in self.arguments:
            calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

            def note(index: int, hidden: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
                calls.append((args, kwargs))
                return hidden

            self._passing_on(note, torch.zeros(shape, dtype=torch.int64, device=hidden_BLD.device))
            self.arguments[shape] = calls
        return self.arguments[shape]
