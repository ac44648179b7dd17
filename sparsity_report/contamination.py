"""
Calibration text that is evaluated on, too: what a method has seen there makes its perplexity look better than it is.

Shapes: N calibration windows of L tokens, M evaluation windows of K tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from numpy import uint64
    from numpy.typing import NDArray
    from torch import Tensor

SPAN = 32
"""Tokens that make a run too long for chance: phrases recur, 32 tokens in a row hardly do."""

ODD = 0x9E3779B97F4A7C15
MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""Constants of splitmix64 (Steele et al., 2014), which spreads every bit of a number over all 64."""


def shared(calibration_ids: Tensor, evaluation_ids: Tensor, span: int = SPAN) -> int:
    """
    How many evaluation tokens lie in a run of at least `span` tokens that the calibration windows (N, L) contain, too.

    Runs do not cross from one window into the next; where windows are shorter than `span`, whole windows are compared.
    Runs are compared by 64-bit hashes and not verified: among 10⁶ runs on either side, one pair is equal by chance with
    a probability of about 5·10⁻⁸.
    """
    import numpy

    span = min(span, calibration_ids.shape[1], evaluation_ids.shape[1])
    known = hashes(calibration_ids.cpu().numpy(), span)
    starts = numpy.isin(hashes(evaluation_ids.cpu().numpy(), span), known)
    ends = numpy.zeros((starts.shape[0], evaluation_ids.shape[1] + 1), dtype=numpy.int64)
    ends[:, : starts.shape[1]] += starts
    ends[:, span : span + starts.shape[1]] -= starts
    return int(numpy.count_nonzero(ends.cumsum(axis=1)))


def hashes(ids: NDArray[Any], span: int) -> NDArray[uint64]:
    """64-bit hashes of all runs of `span` tokens of windows (N, L): (N, L − span + 1). Order matters."""
    import numpy

    tokens = ids.astype(numpy.uint64)
    runs = tokens.shape[1] - span + 1
    found = numpy.zeros((tokens.shape[0], runs), dtype=numpy.uint64)
    for offset in range(span):
        found = mixed(found + tokens[:, offset : offset + runs] + numpy.uint64(ODD))
    return found


def mixed(values: NDArray[uint64]) -> NDArray[uint64]:
    """The finaliser of splitmix64: one to one, on 64-bit integers that wrap around."""
    import numpy

    values = (values ^ (values >> numpy.uint64(30))) * numpy.uint64(MIX[0])
    values = (values ^ (values >> numpy.uint64(27))) * numpy.uint64(MIX[1])
    return values ^ (values >> numpy.uint64(31))


def alert(calibration_ids: Tensor, evaluation_ids: Tensor, calibration: str, evaluation: str, span: int = SPAN) -> str:
    """What to warn of, "" where nothing is shared. `calibration` and `evaluation` say which windows these are."""
    count, total = shared(calibration_ids, evaluation_ids, span), evaluation_ids.numel()
    if not count:
        return ""
    which = f"Calibration: {calibration}. Evaluation: {evaluation}."
    if count == total:
        return (
            "Calibration and evaluation are the same text: every evaluated token is among the calibration windows. "
            "Methods that need data were fitted to what they are tested on, and their numbers say nothing about other "
            f"text. {which}"
        )
    share = f"{count / total:.1%}".replace("%", " %") if count / total >= 0.001 else "less than 0.1 %"
    return (
        f"{count:,} of {total:,} evaluated tokens ({share}) lie in runs of {span} tokens or more that the calibration "
        f"windows contain, too: methods that need data may look better than they are. {which}"
    )
