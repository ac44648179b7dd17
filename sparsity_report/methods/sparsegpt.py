"""
SparseGPT: prune column by column and let the later columns make up for it (Frantar & Alistarh, ICML 2023, algorithm 1).

With the Hessian H = (2/N) Σ xxᵀ of the inputs and H⁻¹ = UᵀU (U upper triangular), removing weight ij costs
½ W_ij² / U_jj² at best, which the columns after j reach by W_i,j: −= (W_ij / U_jj) · U_j,j:. Columns go from left to
right; what is removed is chosen for `blocksize` columns at a time, on weights that the columns before have changed.

Shapes: O out features (of all matrices that read the same input, one after the other), I in features, B columns that
are chosen at a time. The solver holds weights as (I, O): a column is then contiguous.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from ..contracts import Info
from ..contracts import Params as Base

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from ..contracts import Pattern
    from ..tasks import Outcome, Task

    Choose = Callable[[Tensor, int], Tensor]
    """From the scores (B, O) of columns, of which the first is given, to their keep_mask (B, O)."""

INFO = Info(
    name="sparsegpt",
    summary="remove the weights of smallest output error and let the others make up for it (optimal brain surgeon)",
    equation=r"S_{ij} = W_{ij}^2 \,/\, U_{jj}^2, \qquad H^{-1} = U^\top U, "
    r"\qquad H = \dfrac{2}{N} \; \Sigma_t \; x_t \, x_t^\top",
    spoken="the score of weight i j is its square over the square of the diagonal of U, the upper triangular factor of "
    "the inverse Hessian of the inputs",
    cite="frantar2023sparsegpt",
    needs=("gram",),
    result_version=2,
    traits={
        "family": "layer-wise reconstruction",
        "removes": "weights, N:M groups, tiles or columns",
        "speed-up": "as its pattern allows; single weights need a sparse kernel",
        "hardware": "any; memory for I × I Hessians",
        "weight update": "optimal brain surgeon, columns left to right",
    },
)
DEFAULT_SCOPE = "layer"
SEEDED = False
NEEDS: tuple[str, ...] = ("gram",)

RETRIES = 3
FIRST_DAMPING = 0.01
"""What a retry starts from when the spec asks for no damping at all."""
PANEL = 32
"""Columns between two matrix products inside a block: within a panel a column is brought up to date by itself."""


class Params(Base):
    """`blocksize`: columns whose mask is chosen at once. `percdamp`: what is added to H's diagonal, over its mean."""

    blocksize: int = Field(128, ge=1)
    percdamp: float = Field(0.01, ge=0)


def refuses(pattern: Pattern, scope: str) -> str:
    """One matrix by itself, and nothing that leaves no weight in a row to make up for the removed ones."""
    if pattern.unit == "row":
        return '"sparsegpt" makes up for removed weights by others of their row: the pattern "row" leaves it none'
    if not pattern.is_nm and scope != "layer":
        return (
            f'"sparsegpt" chooses and adjusts within one matrix, some columns at a time: scope "{scope}" means nothing '
            'to it, leave it out or give "layer"'
        )
    return ""


def prune(weights: Sequence[Tensor], tasks: Sequence[Task], params: Params) -> list[Outcome]:
    """
    The matrices (O, I) of one input group, with one factorisation of their common Hessian.

    Works in float32 (or wider weights' own dtype) and casts the result back; `loss` is ½ Σ err², in the unit of the
    authors' logs: ‖(W − Ŵ)X‖² per window where nothing is damped. The count is exact; `compat = "reference"` takes the
    authors' `<=` rule instead.

    An in_feature that is 0 in every token is dead: its weights have no effect and become 0, all of them. They score
    lowest, so that the keep_mask removes them first; those beyond the count stay kept in it, with value 0. Dead columns
    are counted in `fallbacks`, by matrix; retries of the factorisation once a group, with its first matrix. Raises
    SpecError where the factorisation fails for good (inputs that are not finite, say), ValueError where Σxxᵀ was not
    collected.
    """
    import torch

    from ..tasks import Outcome

    dtype = torch.promote_types(weights[0].dtype, torch.float32)
    hessian_II = tasks[0].inputs.hessian_II.to(dtype)
    dead_I = hessian_II.diagonal() == 0
    hessian_II.diagonal().masked_fill_(dead_I, 1.0)
    lower_II, retries = inverse_factor(hessian_II, params.percdamp, tasks[0].path)
    weight_IO = torch.cat([weight.t() for weight in weights], dim=1).to(dtype).contiguous()
    weight_IO[dead_I] = 0.0
    sizes = [len(weight) for weight in weights]
    choose = chooser(tasks, sizes, weight_IO, lower_II)
    keep_IO, loss_O = solve_(weight_IO, lower_II, choose, *steps(tasks[0].pattern, params))

    split = torch.split
    parts = zip(weights, split(weight_IO, sizes, 1), split(keep_IO, sizes, 1), split(loss_O, sizes), strict=True)
    outcomes = []
    for number, (weight, part_IO, kept_IO, loss) in enumerate(parts):
        pruned_OI = part_IO.t().contiguous().to(weight.dtype)
        fallbacks = {
            "dead columns": int(dead_I.sum()),
            "Cholesky retries with more damping": retries if number == 0 else 0,
        }
        happened = {what: count for what, count in fallbacks.items() if count}
        outcomes.append(Outcome(kept_IO.t().contiguous(), pruned_OI, float(loss.sum()), happened))
    return outcomes


def inverse_factor(hessian_II: Tensor, percdamp: float, path: str) -> tuple[Tensor, int]:
    """
    L = Uᵀ, lower triangular with H⁻¹ = L·Lᵀ = UᵀU for the damped H, and the number of retries.

    Both orders of the indices reversed, the Cholesky factor C of H has H = R·Rᵀ with R upper, so that L = R⁻ᵀ: one
    factorisation, and no inverse that is only nearly symmetric. A pivot that is nothing but rounding counts as failure.
    Every retry damps ten times as much. Raises SpecError after `RETRIES` of them.
    """
    import torch

    from ..errors import Problem, SpecError

    reversed_II, damping = hessian_II.flip(0, 1), percdamp
    diagonal_I = reversed_II.diagonal().clone()
    smallest_I = 10 * torch.finfo(diagonal_I.dtype).eps * diagonal_I
    for retries in range(RETRIES + 1):
        reversed_II.diagonal().copy_(diagonal_I + damping * diagonal_I.mean())
        factor_II, info = torch.linalg.cholesky_ex(reversed_II)
        if int(info) == 0 and bool((factor_II.diagonal().square() > smallest_I).all()):
            unit_II = torch.eye(len(factor_II), dtype=factor_II.dtype, device=factor_II.device)
            return torch.linalg.solve_triangular(factor_II.t(), unit_II, upper=True).flip(0, 1), retries
        last, damping = damping, damping * 10 or FIRST_DAMPING
    raise SpecError(
        Problem(
            "variant.params.sparsegpt.percdamp",
            f"{path}: the Hessian of its inputs is not positive definite, even with {last:g} of its mean added",
            hint=f"give more than percdamp = {percdamp:g}, or calibrate on more windows; inputs must be finite",
        )
    )


def steps(pattern: Pattern, params: Params) -> tuple[int, int, int]:
    """
    Columns of a block, columns that are chosen at a time, and columns of a panel.

    Blocks end where groups and tiles do. Every group of N:M is chosen by itself, so that it does not depend on the
    block size.
    """
    width = pattern.m or (pattern.width if pattern.unit == "block" else 1)
    blocksize = -(-params.blocksize // width) * width
    return (blocksize, pattern.m, pattern.m) if pattern.is_nm else (blocksize, blocksize, min(PANEL, blocksize))


def chooser(tasks: Sequence[Task], sizes: list[int], weight_IO: Tensor, lower_II: Tensor) -> Choose:
    """
    How the pattern chooses: N:M group by group; whole columns up front; weights and tiles so many of each block.

    Scores are |W| / U_jj, the root of the paper's: single weights rank alike, and of a unit selection takes the mean of
    the squares.
    """
    import torch

    from ..selection import keep_masks, nm_mask

    pattern, cols = tasks[0].pattern, len(weight_IO)
    removed = [0] * len(tasks)

    def of_a_group(score_BO: Tensor, start: int) -> Tensor:
        return nm_mask(score_BO.t(), pattern).t()

    def of_a_block(score_BO: Tensor, start: int) -> Tensor:
        """Each matrix's share of its count, ⌊count · columns so far / I⌋ less what is gone: exact at the last block."""
        kept = []
        for number, (task, part_BO) in enumerate(zip(tasks, torch.split(score_BO, sizes, 1), strict=True)):
            count = task.count * (start + len(score_BO)) // cols - removed[number]
            (keep_OB,) = keep_masks(
                [part_BO.t()],
                pattern=pattern,
                scope="layer",
                counts=[count],
                sparsity=task.sparsity,
                compat=task.compat,
            )
            removed[number] += keep_OB.numel() - int(keep_OB.sum())
            kept.append(keep_OB.t())
        return torch.cat(kept, 1)

    if pattern.is_nm:
        return of_a_group
    if pattern.unit == "column":
        inverse_I1 = lower_II.square().sum(1, keepdim=True)  # the diagonal of H⁻¹
        keep_IO = of_a_block(weight_IO.abs() / inverse_I1.sqrt(), 0)
        return lambda score_BO, start: keep_IO[start : start + len(score_BO)]
    return of_a_block


def solve_(
    weight_IO: Tensor, lower_II: Tensor, choose: Choose, blocksize: int, group: int, panel: int
) -> tuple[Tensor, Tensor]:
    """
    Prunes `weight_IO` in place. Returns the keep_mask (I, O) and ½ Σ err² of each row (O,).

    A column's error err = W_j / U_jj (0 where kept) is subtracted from later columns as late as possible: one vector
    product for the columns of its panel, one matrix product for each later panel of its block and for all later blocks.
    """
    import torch

    cols, rows = weight_IO.shape
    scale_I1 = lower_II.diagonal().clone()[:, None]
    keep_IO = torch.ones(cols, rows, dtype=torch.bool, device=weight_IO.device)
    error_BO, over_scale_BO = weight_IO.new_empty(2, min(blocksize, cols), rows)
    loss_O = weight_IO.new_zeros(rows)
    for start in range(0, cols, blocksize):
        stop = min(start + blocksize, cols)
        for first in range(start, stop, panel):
            last = min(first + panel, stop)
            if first > start:
                done_BO = error_BO[: first - start]
                weight_IO[first:last].addmm_(lower_II[first:last, start:first], done_BO, alpha=-1)
            if (first - start) % group == 0:
                chosen = slice(first, min(first + group, stop))
                keep_IO[chosen] = choose(weight_IO[chosen].abs() / scale_I1[chosen], first)
                over_scale_BO[chosen.start - start : chosen.stop - start] = ~keep_IO[chosen] / scale_I1[chosen]
            for j in range(first, last):
                column_O = weight_IO[j]
                if j > first:
                    column_O.addmv_(error_BO[first - start : j - start].t(), lower_II[j, first:j], alpha=-1)
                torch.mul(column_O, over_scale_BO[j - start], out=error_BO[j - start])
        block_BO = error_BO[: stop - start]
        loss_O += block_BO.square().sum(0)
        weight_IO[start:stop].masked_fill_(~keep_IO[start:stop], 0.0)
        if stop < cols:
            weight_IO[stop:].addmm_(lower_II[stop:, start:stop], block_BO, alpha=-1)
    return keep_IO, loss_O / 2
