"""Every pruning method keeps the promises of its kind; each has a hand-computed case of its own."""

from __future__ import annotations

import pytest
import torch

from sparsity_report import registry
from sparsity_report.contracts import Pattern
from sparsity_report.tasks import Task

METHODS = registry.names("methods")
TASK = Task("", Pattern(), 0)


@pytest.mark.parametrize("name", METHODS)
class TestEveryMethod:
    def score(self, name, weight, seed=0, path="a"):
        module = registry.get("methods", name)
        return module.score(weight, Task(path, Pattern(), 0, seed=seed), module.Params())

    def test_scores_have_the_weights_shape_and_are_finite(self, name):
        score = self.score(name, torch.randn(6, 10))

        assert tuple(score.shape) == (6, 10)
        assert torch.isfinite(score).all()

    def test_scores_are_float32_whatever_the_weights_are(self, name):
        """T3: ranking in half precision would create ties that the weights do not have."""
        assert torch.float32 == self.score(name, torch.randn(4, 4).bfloat16()).dtype

    def test_the_weight_is_left_alone(self, name):
        weight = torch.randn(4, 4)
        before = weight.clone()

        self.score(name, weight)

        assert torch.equal(before, weight)

    def test_the_same_seed_gives_the_same_scores(self, name):
        weight = torch.randn(5, 5)

        assert torch.equal(self.score(name, weight), self.score(name, weight))

    def test_it_says_what_it_is_and_where_it_comes_from(self, name):
        info = registry.get("methods", name).INFO

        assert name == info.name
        assert info.summary
        assert info.equation
        assert info.spoken
        assert info.cite


def test_magnitude_is_the_absolute_value():
    magnitude = registry.get("methods", "magnitude")
    weight = torch.tensor([[-2.0, 0.5], [0.0, -0.25]])

    assert magnitude.score(weight, TASK, magnitude.Params()).tolist() == [[2.0, 0.5], [0.0, 0.25]]


def test_magnitude_ranks_bfloat16_by_its_exact_values():
    """T3: the score of a bfloat16 weight is that of the same value in float32, bit for bit."""
    magnitude = registry.get("methods", "magnitude")
    weight = torch.randn(32, 32, generator=torch.Generator().manual_seed(0)).bfloat16()

    score = magnitude.score(weight, TASK, magnitude.Params())

    assert torch.equal(weight.float().abs(), score)


def test_random_depends_on_seed_and_path_and_not_on_the_weights():
    random = registry.get("methods", "random")

    def score(weight, seed, path):
        return random.score(weight, Task(path, Pattern(), 0, seed=seed), random.Params())

    weight = torch.randn(8, 8)
    first = score(weight, 0, "layer.0")
    assert torch.equal(first, score(torch.zeros(8, 8), 0, "layer.0"))
    assert not torch.equal(first, score(weight, 1, "layer.0"))
    assert not torch.equal(first, score(weight, 0, "layer.1"))


def test_random_scores_are_uniform():
    """Mean 1/2 and variance 1/12 over a million draws, within five standard errors."""
    random = registry.get("methods", "random")
    draws = random.score(torch.empty(1000, 1000), Task("", Pattern(), 0, seed=3), random.Params()).double()

    assert draws.mean().item() == pytest.approx(0.5, abs=5 * (1 / 12 / 1e6) ** 0.5)
    assert draws.var().item() == pytest.approx(1 / 12, abs=5 * (1 / 180 / 1e6) ** 0.5)
