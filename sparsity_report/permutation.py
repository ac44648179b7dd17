"""
Channel permutation for N:M: an order of in_features in which the groups of M lose less (Pool & Yu, "Channel
Permutations for N:M Sparsity", NeurIPS 2021).

As RIA does it (Zhang et al., ICLR 2024, section 4): columns are dealt over the groups by their total score; then, again
and again, one column of every group is taken out and all of them are put back where they add most, which is a linear
sum assignment.

Shapes: O out features, I in features, G groups of M in_features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from torch import Tensor

    from .contracts import Pattern

ROUNDS = 2
"""Times that every place of a group is reassigned; six more gained less than a thousandth of the score."""


def find(score_OI: Tensor, pattern: Pattern) -> Tensor:
    """
    (I,) int64: the column that stands at each place. Deterministic, and never worse than leaving the columns alone.

    A tail of fewer than M columns stays where it is. Raises ValueError on scores that are not finite.
    """
    score_OI = score_OI.float()
    if not torch.isfinite(score_OI).all():
        raise ValueError("a pruning score is not finite: no order of in_features can be found by it")
    identity = torch.arange(score_OI.shape[1], device=score_OI.device)
    whole = len(identity) // pattern.m * pattern.m
    if whole <= pattern.m:
        return identity
    plain = identity[:whole].view(-1, pattern.m)
    order = better(score_OI, plain, dealt(score_OI[:, :whole], pattern.m), pattern)
    for place in [*range(pattern.m)] * ROUNDS:
        order = reassigned(score_OI, order, place, pattern)
    return torch.cat([better(score_OI, plain, order, pattern).flatten(), identity[whole:]])


def retained(score_OI: Tensor, pattern: Pattern) -> float:
    """The sum of the scores that N:M keeps, as its columns stand."""
    rows, cols = score_OI.shape
    whole = cols // pattern.m * pattern.m
    groups, tail = score_OI[:, :whole].reshape(rows, -1, pattern.m), score_OI[:, whole:]
    kept = (groups.topk(pattern.n).values, tail.topk(pattern.kept(cols - whole)).values)
    return sum(float(each.sum(dtype=torch.float64)) for each in kept)


def better(score_OI: Tensor, first_GM: Tensor, second_GM: Tensor, pattern: Pattern) -> Tensor:
    """The order that retains more; the first where both retain the same."""
    return max(first_GM, second_GM, key=lambda order_GM: retained(score_OI[:, order_GM.flatten()], pattern))


def dealt(score_OI: Tensor, group: int) -> Tensor:
    """(G, M): columns by falling total score, dealt round: every group gets one of the best, one of the next best …"""
    return score_OI.sum(0).argsort(descending=True, stable=True).view(group, -1).t()


def reassigned(score_OI: Tensor, order_GM: Tensor, place: int, pattern: Pattern) -> Tensor:
    """
    The order after the columns at one place of all groups have been assigned anew.

    With t the N-th largest score that stays in a group's row, a column of score s adds max(0, s − t) there.
    """
    others = torch.arange(order_GM.shape[1], device=order_GM.device) != place
    taken_GO = score_OI[:, order_GM[:, place]].t().contiguous()
    rest = score_OI[:, order_GM[:, others].flatten()].view(len(score_OI), len(order_GM), -1)
    threshold_GO = rest.topk(pattern.n, dim=-1).values[..., -1].t().contiguous()
    added_GG = torch.stack([(taken_O - threshold_GO).clamp_(min=0).sum(1) for taken_O in taken_GO])
    column, group = map(torch.from_numpy, linear_sum_assignment(added_GG.cpu().numpy(), maximize=True))
    order_GM = order_GM.clone()
    order_GM[group, place] = order_GM[column, place]
    return order_GM
