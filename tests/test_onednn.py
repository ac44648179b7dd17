"""Products through oneDNN are those of PyTorch to rounding, whatever the shapes, and nothing else goes that way."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from sparsity_report import onednn

GENERATOR = torch.Generator().manual_seed(0)


def random(*shape):
    return torch.randn(shape, generator=GENERATOR)


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize(
    ("x", "weight"),
    [
        (random(2, 7, 33), random(19, 33)),
        (random(1, 33), random(1, 33)),
        (random(33, 5).t(), random(19, 33)),
        (random(1, 1, 33).expand(3, 5, 33), random(33, 19).t()),
        (random(4, 40)[:, :33], random(19, 50)[:, 10:43]),
        (random(0, 33), random(19, 33)),
        (random(33), random(19, 33)),
    ],
    ids=["windows", "one", "transposed", "expanded", "cut", "no tokens", "a vector"],
)
@torch.no_grad()
def test_the_product_against_float64(x, weight, with_bias):
    bias = random(len(weight)) if with_bias else None
    exact = x.double() @ weight.double().t() + (0 if bias is None else bias.double())
    bound = 33 * torch.finfo(torch.float32).eps * (x.abs().double() @ weight.abs().double().t() + 4)

    found = onednn.linear(x, weight, bias)
    assert found.shape == functional.linear(x, weight, bias).shape
    assert ((found - exact).abs() <= bound).all()


def calls_in(model, x, monkeypatch):
    """How many linear maps of a forward go through `onednn.linear`."""
    seen = []
    monkeypatch.setattr(onednn, "linear", lambda *given: seen.append(1) or functional.linear(*given))
    with onednn.Linears():
        model(x)
    return len(seen)


def test_every_linear_layer_goes_this_way_inside_of_the_context_only(monkeypatch):
    model, x = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 4, bias=False)), random(3, 8)

    assert calls_in(model, x, monkeypatch) == 2
    monkeypatch.setattr(onednn, "linear", lambda *given: pytest.fail("outside of the context"))
    model(x)


def test_gradients_other_types_and_other_devices_stay_with_pytorch():
    x, weight = random(3, 8), random(4, 8)

    assert not onednn.serves(x, weight)
    with torch.no_grad():
        assert onednn.serves(x, weight) == torch.backends.mkldnn.is_available()
        assert not onednn.serves(x.bfloat16(), weight.bfloat16())
        assert not onednn.serves(x.to("meta"), weight)
