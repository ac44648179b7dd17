"""
The sensitivity scan: prune one decoder block at a time, and see how much worse the model predicts.

Block b is pruned on the hidden states that the dense blocks before it made, and the dense blocks after it run on: about
half a forward for each block and sparsity. Where that would cost more than 40 forwards, every second, third, … block is
scanned.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from .. import registry
from ..contracts import Pattern
from ..counting import matrix_counts
from ..models.blocks import batches, device_of, head_path
from ..results.model import SensitivityRecord
from ..results.stats import bootstrap_mean
from ..selection import keep_masks
from ..tasks import Task
from .behaviour import TOKENS_AT_ONCE, apply_head
from .walk import block_of, blocks_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from torch import Tensor

    from ..models.anatomy import Matrix
    from ..models.blocks import BlockSource
    from .state import ModelState

TOKENS = 2048
FORWARDS = 40
"""At most so many forwards of the whole model over the tokens."""


def windows_of(ids_NL: Tensor) -> Tensor:
    """The first windows, of at most `TOKENS` tokens together; a longer window is cut."""
    count = max(1, TOKENS // ids_NL.shape[1])
    return ids_NL[:count, :TOKENS]


def head_share(state: ModelState) -> float:
    """The output projection's share of the weights that a forward multiplies."""
    head = sum(each.shape.numel for each in state.anatomy.matrices if each.shape.group == "lm_head")
    return head / sum(each.shape.numel for each in state.anatomy.matrices)


def cost(blocks: Sequence[int], count: int, sparsities: int, head: float) -> float:
    """Forward-equivalents: dense once, and for each block and sparsity the rest of the blocks and the head."""
    return 1 + sparsities * sum((count - block) / count * (1 - head) + head for block in blocks)


def scanned(blocks: Sequence[int], count: int, sparsities: int, head: float) -> tuple[int, ...]:
    """The blocks to scan: all, or evenly spaced ones within the budget; the first and the last are always there."""
    for step in range(1, len(blocks) + 1):
        chosen = tuple(sorted({*blocks[::step], blocks[-1]}))
        if cost(chosen, count, sparsities, head) <= FORWARDS:
            return chosen
    return (blocks[0], blocks[-1])


def pruned_alone(state: ModelState, matrices: Sequence[Matrix], method: str, sparsity: Decimal) -> ModelState:
    """The state with only these matrices pruned, each by itself, by a method that needs no data."""
    module, pattern = registry.need("methods", method), Pattern()
    counts = matrix_counts([matrix.shape for matrix in matrices], pattern, sparsity)
    scores = [
        module.score(
            state.weight_OI(matrix), Task(matrix.shape.path, pattern, counts[matrix.shape.path]), module.Params()
        )
        for matrix in matrices
    ]
    masks = keep_masks(
        scores,
        pattern=pattern,
        scope="layer",
        counts=[counts[matrix.shape.path] for matrix in matrices],
        sparsity=sparsity,
        compat="exact",
    )
    paths = [matrix.shape.path for matrix in matrices]
    return type(state)(state.model, state.anatomy, state.targets, pattern, dict(zip(paths, masks, strict=True)))


def nll(state: ModelState, source: BlockSource, hidden: Sequence[Tensor], ids: Sequence[Tensor]) -> Tensor:
    """Mean negative log-likelihood of the next token in each window, nats, from what the last block gave. (N,)"""
    head = state.model.get_submodule(head_path(state.model))
    windows = []
    for batch, tokens_BL in zip(hidden, ids, strict=True):
        predicted_TD = source.finish(batch)[:, :-1].flatten(0, 1)
        target_T = tokens_BL[:, 1:].flatten()
        losses = []
        for start in range(0, len(target_T), TOKENS_AT_ONCE):
            here = slice(start, start + TOKENS_AT_ONCE)
            logits_TV = apply_head(head, predicted_TD[here], state.model.config)
            losses.append(torch.nn.functional.cross_entropy(logits_TV, target_T[here], reduction="none").double())
        windows.append(torch.cat(losses).view(len(tokens_BL), -1).mean(dim=1).cpu())
    return torch.cat(windows)


@torch.no_grad()
def scan(
    dense: ModelState,
    source: BlockSource,
    ids_NL: Tensor,
    *,
    model: str,
    method: str,
    sparsities: Sequence[Decimal],
) -> SensitivityRecord:
    """The increase over dense for every scanned block and sparsity, nats per predicted token, window by window."""
    ids = [batch.to(device_of(dense.model)) for batch in batches(windows_of(ids_NL))]
    hidden, targets = [source.embed(batch) for batch in ids], blocks_of(dense)
    share = head_share(dense)
    chosen = scanned(sorted(block for block in targets if block >= 0), source.count, len(sparsities), share)
    rows: list[list[Tensor]] = []
    for index in range(source.count):
        if index in chosen:
            found = []
            for sparsity in sparsities:
                block = block_of(pruned_alone(dense, targets[index], method, sparsity), source, index)
                after = [source.run(index, block, batch) for batch in hidden]
                for later in range(index + 1, source.count):
                    after = [source.run(later, source.block(later), batch) for batch in after]
                found.append(nll(dense, source, after, ids))
            rows.append(found)
        hidden = [source.run(index, source.block(index), batch) for batch in hidden]
    base_N = nll(dense, source, hidden, ids)
    found_rows = [[bootstrap_mean((each_N - base_N).numpy()) for each_N in row] for row in rows]
    return SensitivityRecord(
        model=model,
        method=method,
        sparsity=tuple(map(float, sparsities)),
        blocks=chosen,
        nll_increase=tuple(tuple(each if math.isfinite(each) else None for each, _ in row) for row in found_rows),
        nll_increase_ci=tuple(tuple(ci for _, ci in row) for row in found_rows),
        tokens=sum(batch.numel() for batch in ids),
        forward_equivalents=round(cost(chosen, source.count, len(sparsities), share), 2),
    )
