"""
Every method by loops over rows and columns, float64.

The optimal-brain-surgeon step is written in its textbook form, by explicit inverses of what is left of the Hessian:
no Cholesky factor, no block updates.
"""

from __future__ import annotations

import numpy as np


def keep_largest(scores, removals):
    """Keep mask of a flat list: the `removals` smallest go, the earlier of equal ones first."""
    order = sorted(range(len(scores)), key=lambda place: (scores[place], place))
    keep = np.ones(len(scores), dtype=bool)
    keep[order[:removals]] = False
    return keep


def groups_of(cols, kept, size):
    """(first, last + 1, kept) of every N:M group; a short last group keeps its share, rounded up."""
    for first in range(0, cols, size):
        last = min(first + size, cols)
        yield first, last, int(np.ceil(kept * (last - first) / size))


def wanda(weight, inputs):
    return np.array([[abs(value) * np.linalg.norm(inputs[:, j]) for j, value in enumerate(row)] for row in weight])


def ria(weight, inputs, a=0.5):
    score = np.zeros_like(weight)
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            column, row = np.abs(weight[:, j]).sum(), np.abs(weight[i]).sum()
            relative = (abs(weight[i, j]) / column if column else 0.0) + (abs(weight[i, j]) / row if row else 0.0)
            score[i, j] = relative * np.linalg.norm(inputs[:, j]) ** a
    return score


def wanda_alpha(score, count):
    """
    The variant's rule with α found as its authors find it, by bisection, as closely as the count needs it.

    Removes, in every row, smallest scores first while their sum stays within α times the row's sum.
    """

    def removed(alpha):
        gone = np.zeros(score.shape, dtype=bool)
        for i, row in enumerate(score):
            total = 0.0
            for j in np.argsort(row, kind="stable"):
                total += row[j]
                gone[i, j] = total <= alpha * row.sum()
        return gone

    low, high = 0.0, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if removed(middle).sum() <= count else (low, middle)
    return ~removed(low)


def sparsegpt(weight, hessian, *, percdamp, blocksize, count=None, pattern=None, reference=None):
    """
    Removes `count` weights (by running floors over blocks), N:M of `pattern`, or by the `<=` rule at `reference`.

    Returns (removed, weights, ½ Σ err²). The column's own part of the remaining inverse is [(H_F)⁻¹]_jj with F = j…I−1.
    """
    weight, hessian = weight.copy(), hessian.copy()
    rows, cols = weight.shape
    for j in range(cols):
        if hessian[j, j] == 0:
            hessian[j, j] = 1.0
            weight[:, j] = 0.0
    hessian += percdamp * np.mean(np.diag(hessian)) * np.eye(cols)
    remaining = [np.linalg.inv(hessian[j:, j:]) for j in range(cols)]
    own = np.array([inverse[0, 0] for inverse in remaining])
    gone = np.zeros((rows, cols), dtype=bool)
    loss = 0.0
    for j in range(cols):
        if pattern is not None:
            kept, size = pattern
            for first, last, here in groups_of(cols, kept, size):
                if first == j:
                    for i in range(rows):
                        score = weight[i, first:last] ** 2 / own[first:last]
                        gone[i, first:last] = ~keep_largest(list(score), last - first - here)
        elif j % blocksize == 0:
            last = min(j + blocksize, cols)
            score = (weight[:, j:last] ** 2 / own[j:last]).flatten()
            if reference is not None:
                block = score <= np.sort(score)[int(len(score) * reference)]
            else:
                block = ~keep_largest(list(score), count * last // cols - count * j // cols)
            gone[:, j:last] = block.reshape(rows, last - j)
        for i in range(rows):
            if gone[i, j]:
                step = weight[i, j] / remaining[j][0, 0]
                loss += 0.5 * weight[i, j] * step
                weight[i, j:] -= step * remaining[j][0]
                weight[i, j] = 0.0
    return gone, weight, loss


def dsnot(weight, windows, keep, *, max_cycle=50, threshold=0.1, power=1.0, pattern=None):
    """Swaps of one row after the other; `windows` is (N, L, I). Returns (keep, expected errors of the rows)."""
    tokens = windows.reshape(-1, windows.shape[2])
    expected = windows.sum(axis=1).mean(axis=0)
    variance, norm = tokens.var(axis=0), np.sqrt((tokens**2).mean(axis=0))
    keep, errors = keep.copy(), []
    for i, row in enumerate(weight):
        was_kept = keep[i].copy()
        error = sum(row[j] * expected[j] for j in range(len(row)) if not was_kept[j])
        for _ in range(max_cycle):
            sign = 1.0 if error >= 0 else -1.0
            grow = [j for j in range(len(row)) if not was_kept[j] and not keep[i, j]]
            if abs(error) <= threshold or not grow:
                break
            grown = max(grow, key=lambda j: sign * row[j] * expected[j] / variance[j] ** power)
            if pattern is None:
                lose = [j for j in range(len(row)) if was_kept[j] and keep[i, j] and sign * row[j] * expected[j] < 0]
            else:
                start = grown // pattern[1] * pattern[1]
                lose = [j for j in range(start, min(start + pattern[1], len(row))) if was_kept[j] and keep[i, j]]
            if not lose:
                break
            lost = min(lose, key=lambda j: abs(row[j]) * norm[j])
            after = error - row[grown] * expected[grown] + row[lost] * expected[lost]
            if abs(after) >= abs(error):
                break
            keep[i, grown], keep[i, lost], error = True, False, after
        errors.append(error)
    return keep, np.array(errors)
