"""
The walk of calibration and pruning: block by block, on inputs that the blocks before have made.

With `propagate = "pruned"` a block's inputs have gone through the already pruned blocks, as in the papers; with "dense"
through the blocks as they were. Only one block's activations exist at a time. The blocks of a state come from a
`BlockSource`, so that nothing here knows where weights live.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .. import onednn
from ..models.blocks import batches, shared_copy
from .statistics import Accumulator, observe
from .variant import with_weight

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from torch import Tensor, nn

    from ..models.anatomy import Matrix
    from ..models.blocks import BlockSource
    from ..tasks import Statistics
    from .state import ModelState

    Settle = Callable[[ModelState, Sequence[Matrix], dict[str, Statistics]], ModelState]
    """Prunes matrices, given the statistics of their input groups: the state with them pruned."""


AT_ONCE_BYTES = 2**30
"""Activations of one block, all windows together, up to which it is run once for all of them."""


def block_of(state: ModelState, source: BlockSource, index: int) -> nn.Module:
    """Block `index` with the state's weights."""
    path, block = source.path(index), shared_copy(source.block(index))
    changed = {matrix.module for matrix in state.targets if state.differs(matrix.shape.path)}
    for module in sorted(changed):
        if module.startswith(f"{path}."):
            name = module.removeprefix(f"{path}.")
            block.set_submodule(name, with_weight(block.get_submodule(name), state.module_weight_OI(module)))
    return block


def groups_of(matrices: Sequence[Matrix], inside: str) -> dict[str, str]:
    """One module to look at for each input group: its path within the block → the group."""
    first = {matrix.input_group: matrix.module for matrix in reversed(matrices)}
    return {module.removeprefix(f"{inside}."): group for group, module in first.items()}


def blocks_of(state: ModelState) -> dict[int, list[Matrix]]:
    """The targeted matrices by decoder block; −1 are those outside of the blocks."""
    found: dict[int, list[Matrix]] = {}
    for matrix in state.targets:
        found.setdefault(matrix.shape.block, []).append(matrix)
    return found


@torch.no_grad()
def statistics_of(
    state: ModelState, source: BlockSource, ids_NL: Tensor, wanted: Collection[str]
) -> Iterator[tuple[int, dict[str, Statistics]]]:
    """Statistics of the state as it is, one block at a time: (block, statistics by input group)."""
    hidden, targets = [source.embed(batch) for batch in batches(ids_NL)], blocks_of(state)
    for index in range(source.count):
        here = targets.get(index, [])
        groups = groups_of(here, source.path(index))
        found, hidden = observe(source, index, block_of(state, source, index), hidden, groups, wanted)
        if here:
            yield index, found
    if -1 in targets:
        yield -1, after_the_blocks(source, targets[-1], hidden, wanted)


def after_the_blocks(
    source: BlockSource, matrices: Sequence[Matrix], hidden: Sequence[Tensor], wanted: Collection[str]
) -> dict[str, Statistics]:
    """Statistics of what the head reads."""
    sums = Accumulator(wanted)
    for batch in hidden:
        sums.add(source.finish(batch), batch.shape[0])
    return {matrix.input_group: sums.result() for matrix in matrices}


@torch.no_grad()
def prune_by_walk(
    state: ModelState,
    source: BlockSource,
    ids_NL: Tensor,
    wanted: Collection[str],
    settle: Settle,
    *,
    propagate: str,
    in_order: bool,
) -> ModelState:
    """
    The state after `settle` has pruned every block's matrices, each on inputs that the blocks before it made.

    `in_order`: within a block, each input group is pruned on inputs that the groups before it made.
    """
    hidden, targets = [source.embed(batch) for batch in batches(ids_NL)], blocks_of(state)
    last = max(targets)
    for index in range(source.count):
        here = targets.get(index, [])
        groups, final = groups_of(here, source.path(index)), index == last and -1 not in targets
        block = block_of(state, source, index)
        if in_order and here and propagate == "pruned" and fits_at_once(hidden, here):
            state, hidden = prune_while_running(state, source, index, block, hidden, here, wanted, settle)
            if final:
                break
            continue
        needed = not here or (propagate == "dense" and not final)
        found, outputs = observe(source, index, block, hidden, groups, wanted, outputs_needed=needed)
        if in_order:
            state = settle_in_order(state, source, index, hidden, here, found, wanted, settle)
        elif here:
            state = settle(state, here, found)
        if final:
            break
        if propagate == "dense" or not here:
            hidden = outputs
        else:
            block = block_of(state, source, index)
            with onednn.Linears():
                hidden = [source.run(index, block, batch) for batch in hidden]
    if -1 in targets:
        state = settle(state, targets[-1], after_the_blocks(source, targets[-1], hidden, wanted))
    return state


def fits_at_once(hidden: Sequence[Tensor], matrices: Sequence[Matrix]) -> bool:
    """Whether a block's activations for all windows together are small enough to exist at one time."""
    tokens = sum(batch.shape[0] * batch.shape[1] for batch in hidden)
    return 4 * tokens * sum(matrix.shape.rows + matrix.shape.cols for matrix in matrices) <= AT_ONCE_BYTES


def prune_while_running(
    state: ModelState,
    source: BlockSource,
    index: int,
    block: nn.Module,
    hidden: Sequence[Tensor],
    matrices: Sequence[Matrix],
    wanted: Collection[str],
    settle: Settle,
) -> tuple[ModelState, list[Tensor]]:
    """
    One forward of all windows at once, in which each input group is pruned as soon as its inputs are there.

    What follows in the block runs on the pruned weights already, so that this one forward gives the statistics of
    every group and the pruned block's outputs (the walk in order with no forward to spare).
    """
    members: dict[str, list[Matrix]] = {}
    for matrix in matrices:
        members.setdefault(matrix.input_group, []).append(matrix)
    groups = {matrix.module.removeprefix(f"{source.path(index)}."): matrix.input_group for matrix in matrices}
    windows = torch.cat(list(hidden))

    def hook(group: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def prune_first(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            nonlocal state
            here = members.pop(group, [])
            if not here:
                return
            sums = Accumulator(wanted)
            sums.add(args[0], len(windows))
            state = settle(state, here, {group: sums.result()})
            for path in dict.fromkeys(matrix.module for matrix in here):
                layer = block.get_submodule(path.removeprefix(f"{source.path(index)}."))
                layer.weight = with_weight(layer, state.module_weight_OI(path)).weight

        return prune_first

    handles = [block.get_submodule(path).register_forward_pre_hook(hook(group)) for path, group in groups.items()]
    try:
        with onednn.Linears():
            outputs = source.run(index, block, windows)
    finally:
        for handle in handles:
            handle.remove()
    for group in list(members):  # never called: settled without statistics, as everywhere else
        state = settle(state, members[group], {})
    return state, list(torch.split(outputs, [len(batch) for batch in hidden]))


def settle_in_order(
    state: ModelState,
    source: BlockSource,
    index: int,
    hidden: Sequence[Tensor],
    matrices: Sequence[Matrix],
    found: dict[str, Statistics],
    wanted: Collection[str],
    settle: Settle,
) -> ModelState:
    """One input group after the other, in the order in which the block uses them; the first needs no new forward."""
    for position, group in enumerate(list(found)):
        here = [matrix for matrix in matrices if matrix.input_group == group]
        if position:
            block, groups = block_of(state, source, index), groups_of(here, source.path(index))
            found, _ = observe(source, index, block, hidden, groups, wanted, outputs_needed=False)
        state = settle(state, here, {group: found[group]})
    return state
