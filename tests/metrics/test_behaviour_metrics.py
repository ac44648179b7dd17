"""Perplexity, agreement and divergence on logits whose answers are known."""

from __future__ import annotations

import math

import pytest
import torch

from sparsity_report.engine.behaviour import Reference, Scores
from sparsity_report.metrics import agreement, divergence, perplexity
from sparsity_report.windows import Windows


def scores(dense: torch.Tensor, variant: torch.Tensor, target: list[int]) -> Scores:
    return Scores(Reference(dense), variant, torch.tensor(target))


def windows(count: int, length: int, predicted_bytes: int) -> Windows:
    return Windows(torch.zeros(count, length, dtype=torch.int64), "toy", "", 0, predicted_bytes, "")


def by_name(records):
    return {record.metric: record for record in records}


def test_uniform_logits_have_the_vocabulary_as_perplexity():
    """T42: every token equally likely: exp(log V) is V, to rounding in float64."""
    logits = torch.zeros(12, 1000, dtype=torch.float64)
    values = perplexity.per_token(scores(logits, logits, [7] * 12)).view(3, 4, 2)

    found = by_name(perplexity.measure(values, {}, windows(3, 5, 24)))

    assert found["perplexity"].value == pytest.approx(1000, rel=1e-12)
    assert found["bits_per_byte"].value == pytest.approx(12 * math.log2(1000) / 24, rel=1e-12)
    assert found["perplexity"].n == 12


def test_perplexity_of_a_biased_coin_is_two_to_its_cross_entropy():
    """T42: a unigram model that says 3/4, 1/4 on a text with three heads to one tail."""
    logits = torch.tensor([0.75, 0.25], dtype=torch.float64).log().expand(4, 2)
    values = perplexity.per_token(scores(logits, logits, [0, 0, 0, 1]))[None]

    expected = 2 ** -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))

    assert perplexity.measure(values, {}, windows(1, 5, 4))[0].value == pytest.approx(expected, rel=1e-12)


def test_mean_of_equal_windows_is_the_token_mean():
    """T44: windows are equal by construction, so both averages are the same number."""
    values = torch.rand(5, 7, 2, dtype=torch.float64)

    found = perplexity.measure(values, {}, windows(5, 8, 35))[0]

    assert found.value == pytest.approx(math.exp(values[..., 0].mean().item()), rel=1e-12)
    low, high = found.ci
    assert low < found.value < high


def test_the_ratio_to_dense_is_paired_by_windows():
    """Windows differ much more among each other than the models do on each of them: the pairs cancel that."""
    dense = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)[:, None].expand(4, 6)
    values = torch.stack([dense + math.log(1.1), dense], dim=-1)

    found = by_name(perplexity.measure(values, {}, windows(4, 7, 24)))

    assert found["perplexity_ratio"].value == pytest.approx(1.1, rel=1e-12)
    assert found["perplexity_ratio"].ci == pytest.approx((1.1, 1.1), rel=1e-12)
    low, high = found["perplexity"].ci
    assert high / low > 2


def test_cross_entropy_of_huge_logits_is_computed_in_float32():
    """T43: 1e4 overflows float16's exponential; the logits are float32 before the softmax."""
    logits = torch.tensor([[1e4, 1e4 - 1]], dtype=torch.float16).float()

    ((loss, _),) = perplexity.per_token(scores(logits, logits, [0])).tolist()

    assert math.isfinite(loss)
    assert loss == pytest.approx(math.log(1 + math.exp(logits[0, 1].item() - logits[0, 0].item())), rel=1e-6)


def test_agreement_counts_equal_argmaxes():
    """T46: by hand: positions 0 and 2 agree; Wilson's interval for 2 of 3."""
    dense = torch.tensor([[1.0, 2.0], [3.0, 0.0], [0.0, 5.0]])
    variant = torch.tensor([[0.0, 0.5], [0.0, 1.0], [1.0, 2.0]])
    values = agreement.per_token(scores(dense, variant, [0, 0, 0])).double()[None]

    (found,) = agreement.measure(values, {}, windows(1, 4, 1))

    z = 1.959963984540054
    centre, margin = (2 / 3 + z**2 / 6) / (1 + z**2 / 3), z * math.sqrt(2 / 9 / 3 + z**2 / 36) / (1 + z**2 / 3)
    assert found.value == 2 / 3
    assert found.ci == pytest.approx((centre - margin, centre + margin), rel=1e-9)
    assert found.n == 3


def test_agreement_of_the_course_papers_counts():
    """T46: 166 of 251 positions is 0.66135."""
    dense = torch.eye(2)[torch.zeros(251, dtype=torch.int64)]
    variant = torch.eye(2)[(torch.arange(251) >= 166).long()]
    values = agreement.per_token(scores(dense, variant, [0] * 251)).double()[None]

    (found,) = agreement.measure(values, {}, windows(1, 252, 1))

    assert found.value == pytest.approx(0.66135, abs=5e-6)
    assert found.n == 251


def test_a_model_agrees_with_itself_and_equal_logits_go_to_the_lower_token():
    """T46: ties are broken alike on both sides."""
    tied = torch.tensor([[1.0, 1.0, 0.0]])
    lower_first = torch.tensor([[2.0, 0.0, 0.0]])

    assert agreement.per_token(scores(tied, tied, [0])).tolist() == [True]
    assert agreement.per_token(scores(tied, lower_first, [0])).tolist() == [True]


def test_divergence_has_the_closed_form_of_two_classes_and_its_direction():
    """T47: KL(dense ‖ variant) in nats, not the other way round."""
    p, q = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.5, 0.5]])

    (forward,) = divergence.per_token(scores(p.log(), q.log(), [0])).tolist()
    (backward,) = divergence.per_token(scores(q.log(), p.log(), [0])).tolist()

    assert forward == pytest.approx(0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5), rel=1e-6)
    assert backward == pytest.approx(0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1), rel=1e-6)


def test_divergence_from_itself_is_zero_and_never_negative():
    """T47."""
    dense = torch.randn(50, 100, generator=torch.Generator().manual_seed(0))
    variant = dense + torch.randn(50, 100, generator=torch.Generator().manual_seed(1))

    assert divergence.per_token(scores(dense, dense.clone(), [0] * 50)).abs().max().item() == 0
    assert divergence.per_token(scores(dense, variant, [0] * 50)).min().item() > 0


def test_a_token_that_dense_excludes_contributes_nothing():
    """0 · log 0 is 0: masked-out vocabulary must not make the divergence NaN."""
    dense = torch.tensor([[0.0, 0.0, -math.inf]])

    assert divergence.per_token(scores(dense, dense.clone(), [0])).tolist() == [0.0]


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_collapsed_logits_give_null_and_not_a_number_that_looks_real(broken):
    """T48: NaN or infinite logits: perplexity and divergence are null, and no position agrees."""
    dense, variant = torch.zeros(3, 4), torch.full((3, 4), broken)
    values = {
        module: module.per_token(scores(dense, variant, [0, 1, 2])).double()[None]
        for module in (perplexity, divergence, agreement)
    }

    assert perplexity.measure(values[perplexity], {}, windows(1, 4, 3))[0].value is None
    assert divergence.measure(values[divergence], {}, windows(1, 4, 3))[0].value is None
    assert agreement.measure(values[agreement], {}, windows(1, 4, 3))[0].value == 0
