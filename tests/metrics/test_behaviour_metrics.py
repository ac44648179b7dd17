"""Perplexity, agreement and divergence on logits whose answers are known."""

from __future__ import annotations

import math

import pytest
import torch

from sparsity_report import registry
from sparsity_report.engine.behaviour import Distribution, Scores, largest
from sparsity_report.metrics import agreement, confidence, divergence, flips, perplexity, ranks
from sparsity_report.windows import Windows


def scores(dense: torch.Tensor, variant: torch.Tensor, target: list[int]) -> Scores:
    return Scores(Distribution(dense), Distribution(variant), torch.tensor(target))


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

    found = agreement.measure(values, {}, windows(1, 4, 1))[0]

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

    found = agreement.measure(values, {}, windows(1, 252, 1))[0]

    assert found.value == pytest.approx(0.66135, abs=5e-6)
    assert found.n == 251


def test_a_model_agrees_with_itself_and_equal_logits_go_to_the_lower_token():
    """T46: ties are broken alike on both sides."""
    tied = torch.tensor([[1.0, 1.0, 0.0]])
    lower_first = torch.tensor([[2.0, 0.0, 0.0]])

    assert agreement.per_token(scores(tied, tied, [0]))[0, 0] == 1
    assert agreement.per_token(scores(tied, lower_first, [0]))[0, 0] == 1


def test_divergence_has_the_closed_form_of_two_classes_and_its_direction():
    """T47: KL(dense ‖ variant) in nats, not the other way round."""
    p, q = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.5, 0.5]])

    forward, one_way = divergence.per_token(scores(p.log(), q.log(), [0]))[0].tolist()
    backward, other_way = divergence.per_token(scores(q.log(), p.log(), [0]))[0].tolist()

    assert forward == pytest.approx(0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5), rel=1e-6)
    assert backward == pytest.approx(0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1), rel=1e-6)
    middle = (0.7, 0.3)
    to_middle = [
        sum(a * math.log(a / m) for a, m in zip(each, middle, strict=True)) for each in ((0.9, 0.1), (0.5, 0.5))
    ]
    assert one_way == pytest.approx(sum(to_middle) / 2, rel=1e-5)
    assert other_way == pytest.approx(one_way, rel=1e-5)


def test_divergence_from_itself_is_zero_and_never_negative():
    """T47."""
    dense = torch.randn(50, 100, generator=torch.Generator().manual_seed(0))
    variant = dense + torch.randn(50, 100, generator=torch.Generator().manual_seed(1))

    assert divergence.per_token(scores(dense, dense.clone(), [0] * 50)).abs().max().item() == 0
    found = divergence.per_token(scores(dense, variant, [0] * 50))
    assert found.min().item() > 0
    assert found[:, 1].max().item() < math.log(2)


def test_a_token_that_dense_excludes_contributes_nothing():
    """0 · log 0 is 0: masked-out vocabulary must not make the divergence NaN."""
    dense = torch.tensor([[0.0, 0.0, -math.inf]])

    assert divergence.per_token(scores(dense, dense.clone(), [0])).tolist() == [[0.0, 0.0]]


def test_distributions_without_a_token_in_common_are_ln_2_apart():
    """T47: Jensen–Shannon has a ceiling where the divergence has none; neither may be NaN."""
    one, other = torch.tensor([[0.0, -math.inf]]), torch.tensor([[-math.inf, 0.0]])
    far = torch.tensor([[200.0, 0.0]])

    kl, js = divergence.per_token(scores(one, other, [0]))[0].tolist()

    assert kl == math.inf
    assert js == pytest.approx(math.log(2), rel=1e-5)
    assert divergence.per_token(scores(far, -far, [0]))[0].tolist() == pytest.approx([200, math.log(2)], rel=1e-5)


def test_divergence_sums_the_whole_vocabulary_in_float32():
    """T47: beside float64 over 50,000 tokens, for a small change and a large one."""
    generator = torch.Generator().manual_seed(2)
    dense = 3 * torch.randn(4, 50_000, generator=generator)
    for size in (0.01, 2.0):
        variant = dense + size * torch.randn(4, 50_000, generator=generator)
        log_p, log_q = (torch.log_softmax(each.double(), -1) for each in (dense, variant))
        p, q = log_p.exp(), log_q.exp()
        log_m = ((p + q) / 2).log()
        js = ((p * (log_p - log_m)).sum(-1) + (q * (log_q - log_m)).sum(-1)) / 2
        expected = torch.stack([(p * (log_p - log_q)).sum(-1), js], dim=1)

        found = divergence.per_token(scores(dense, variant, [0] * 4)).double()

        assert torch.allclose(found, expected, rtol=2e-2 if size < 1 else 1e-5, atol=1e-7)


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


@pytest.mark.parametrize("vocabulary", [3, 64, 65, 200, 1000])
def test_the_largest_logits_are_those_of_a_stable_sort(vocabulary):
    """T46: equal logits, of which there are many in bfloat16, stand in the order of their tokens."""
    logits = torch.randn(40, vocabulary, generator=torch.Generator().manual_seed(3)).round()  # ties in every row
    order = logits.sort(dim=1, descending=True, stable=True)

    values, tokens = largest(logits, 10)

    assert torch.equal(values, order.values[:, :10])
    assert torch.equal(tokens, order.indices[:, :10])


def test_the_largest_of_nothing_but_the_least():
    """Excluded tokens are tokens: where all logits are −inf, the first ones are the largest."""
    values, tokens = largest(torch.full((1, 70), -math.inf), 3)

    assert tokens.tolist() == [[0, 1, 2]]
    assert values.tolist() == [[-math.inf] * 3]


def test_agreement_among_the_first_five():
    """By hand: dense ranks 0..4 first; the variant has 3 of them among its five, and dense's first as its second."""
    dense = torch.tensor([[9.0, 8, 7, 6, 5, 0, 0, 0]])
    variant = torch.tensor([[8.0, 9, 7, 0, 0, 6, 5, 0]])

    assert agreement.per_token(scores(dense, variant, [0])).tolist() == [pytest.approx([0, 1, 0.6])]


class TestFlips:
    def test_a_flip_stands_in_the_bin_of_denses_margin(self):
        """Margins of 0.9, 0.5 and 0.02; the second and the third decision change."""
        dense = torch.tensor([[0.95, 0.05], [0.75, 0.25], [0.51, 0.49]]).log()
        variant = torch.tensor([[0.6, 0.4], [0.4, 0.6], [0.4, 0.6]]).log()
        values = flips.per_token(scores(dense, variant, [0, 0, 0]))[None]

        found = flips.measure(values, {"corpus": "toy"}, windows(1, 4, 3))
        by_margin = {each.conditions["margin"]: (each.value, each.n) for each in found if "margin" in each.conditions}

        assert by_margin == {"0–0.1": (1.0, 1), "0.4–0.6": (1.0, 1), "0.8–1": (0.0, 1)}
        assert (found[0].value, found[0].n, found[0].conditions) == (2 / 3, 3, {"corpus": "toy"})

    def test_a_flip_stands_in_the_bin_of_its_tokens_frequency(self):
        """Dense says token 1 at every position; it is 2 of the text's 400 tokens, which is 0.5 %."""
        ids = torch.zeros(4, 100, dtype=torch.int64)
        ids[0, :2] = 1
        dense = torch.tensor([[0.0, 1.0]]).expand(396, 2)
        values = flips.per_token(scores(dense, dense, [0] * 396)).view(4, 99, 3)

        found = flips.measure(values, {}, Windows(ids, "toy", "", 0, 1, ""))
        by_frequency = [each for each in found if "frequency" in each.conditions]

        assert [(each.conditions["frequency"], each.value, each.n) for each in by_frequency] == [
            ("0.001–0.01", 0.0, 396)
        ]

    def test_the_bins_hold_every_position_once(self):
        generator = torch.Generator().manual_seed(4)
        dense, variant = (3 * torch.randn(200, 30, generator=generator) for _ in range(2))
        values = flips.per_token(scores(dense, variant, [0] * 200)).view(4, 50, 3)

        found = flips.measure(values, {}, windows(4, 51, 1))

        for name in ("margin", "frequency"):
            own = [each for each in found if name in each.conditions]
            assert sum(each.n for each in own) == 200
            assert sum(each.n * each.value for each in own) == pytest.approx(200 * found[0].value)

    def test_the_rate_is_one_minus_agreement_and_a_collapsed_model_flips_everywhere(self):
        dense, broken = torch.zeros(3, 4), torch.full((3, 4), math.nan)

        assert flips.per_token(scores(dense, broken, [0] * 3))[:, 0].tolist() == [1, 1, 1]
        assert flips.per_token(scores(dense, dense.clone(), [0] * 3))[:, 0].tolist() == [0, 0, 0]


class TestRanks:
    def test_the_same_order_is_1_and_the_reverse_is_minus_1(self):
        dense = torch.arange(40.0)[None]

        assert ranks.per_token(scores(dense, 2 * dense, [0])).tolist() == [1.0]
        assert ranks.per_token(scores(dense, -dense, [0])).tolist() == [-1.0]

    def test_it_is_spearmans_correlation_of_the_first_ten(self):
        from scipy.stats import spearmanr

        generator = torch.Generator().manual_seed(5)
        dense, variant = (torch.randn(6, 300, generator=generator) for _ in range(2))
        best = dense.topk(10).indices
        expected = [
            spearmanr(d, v).statistic for d, v in zip(dense.gather(1, best), variant.gather(1, best), strict=True)
        ]

        assert ranks.per_token(scores(dense, variant, [0] * 6)).tolist() == pytest.approx(expected)

    def test_ties_go_to_the_lower_token_on_both_sides(self):
        tied = torch.zeros(1, 12)

        assert ranks.per_token(scores(tied, tied.clone(), [0])).tolist() == [1.0]

    def test_a_collapsed_model_has_no_order(self):
        values = ranks.per_token(scores(torch.arange(20.0)[None], torch.full((1, 20), math.nan), [0]))[None]

        assert ranks.measure(values, {}, windows(1, 2, 1))[0].value is None


class TestConfidence:
    def test_the_error_by_hand(self):
        """Two bins: 0.9 said and right once of twice, 0.6 said and right: ½ |0.5 − 0.9| + ½ |1 − 0.6|."""
        said = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]]).log()
        values = confidence.per_token(scores(said, said, [0, 1, 0, 0]))[None]

        found = {
            (each.metric, each.conditions.get("confidence")): each
            for each in confidence.measure(values, {}, windows(1, 5, 1))
        }

        assert found["calibration_error", None].value == pytest.approx(0.5 * 0.4 + 0.5 * 0.4, rel=1e-6)
        assert found["next_token_accuracy", None].value == 0.75
        assert found["mean_confidence", None].value == pytest.approx(0.75, rel=1e-6)
        by_bin = {bin: each.n for (metric, bin), each in found.items() if metric == "mean_confidence" and bin}
        assert sum(by_bin.values()) == 4

    def test_a_model_that_says_what_it_knows_has_no_error(self):
        """Confidence 1 and always right."""
        sure = torch.tensor([[100.0, 0.0]]).expand(12, 2)
        values = confidence.per_token(scores(sure, sure, [0] * 12)).view(3, 4, 2)

        found = confidence.measure(values, {}, windows(3, 5, 1))[0]

        assert found.value == pytest.approx(0, abs=1e-12)
        assert found.ci == pytest.approx((0, 0), abs=1e-12)

    def test_a_collapsed_model_has_null_and_no_made_up_bins(self):
        broken = torch.full((3, 4), math.nan)
        values = confidence.per_token(scores(torch.zeros(3, 4), broken, [1, 2, 3]))[None]

        found = {each.metric: each.value for each in confidence.measure(values, {}, windows(1, 4, 1))}

        assert found["calibration_error"] is None
        assert len(found) == 3


@pytest.mark.parametrize(
    "name", [each for each in registry.names("metrics") if registry.get("metrics", each).LEVEL == "behaviour"]
)
class TestEveryFamily:
    """The contract of a behaviour family, whatever it measures."""

    def values(self, name, dense, variant):
        module, count = registry.get("metrics", name), len(dense)
        found = module.per_token(scores(dense, variant, [1] * count)).double()
        assert found.shape[0] == count
        return module, found.view(4, count // 4, *found.shape[1:])

    def test_it_reports_what_it_defines_once_for_each_condition(self, name):
        generator = torch.Generator().manual_seed(6)
        module, values = self.values(name, *(2 * torch.randn(40, 90, generator=generator) for _ in range(2)))

        found = module.measure(values, {"corpus": "toy"}, windows(4, 11, 100))

        assert {each.metric for each in found} == {each.name for each in module.INFO.quantities}
        assert len({(each.metric, tuple(each.conditions.items())) for each in found}) == len(found)
        assert all(each.conditions["corpus"] == "toy" and each.value is not None and each.n for each in found)
        assert all(each.ci is None or each.ci[0] <= each.value <= each.ci[1] for each in found)

    def test_the_columns_whose_window_means_are_kept_have_names(self, name):
        module, values = self.values(name, torch.zeros(8, 20), torch.zeros(8, 20))

        if hasattr(module, "WINDOWED"):
            assert len(module.WINDOWED) == (values.shape[-1] if values.dim() > 2 else 1)
