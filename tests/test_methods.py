"""Every pruning method keeps the promises of its kind; each has a hand-computed case of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from tiny_tasks import task_of, weight_of

from sparsity_report import registry
from sparsity_report.contracts import TRAITS, Pattern
from sparsity_report.tasks import STATISTICS, Task

METHODS = registry.names("methods")
OWN_TESTS = ("given",)
"""Has no result of its own: what it takes from elsewhere is tested in tests/methods/."""
SCORING = [name for name in METHODS if hasattr(registry.get("methods", name), "score")]
PRUNING = [name for name in METHODS if hasattr(registry.get("methods", name), "prune") and name not in OWN_TESTS]
TASK = Task("", Pattern(), 0)


def score_of(name, weight_OI, **task):
    module = registry.get("methods", name)
    return module.score(weight_OI, task_of(weight_OI, **task), module.Params())


def pruned_by(name, weight_OI, **task):
    """The weight pruned by a method that chooses its masks itself, in its paper's scope."""
    module = registry.get("methods", name)
    asked = task_of(weight_OI, **{"scope": module.DEFAULT_SCOPE} | task)
    (outcome,) = module.prune([weight_OI], [asked], module.Params())
    return asked, outcome


@pytest.mark.parametrize("name", METHODS)
class TestEveryMethod:
    def test_it_says_what_it_is_and_where_it_comes_from(self, name):
        module = registry.get("methods", name)
        info = module.INFO

        assert name == info.name
        assert info.summary
        assert info.equation
        assert info.spoken
        assert info.cite
        assert set(info.traits) == set(TRAITS)
        assert all(info.traits.values())
        assert info.needs == module.NEEDS
        assert set(module.NEEDS) <= set(STATISTICS)

    def test_it_either_scores_or_prunes(self, name):
        assert (name in SCORING) != (name in PRUNING or name in OWN_TESTS)

    def test_it_accepts_the_scope_of_its_paper(self, name):
        module = registry.get("methods", name)

        assert module.refuses(Pattern(), module.DEFAULT_SCOPE) == ""

    def test_its_parameters_have_defaults_and_unknown_ones_are_refused(self, name):
        params = registry.get("methods", name).Params
        given = {"source": "x"} if name in OWN_TESTS else {}

        assert params(**given) == params.model_validate(given)
        with pytest.raises(ValidationError, match="nonsense"):
            params(**given, nonsense=1)


@pytest.mark.parametrize("name", SCORING)
class TestEveryScore:
    def test_scores_have_the_weights_shape_and_are_finite(self, name):
        score = score_of(name, weight_of(6, 10))

        assert tuple(score.shape) == (6, 10)
        assert torch.isfinite(score).all()

    def test_scores_are_float32_whatever_the_weights_are(self, name):
        """T3: ranking in half precision would create ties that the weights do not have."""
        weight = weight_of(8, 24, dtype=torch.bfloat16)

        assert score_of(name, weight).dtype == torch.float32
        assert torch.equal(score_of(name, weight.float()), score_of(name, weight))

    def test_the_weight_is_left_alone(self, name):
        weight = weight_of(4, 4)
        before = weight.clone()

        score_of(name, weight)

        assert torch.equal(before, weight)

    def test_the_same_seed_gives_the_same_scores(self, name):
        weight = weight_of(5, 5)

        assert torch.equal(score_of(name, weight, seed=3), score_of(name, weight, seed=3))


@pytest.mark.parametrize("name", PRUNING)
class TestEveryPrune:
    @pytest.mark.parametrize("sparsity", ["0", "0.29", "0.5", "0.9"])
    def test_exactly_so_many_weights_go(self, name, sparsity):
        """k = ⌊n·s⌋: 0.29 of 1,500 weights are 435."""
        task, outcome = pruned_by(name, weight_of(50, 30), sparsity=sparsity)

        assert outcome.keep_mask.dtype == torch.bool
        assert int((~outcome.keep_mask).sum()) == task.count == int(1500 * float(sparsity) + 1e-9)

    @pytest.mark.parametrize("pattern", ["2:4", "1:4", "3:4", "4:8"])
    @pytest.mark.parametrize("cols", [32, 34])
    def test_groups_keep_n_of_m(self, name, pattern, cols):
        """T6, T7: N of every M neighbours along in_features are kept in every row; a tail keeps its share."""
        task, outcome = pruned_by(name, weight_of(6, cols), pattern=pattern)
        n, m = task.pattern.n, task.pattern.m

        assert outcome.keep_mask[:, :32].view(6, 32 // m, m).sum(2).unique().tolist() == [n]
        assert outcome.keep_mask.sum(1).unique().tolist() == [task.pattern.kept(cols)]
        assert int((~outcome.keep_mask).sum()) == task.count

    @pytest.mark.parametrize("pattern", ["unstructured", "2:4"])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_removed_weights_are_exactly_zero(self, name, pattern, dtype):
        """T9, T33: +0 in the weights' own dtype; a method that changes no weights says so by None."""
        weight = weight_of(8, 16, dtype=dtype)
        _, outcome = pruned_by(name, weight, pattern=pattern)

        assert (outcome.weight_OI is None) == (name == "dsnot")
        if outcome.weight_OI is not None:
            removed = outcome.weight_OI[~outcome.keep_mask]
            assert outcome.weight_OI.dtype == dtype
            assert outcome.weight_OI.shape == weight.shape
            assert (removed == 0).all()
            assert not torch.signbit(removed).any()

    def test_the_weight_is_left_alone(self, name):
        weight = weight_of(8, 16)
        before = weight.clone()

        pruned_by(name, weight)

        assert torch.equal(before, weight)

    def test_the_same_again_gives_the_same(self, name):
        (_, first), (_, again) = (pruned_by(name, weight_of(8, 16)) for _ in range(2))

        assert torch.equal(first.keep_mask, again.keep_mask)
        assert first.loss == again.loss
        if first.weight_OI is not None:
            assert torch.equal(first.weight_OI, again.weight_OI)

    def test_other_scopes_than_it_can_do_are_refused(self, name):
        """Masks that a method chooses by itself cannot compete across matrices."""
        for scope in ("global", "block"):
            assert f'"{name}"' in registry.get("methods", name).refuses(Pattern(), scope)


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


PLUGIN = """
from sparsity_report.contracts import Info, NoParams

INFO = Info(
    name="smallest-share", summary="a rule of another package", equation="S_{ij} = W_{ij}^2", spoken="the square",
    cite="somebody2030share",
    traits=dict.fromkeys(("family", "removes", "speed-up", "hardware", "weight update"), "-"),
)
DEFAULT_SCOPE, SEEDED, NEEDS = "layer", False, ()


class Params(NoParams):
    pass


def refuses(pattern, scope):
    return ""


def score(weight_OI, task, params):
    return weight_OI.float().square()
"""


def test_another_package_adds_a_method_through_an_entry_point(tmp_path):
    """Installed beside ours it is listed, validated, run and cited, in a process that knows nothing else of it."""
    (tmp_path / "theirs.py").write_text(PLUGIN)
    about = tmp_path / "theirs-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[sparsity_report.methods]\nsmallest-share = theirs\n")
    spec = tmp_path / "plugin.toml"
    spec.write_text(
        'spec_version = 1\nstudy.title = "t"\ndata.evaluation = {source = "embedded", length = 64, windows = 2}\n'
        'metrics.use = ["sparsity"]\nreport.outputs = []\n[[model]]\nsource = "bundled:tiny-opt"\n'
        '[[variant]]\nmethod = ["smallest-share", "magnitude"]\nsparsity = 0.3\nformat = "masked"\n'
    )
    here = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    command = [sys.executable, "-m", "sparsity_report", "run", str(spec), "--out", str(tmp_path / "run")]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": here}, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    own, magnitude = results["nodes"]
    assert (own["stages"][0]["entry"], own["sparsity"]) == ("smallest-share", magnitude["sparsity"])
    assert "somebody2030share" in [each.get("cite") for each in results["entries"]]
