"""The closing pass: logits in float32, a head that is checked, and differences that NaN cannot hide."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from sparsity_report.engine import equivalence
from sparsity_report.engine.behaviour import apply_head, check_head, forward_hidden
from sparsity_report.errors import SparsityReportError
from sparsity_report.results.model import CellRecord, FormatRecord, VariantRecord

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
