"""The closing pass: logits in float32, a head that is checked, and differences that NaN cannot hide."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from sparsity_report.engine import behaviour as closing
from sparsity_report.engine import equivalence
from sparsity_report.engine.behaviour import Behaviour, apply_head, check_head, closing_pass, forward_hidden
from sparsity_report.errors import SparsityReportError
from sparsity_report.metrics import perplexity
from sparsity_report.results.model import CellRecord, FormatRecord, VariantRecord
from sparsity_report.windows import Windows

PLAIN = SimpleNamespace(final_logit_softcapping=None)
IDS = torch.arange(20).view(2, 10) + 5


class Head(torch.nn.Module):
    """Gives the same logits whatever it is given."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, hidden):
        return self.logits


def test_logits_are_float32_before_any_softmax():
    """T43: the exponential of 1e4 overflows float16; its log-softmax in float32 does not."""
    logits = apply_head(Head(torch.tensor([[1e4, 1e4 - 8]], dtype=torch.float16)), torch.zeros(1, 1), PLAIN)

    assert logits.dtype == torch.float32
    assert torch.log_softmax(logits, -1)[0].tolist() == pytest.approx(
        [-math.log1p(math.exp(-8)), -8 - math.log1p(math.exp(-8))], rel=1e-4
    )


def test_soft_caps_are_applied():
    logits = apply_head(Head(torch.tensor([[60.0]])), torch.zeros(1, 1), SimpleNamespace(final_logit_softcapping=30.0))

    assert logits.item() == pytest.approx(30 * math.tanh(2))


def test_the_head_is_checked_against_the_models_own_logits(tiny_opt):
    """A model that scales its logits after the head is refused, never mismeasured."""
    behaviour = forward_hidden(tiny_opt.model, IDS)
    check_head(tiny_opt.model, IDS, behaviour)

    scaled = type(behaviour)(behaviour.hidden_NLD * 1.5, behaviour.head)
    with pytest.raises(SparsityReportError, match="not known here"):
        check_head(tiny_opt.model, IDS, scaled)


@pytest.mark.parametrize(("broken", "shown"), [(math.nan, math.isnan), (math.inf, math.isinf)])
def test_a_leaf_that_is_not_finite_differs_without_bound(tiny_opt, broken, shown):
    """max(0.0, nan) is 0.0: a format that returns NaN must not pass as equal."""
    node = forward_hidden(tiny_opt.model, IDS)

    class Leaf(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, input_ids, use_cache):
            return SimpleNamespace(logits=torch.full((*input_ids.shape, 2048), broken))

    difference, scale = equivalence.largest_difference(Leaf(), IDS, node, tiny_opt.model.config)

    assert shown(difference)
    assert math.isfinite(scale)


def cell(difference, scale):
    records = [
        equivalence.record(equivalence.INFO, name, value)
        for name, value in (("max_abs_logit_difference", difference), ("max_abs_logit", scale))
    ]
    variant = VariantRecord(id="v", model="m", format=FormatRecord(entry="csr"))
    return CellRecord(id="csr", node="n", variant=variant, status="ok", metrics=tuple(records))


@pytest.mark.parametrize(
    ("difference", "scale", "verdict"),
    [(0.01, 20.0, "pass"), (0.03, 20.0, "miss"), (math.nan, 20.0, "miss"), (math.nan, math.nan, "cannot_check")],
)
def test_the_verdict_follows_the_largest_logit(difference, scale, verdict):
    assert equivalence.check(cell(difference, scale), "float32").verdict == verdict


def toy(ids_NL, logits_SV):
    """A model whose hidden state is its last token, one-hot in float64, and whose head is a table of logits."""
    head = torch.nn.Linear(*logits_SV.shape, bias=False, dtype=torch.float64)
    head.weight.data = logits_SV.T.contiguous()
    return Behaviour(torch.nn.functional.one_hot(ids_NL, len(logits_SV)).double(), head)


def perplexity_of(ids_NL, model):
    [table] = closing_pass(ids_NL, model, [model], ["perplexity"], PLAIN)
    return perplexity.measure(table["perplexity"], {}, Windows(ids_NL, "toy", "", 0, 1, ""))[0].value


def test_a_uniform_model_has_the_vocabulary_as_perplexity_through_the_closing_pass():
    """T42: 50,257 equally likely tokens, in float64, over windows that do not fill a step."""
    ids = torch.arange(12).view(3, 4)

    assert perplexity_of(ids, toy(ids, torch.zeros(12, 50_257, dtype=torch.float64))) == pytest.approx(
        50_257, rel=1e-12
    )


def test_a_source_of_known_entropy_has_its_entropy_rate():
    """T42: after 0 come 0 and 1 alike, after 1 comes 0: two thirds of a bit a token on 0 0 1 0 0 1 …"""
    ids = torch.tensor([0, 0, 1]).repeat(200)[: 3 * 199 + 1][None]
    model = toy(ids, torch.tensor([[0.5, 0.5], [1.0, 0.0]], dtype=torch.float64).log().clamp(min=-1e4))

    assert perplexity_of(ids, model) == pytest.approx(2 ** (2 / 3), rel=1e-12)


def test_logits_exist_for_a_step_at_a_time_and_dense_ones_once(monkeypatch):
    """T47: windows of 300 and of 40 predicted tokens: whole windows share a step, and no step exceeds its size."""
    seen = []

    class Counting(torch.nn.Module):
        def forward(self, hidden):
            seen.append(len(hidden))
            return torch.zeros(len(hidden), 8)

    for windows, length in ((2, 301), (7, 41)):
        ids, hidden = torch.zeros(windows, length, dtype=torch.int64), torch.zeros(windows, length, 4)
        nodes = [Behaviour(hidden, torch.nn.Linear(4, 8)) for _ in range(2)]
        seen.clear()

        tables = closing_pass(
            ids, Behaviour(hidden, Counting()), nodes, ["perplexity", "divergence", "agreement"], PLAIN
        )

        assert max(seen) <= closing.TOKENS_AT_ONCE
        assert sum(seen) == windows * (length - 1)
        assert [tuple(table["perplexity"].shape) for table in tables] == [(windows, length - 1, 2)] * 2


def test_a_position_is_measured_alike_wherever_its_step_ends(tiny_opt, monkeypatch):
    """Steps and rows are there for memory; they change nothing."""
    ids = torch.arange(150).view(3, 50) % 1900 + 5
    node = forward_hidden(tiny_opt.model, ids)
    other = Behaviour(node.hidden_NLD * 0.9, node.head)
    families = ["perplexity", "divergence", "agreement", "flips", "ranks", "confidence"]
    [whole] = closing_pass(ids, node, [other], families, PLAIN)
    monkeypatch.setattr(closing, "TOKENS_AT_ONCE", 7)
    monkeypatch.setattr(closing, "ROWS", 3)

    [parts] = closing_pass(ids, node, [other], families, PLAIN)

    for family in families:
        assert torch.allclose(whole[family], parts[family], rtol=1e-4, atol=1e-5), family
