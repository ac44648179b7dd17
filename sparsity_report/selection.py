"""
From scores to `keep_mask`: exact in count, ties by position.

Shapes: O out features, I in features. A keep_mask is True where the weight is kept. Lower scores are pruned first;
among equal scores the earlier position (matrix, then row, then column) is pruned first, so that a count never depends
on how many weights happen to be equal (half-precision weights have thousands of ties).
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from torch import Tensor

    from .contracts import Pattern


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


def prune_threshold(keys: Sequence[Tensor], count: int, sizes: Sequence[Tensor] | None = None) -> tuple[int, int]:
    """
    The key at which the smallest of all `keys` reach `count` weights, and how many weights equal ones may still give.

    A key stands for one weight, or for as many as `sizes` says. A two-pass radix selection: exact, in memory of one
    matrix at a time, for any number of weights (`torch.quantile` refuses more than 16 million, and sorting billions
    would need them all at once).
    """
    flat_sizes = [None] * len(keys) if sizes is None else [size.flatten() for size in sizes]
    high = torch.zeros(1 << 16, dtype=torch.int64)
    for key, size in zip(keys, flat_sizes, strict=True):
        high += torch.bincount((key.flatten() >> 16) + (1 << 15), size, minlength=1 << 16).long().cpu()
    prefix = int(torch.searchsorted(high.cumsum(0), count))
    below = int(high[:prefix].sum())
    low = torch.zeros(1 << 16, dtype=torch.int64)
    for key, size in zip(keys, flat_sizes, strict=True):
        flat = key.flatten()
        inside = (flat >> 16) == prefix - (1 << 15)
        members = None if size is None else size[inside]
        low += torch.bincount(flat[inside] & 0xFFFF, members, minlength=1 << 16).long().cpu()
    suffix = int(torch.searchsorted(low.cumsum(0), count - below))
    below += int(low[:suffix].sum())
    return ((prefix - (1 << 15)) << 16) | suffix, count - below


def smallest_masks(scores: Sequence[Tensor], count: int, sizes: Sequence[Tensor] | None = None) -> list[Tensor]:
    """
    Keep masks that prune exactly the `count` smallest scores of all tensors together.

    With `sizes`, the weights that each score stands for: the smallest scores, in order, as long as at most `count`
    weights go with them.
    """
    if count == 0:
        return [torch.ones_like(score, dtype=torch.bool) for score in scores]
    keys = [sortable(score) for score in scores]
    threshold, left = prune_threshold(keys, count, sizes)
    masks = []
    for number, key in enumerate(keys):
        pruned = key < threshold
        equal = key == threshold
        if left:
            weights = equal if sizes is None else equal * sizes[number]
            first = equal & (weights.flatten().cumsum(0).view_as(equal) <= left)
            pruned |= first
            left = left - int(weights[first].sum()) if torch.equal(first, equal) else 0
        masks.append(~pruned)
    return masks


def row_counts(rows: int, count: int) -> Tensor:
    """Prunes per row, (O,): equal up to one, the first rows one more, so that their sum is exactly `count`."""
    counts = torch.full((rows,), count // rows if rows else 0, dtype=torch.int64)
    counts[: count - int(counts.sum())] += 1
    return counts


def mask_by_row(score_OI: Tensor, counts: Tensor) -> Tensor:
    """Keep mask that prunes the `counts[o]` smallest of each row."""
    keys, counts = sortable(score_OI), counts.to(score_OI.device)
    below = keys.new_full((keys.shape[0], 1), torch.iinfo(keys.dtype).min)
    threshold = torch.cat([below, sorted_rows(keys)], 1).gather(1, counts[:, None])
    pruned, equal = keys < threshold, keys == threshold
    left = counts - pruned.sum(1)
    return ~(pruned | (equal & (equal.cumsum(1) <= left[:, None])))


def sorted_rows(keys: Tensor) -> Tensor:
    """Each row in ascending order; NumPy sorts integers several times faster than PyTorch does on a CPU."""
    return torch.from_numpy(np.sort(keys.numpy(), axis=1)) if keys.device.type == "cpu" else keys.sort(dim=1).values


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


def unit_shape(score_OI: Tensor, pattern: Pattern) -> tuple[int, int]:
    """Rows and columns of a unit of this matrix."""
    rows, cols = score_OI.shape
    return {"row": (1, cols), "column": (rows, 1)}.get(pattern.unit, (pattern.height, pattern.width))


def tiles(score_OI: Tensor, pattern: Pattern) -> tuple[Tensor, Tensor]:
    """
    Score and number of weights of every unit, (units down, units across) each.

    A unit's score is the root of the mean of its weights' squared scores. For |W|·‖x‖ the squares add up to the output
    error that removing the unit would cause if its weights acted alone; their mean is that error per weight removed. A
    sum would remove the smaller tiles at the edge, and the shorter rows of another matrix, only because they are small.
    In float64, where squares neither overflow nor vanish.
    """
    (rows, cols), (height, width) = score_OI.shape, unit_shape(score_OI, pattern)
    padding = (0, -cols % width, 0, -rows % height)
    padded = torch.nn.functional.pad(score_OI.double().square(), padding)
    total = padded.view(padded.shape[0] // height, height, padded.shape[1] // width, width).sum((1, 3))
    heights, widths = (
        torch.tensor([min(unit, side - start) for start in range(0, side, unit)], device=score_OI.device)
        for side, unit in ((rows, height), (cols, width))
    )
    size = heights[:, None] * widths
    return (total / size).sqrt().float(), size


def unit_masks(
    scores: Sequence[Tensor], pattern: Pattern, scope: str, counts: Sequence[int], total: int
) -> list[Tensor]:
    """Keep masks (O, I) that remove whole rows, columns or tiles: in each comparison group within one of its count."""
    found = [tiles(score, pattern) for score in scores]
    if scope == "global":
        units = smallest_masks([score for score, _ in found], total, [size for _, size in found])
    elif scope == "row":
        units = [banded(score, size, count) for (score, size), count in zip(found, counts, strict=True)]
    else:
        units = [smallest_masks([score], count, [size])[0] for (score, size), count in zip(found, counts, strict=True)]
    return [spread_out(unit, score, pattern) for unit, score in zip(units, scores, strict=True)]


def banded(score: Tensor, size: Tensor, count: int) -> Tensor:
    """
    Keep mask of units (bands, units across) that compete within their band of rows only.

    Bands share `count` by their size. What a band cannot give in whole units is asked of the next one, so that the
    matrix ends within one unit of `count`.
    """
    order = sortable(score).argsort(dim=1, stable=True)
    removed = size.gather(1, order).cumsum(1).tolist()
    until = (count * size.sum(1).cumsum(0) // size.sum()).tolist()
    gone, numbers = 0, []
    for band, share in zip(removed, until, strict=True):
        numbers.append(bisect.bisect_right(band, share - gone))
        gone += band[numbers[-1] - 1] if numbers[-1] else 0
    return mask_by_row(score, torch.tensor(numbers))


def spread_out(units: Tensor, score_OI: Tensor, pattern: Pattern) -> Tensor:
    """From units to weights, (O, I)."""
    rows, cols = score_OI.shape
    height, width = unit_shape(score_OI, pattern)
    return units.repeat_interleave(height, 0)[:rows].repeat_interleave(width, 1)[:, :cols].contiguous()


def keep_masks(
    scores: Sequence[Tensor],
    *,
    pattern: Pattern,
    scope: str,
    counts: Sequence[int],
    sparsity: Decimal | None,
    compat: str,
    total: int | None = None,
) -> list[Tensor]:
    """
    One keep_mask per score matrix, (O, I) bool.

    `scope` is the comparison group: "global" (all given matrices, of which `total` weights go: the sum of `counts`
    unless another is given), "layer" (one matrix, of which its count goes) or "row" (one output row, or one band of
    tiles: they share their matrix's count). N:M needs none of these. `compat="reference"` reproduces the papers' own
    rules for single weights, from the `sparsity`. Raises ValueError on NaN scores.
    """
    if pattern.is_nm:
        return [nm_mask(score, pattern) for score in scores]
    total = sum(counts) if total is None else total
    if pattern.unit:
        return unit_masks(scores, pattern, scope, counts, total)
    if compat == "reference":
        return reference(scores, scope, sparsity)
    if scope == "global":
        return smallest_masks(scores, total)
    if scope == "row":
        return [mask_by_row(score, row_counts(len(score), k)) for score, k in zip(scores, counts, strict=True)]
    return [smallest_masks([score], count)[0] for score, count in zip(scores, counts, strict=True)]


def reference(scores: Sequence[Tensor], scope: str, sparsity: Decimal | None) -> list[Tensor]:
    """The papers' own rules: `<=` a threshold of all or of each, or int(I·s) of every row, as Wanda's authors do."""
    if sparsity is None:
        raise ValueError("the reference rule counts from a sparsity")
    if scope == "row":
        return [mask_by_row(each, torch.full((len(each),), int(each.shape[1] * float(sparsity)))) for each in scores]
    groups = [list(scores)] if scope == "global" else [[score] for score in scores]
    return [keep_mask for group in groups for keep_mask in reference_masks(group, sparsity)]
