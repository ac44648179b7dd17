"""
From scores to `keep_mask`: exact in count, ties by position.

Shapes: O out features, I in features. A keep_mask is True where the weight is kept. Lower scores are pruned first;
among equal scores the earlier position (matrix, then row, then column) is pruned first, so that a count never depends
on how many weights happen to be equal (half-precision weights have thousands of ties).
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from .contracts import Pattern


def prune_count(numel: int, sparsity: Decimal) -> int:
    """k = ⌊n·s⌋ in decimal arithmetic: 100 · 0.29 is 29, where binary floats say 28.999…"""
    return int((numel * sparsity).to_integral_value(ROUND_FLOOR))


def sortable(scores: Tensor) -> Tensor:
    """
    Float32 scores as int32 that sort the same way; −0.0 and 0.0 are equal.

    Raises ValueError on NaN, which has no rank.
    """
    values = scores.to(torch.float32) + 0.0  # −0.0 + 0.0 is +0.0
    if torch.isnan(values).any():
        raise ValueError("a pruning score is NaN: the weights or the calibration inputs are not finite")
    bits = values.contiguous().view(torch.int32)
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)


def prune_threshold(keys: Sequence[Tensor], count: int) -> tuple[int, int]:
    """
    The key of the `count`-th smallest of all `keys`, and how many of those equal to it are pruned.

    A two-pass radix selection: exact, in memory of one matrix at a time, for any number of weights
    (`torch.quantile` refuses more than 16 million, and sorting billions would need them all at once).
    """
    high = torch.zeros(1 << 16, dtype=torch.int64)
    for key in keys:
        high += torch.bincount((key.flatten() >> 16) + (1 << 15), minlength=1 << 16).cpu()
    prefix = int(torch.searchsorted(high.cumsum(0), count))
    below = int(high[:prefix].sum())
    low = torch.zeros(1 << 16, dtype=torch.int64)
    for key in keys:
        flat = key.flatten()
        members = flat[(flat >> 16) == prefix - (1 << 15)]
        low += torch.bincount(members & 0xFFFF, minlength=1 << 16).cpu()
    suffix = int(torch.searchsorted(low.cumsum(0), count - below))
    below += int(low[:suffix].sum())
    return ((prefix - (1 << 15)) << 16) | suffix, count - below


def smallest_masks(scores: Sequence[Tensor], count: int) -> list[Tensor]:
    """Keep masks that prune exactly the `count` smallest scores of all tensors together."""
    if count == 0:
        return [torch.ones_like(score, dtype=torch.bool) for score in scores]
    keys = [sortable(score) for score in scores]
    threshold, ties = prune_threshold(keys, count)
    masks = []
    for key in keys:
        pruned = key < threshold
        equal = key == threshold
        if ties:
            first = equal & (equal.flatten().cumsum(0).view_as(equal) <= ties)
            pruned |= first
            ties -= int(first.sum())
        masks.append(~pruned)
    return masks


def row_counts(rows: int, cols: int, sparsity: Decimal) -> Tensor:
    """Prunes per row, (O,): equal up to one, by largest remainder, so that their sum is exactly ⌊O·I·s⌋."""
    total = prune_count(rows * cols, sparsity)
    counts = torch.full((rows,), total // rows if rows else 0, dtype=torch.int64)
    counts[: total - int(counts.sum())] += 1
    return counts


def row_mask(score_OI: Tensor, sparsity: Decimal, compat: str = "exact") -> Tensor:
    """
    Weights of one output row compete with each other only (the comparison group of Wanda).

    `compat="reference"` prunes int(I·s) of each row in binary floats, as Wanda's authors do.
    """
    rows, cols = score_OI.shape
    if compat == "reference":
        return mask_by_row(score_OI, torch.full((rows,), int(cols * float(sparsity))))
    return mask_by_row(score_OI, row_counts(rows, cols, sparsity))


def mask_by_row(score_OI: Tensor, counts: Tensor) -> Tensor:
    """Keep mask that prunes the `counts[o]` smallest of each row."""
    order = sortable(score_OI).argsort(dim=1, stable=True)
    rank = torch.empty_like(order).scatter_(
        1, order, torch.arange(score_OI.shape[1], device=order.device).expand_as(order)
    )
    return rank >= counts[:, None].to(order.device)


def nm_mask(score_OI: Tensor, pattern: Pattern) -> Tensor:
    """
    N of every M consecutive in_features of each row are kept; N counts the kept.

    A tail group of r < M columns keeps ⌈N·r/M⌉, so that it is never sparser than the pattern.
    """
    rows, cols = score_OI.shape
    keys = sortable(score_OI)
    whole = cols // pattern.m * pattern.m
    parts = [(keys[:, :whole].reshape(rows, -1, pattern.m), pattern.n)]
    if cols > whole:
        tail = keys[:, whole:]
        parts.append((tail.reshape(rows, 1, -1), pattern.kept(cols - whole)))
    return torch.cat([_keep_largest(part, kept).reshape(rows, -1) for part, kept in parts], dim=1)


def _keep_largest(keys: Tensor, kept: int) -> Tensor:
    """Keep mask of the `kept` largest along the last dimension; of equal keys the earlier are pruned first."""
    pruned = keys.argsort(dim=-1, stable=True)[..., : keys.shape[-1] - kept]
    return torch.ones_like(keys, dtype=torch.bool).scatter_(-1, pruned, False)


def reference_masks(scores: Sequence[Tensor], sparsity: Decimal) -> list[Tensor]:
    """
    The papers' own rule: everything `<=` the sorted score at index ⌊n·s⌋ goes, ties included.

    Prunes at least one weight even at sparsity 0, and more than asked wherever scores are equal.
    """
    keys = [sortable(score) for score in scores]
    count = int(sum(key.numel() for key in keys) * float(sparsity))
    threshold, _ = prune_threshold(keys, count + 1)
    return [key > threshold for key in keys]


def keep_masks(
    scores: Sequence[Tensor], *, pattern: Pattern, scope: str = "layer", sparsity: Decimal | None = None, compat: str
) -> list[Tensor]:
    """
    One keep_mask per score matrix, (O, I) bool.

    `scope` is the comparison group: "global" (all matrices), "layer" (one matrix) or "row" (one output row).
    `compat="reference"` reproduces the papers' `<=` rule for "global" and "layer". Raises ValueError on NaN scores.
    """
    if pattern.is_nm:
        return [nm_mask(score, pattern) for score in scores]
    if sparsity is None:
        raise ValueError("unstructured pruning needs a sparsity")
    if scope == "row":
        return [row_mask(score, sparsity, compat) for score in scores]
    groups = [list(scores)] if scope == "global" else [[score] for score in scores]
    if compat == "reference":
        return [mask for group in groups for mask in reference_masks(group, sparsity)]
    counts = [prune_count(sum(score.numel() for score in group), sparsity) for group in groups]
    return [mask for group, count in zip(groups, counts, strict=True) for mask in smallest_masks(group, count)]
