"""
Dynamic sparse no training: swap removed and kept weights until a row's expected output is right again (Zhang et al.,
ICLR 2024).

Of an output row, e = Σ_removed W_j·E[x_j] is what pruning takes from the expected output. Each cycle grows back one
removed weight and removes a kept one, so that |e| falls; weights keep their values. What grows has the largest
sign(e)·W_j·E[x_j] / Var(x_j)^p; what goes has the smallest |W_j|·‖x_j‖₂ among those that pull the other way,
W_j·E[x_j]·sign(e) < 0. With N:M it is the smallest of the grown weight's group, so that every group keeps its count.

Where the authors' code and this one differ: Var(x_j) is that of all tokens together, E[x²] − E[x]², with the part
between batches that pooling the batches' own variances leaves out; a swap that would not lower |e| is not made, whereas
the authors ask that e keeps its sign; and with N:M what goes is ranked by |W_j|·‖x_j‖₂ whatever made the first mask. In
both, the first swap that is refused ends its row.

Shapes: O out features, I in features, C cycles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ..contracts import Info
from ..contracts import Params as Base

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ..contracts import Pattern
    from ..tasks import Outcome, Statistics, Task

INFO = Info(
    name="dsnot",
    summary="start from another method's mask and swap weights until each row's expected output is restored",
    equation=r"e_i = \Sigma_{j\,:\,M_{ij} = 0} \; W_{ij} \, \mathrm{E}[x_j], \qquad "
    r"G_{ij} = \mathrm{sign}(e_i) \; \dfrac{W_{ij} \, \mathrm{E}[x_j]}{\mathrm{Var}(x_j)^p}",
    spoken="e i is the sum over removed weights of the weight times the mean of its input; the removed weight with the "
    "largest G i j, the sign of e i times W i j times the mean of input j over its variance to the power p, grows back",
    cite="zhang2024dsnot",
    needs=("sq_sum", "sum"),
    result_version=2,
    traits={
        "family": "mask refinement",
        "removes": "weights or N:M groups",
        "speed-up": "as its pattern allows; single weights need a sparse kernel",
        "hardware": "any",
        "weight update": "none",
    },
)
DEFAULT_SCOPE = "row"
SEEDED = False
NEEDS: tuple[str, ...] = ("sq_sum", "sum")


class Params(Base):
    """
    `initial` names the method whose mask is refined; at most `max_cycle` swaps a row; a row is left alone once |e| is
    at most `update_threshold`; `pow_of_var_regrowing` is p. Names and defaults are the authors'.

    As in their code e is the expected sum over the tokens of a window, not the mean: the threshold counts in that unit.
    """

    initial: Literal["wanda", "magnitude", "ria"] = "wanda"
    max_cycle: int = Field(50, ge=0)
    update_threshold: float = Field(0.1, ge=0)
    pow_of_var_regrowing: float = Field(1.0, ge=0)


def refuses(pattern: Pattern, scope: str) -> str:
    """Swaps of single weights within a row."""
    if pattern.unit:
        return f'"dsnot" swaps single weights of a row: it cannot refine the pattern "{pattern}"'
    if not pattern.is_nm and scope != "row":
        return f'"dsnot" swaps weights within an output row: scope "{scope}" means nothing to it, leave it out'
    return ""


def prune(weights: Sequence[Tensor], tasks: Sequence[Task], params: Params) -> list[Outcome]:
    """
    The matrices (O, I) of one input group; weights stay as they are, and so do counts by row, or by group of N:M.

    `loss` is Σ|e| over the rows, e being the expected sum over a window. Raises ValueError where Σx² or Σx was not
    collected.
    """
    from .. import registry
    from ..selection import keep_masks
    from ..tasks import Outcome

    first = registry.get("methods", params.initial)
    outcomes = []
    for weight_OI, task in zip(weights, tasks, strict=True):
        (keep_mask,) = keep_masks(
            [first.score(weight_OI, task, first.Params())],
            pattern=task.pattern,
            scope=task.scope,
            counts=[task.count],
            sparsity=task.sparsity,
            compat=task.compat,
        )
        error_O = refine_(keep_mask, weight_OI, task.inputs, task.pattern, params)
        outcomes.append(Outcome(keep_mask, loss=float(error_O.abs().sum())))
    return outcomes


def variance(inputs: Statistics) -> Tensor:
    """Var(x) of every in_feature over all tokens, (I,); never 0, where only rounding is left of E[x²] − E[x]²."""
    import torch

    square_I = inputs.mean_square_I
    rounding_I = square_I * torch.finfo(square_I.dtype).eps
    return (square_I - inputs.mean_I.square()).maximum(rounding_I).clamp_min(torch.finfo(square_I.dtype).tiny)


def refine_(keep_mask: Tensor, weight_OI: Tensor, inputs: Statistics, pattern: Pattern, params: Params) -> Tensor:
    """Swaps in `keep_mask` (O, I), all rows at once; returns e of every row, (O,)."""
    import torch

    weight_OI = weight_OI.to(torch.promote_types(weight_OI.dtype, torch.float32))
    pull_OI = weight_OI * (inputs.mean_I * (inputs.tokens / inputs.windows))
    gain_OI = pull_OI / variance(inputs).pow(params.pow_of_var_regrowing)
    cost_OI = (weight_OI.abs() * inputs.rms_I).masked_fill(~keep_mask, torch.inf)
    error_O = pull_OI.masked_fill(keep_mask, 0.0).sum(1)
    cycles = min(params.max_cycle, keep_mask.shape[1])
    signs = (1, -1)  # rows with e > 0, and with e < 0
    grow_2OC = torch.stack([best((sign * gain_OI).masked_fill(keep_mask, -torch.inf), cycles) for sign in signs])
    lose_2OC = torch.stack([best(-cost_OI.masked_fill(sign * pull_OI >= 0, torch.inf), cycles) for sign in signs])

    rows_O = torch.arange(len(error_O), device=error_O.device)
    used_2O = rows_O.new_zeros(2, len(rows_O))
    active_O = error_O.abs() > params.update_threshold
    for _ in range(cycles):
        if not active_O.any():
            break
        side_O = (error_O < 0).long()
        turn_O = used_2O[side_O, rows_O]
        grown_O = grow_2OC[side_O, rows_O, turn_O]
        if pattern.is_nm:
            lost_O = cheapest_of_group(cost_OI, keep_mask, grown_O, pattern)
        else:
            lost_O = lose_2OC[side_O, rows_O, turn_O]
        possible_O = (grown_O >= 0) & (lost_O >= 0) & ~keep_mask[rows_O, grown_O]
        after_O = error_O + pull_OI[rows_O, lost_O] - pull_OI[rows_O, grown_O]
        swapped_O = active_O & possible_O & (after_O.abs() < error_O.abs())
        keep_mask[rows_O[swapped_O], grown_O[swapped_O]] = True
        keep_mask[rows_O[swapped_O], lost_O[swapped_O]] = False
        error_O = torch.where(swapped_O, after_O, error_O)
        used_2O[side_O, rows_O] += 1
        active_O = swapped_O & (error_O.abs() > params.update_threshold)
    return error_O


def best(score_OI: Tensor, count: int) -> Tensor:
    """In_features of the largest scores of each row, best first, (O, count); −1 where the score is −∞."""
    values, indices = score_OI.topk(count, dim=1)
    return indices.masked_fill(values.isneginf(), -1)


def cheapest_of_group(cost_OI: Tensor, keep_mask: Tensor, grown_O: Tensor, pattern: Pattern) -> Tensor:
    """The kept in_feature of least cost in the group of each row's grown one, (O,); −1 where none is left to lose."""
    import torch

    first_O1 = grown_O[:, None] // pattern.m * pattern.m
    members_OM = (first_O1 + torch.arange(pattern.m, device=grown_O.device)).clamp(0, cost_OI.shape[1] - 1)
    cost_OM = cost_OI.gather(1, members_OM).masked_fill(~keep_mask.gather(1, members_OM), torch.inf)
    cheapest_O1 = cost_OM.argmin(1, keepdim=True)
    lost_O1 = members_OM.gather(1, cheapest_O1).masked_fill(cost_OM.gather(1, cheapest_O1).isinf(), -1)
    return lost_O1[:, 0]
