"""Who looks for the operator sees it, though calls that nobody watches are not dispatched."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import sparse_products as products
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from sparsity_report.contracts import FormatChoice, Pattern
from sparsity_report.engine.variant import FormattedLinear
from sparsity_report.kernels import operators


class Seen(TorchDispatchMode):
    """Notes the names of dispatched operators."""

    def __init__(self):
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        self.names.append(str(function))
        return function(*arguments, **(options or {}))


def layer_of(name: str) -> FormattedLinear:
    pattern = Pattern.parse(products.PATTERNS[name][0])
    weight = products.sparse_weight((24, 72), pattern, 0.5, 1)
    return FormattedLinear(weight, torch.ones(24), FormatChoice(name), pattern)


@pytest.mark.parametrize("name", products.PATTERNS)
def test_a_mode_sees_the_operator(name):
    """Counters of operations work by such modes."""
    with torch.inference_mode(), Seen() as seen:
        layer_of(name)(torch.ones(2, 72))

    assert f"sparsity_report.{name}_linear.default" in seen.names


@pytest.mark.parametrize("name", products.PATTERNS)
def test_a_profiler_sees_the_operator(name):
    """What takes the time has its name in a profile."""
    layer = layer_of(name)
    with torch.inference_mode(), torch.profiler.profile() as profile:
        layer(torch.ones(2, 72))

    assert f"sparsity_report::{name}_linear" in {event.key for event in profile.key_averages()}


def test_fake_tensors_pass_through_a_layer():
    """A shape without data, as `torch.export` asks for it."""
    layer = layer_of("bitmask")
    with torch.inference_mode(), FakeTensorMode(allow_non_fake_inputs=True) as mode:
        y = layer(mode.from_tensor(torch.ones(5, 72)))

    assert y.shape == (5, 24)


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # no rule for batches: one product after the other
@pytest.mark.parametrize("name", products.PATTERNS)
def test_vmap_goes_through_the_operator(name):
    """Its tensors have no storage of their own: each token's product is one call."""
    layer, x = layer_of(name), torch.randn(3, 72, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(torch.stack([layer(each) for each in x]), torch.vmap(layer)(x))


@pytest.mark.parametrize("name", products.PATTERNS)
@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_an_unwatched_call_is_not_dispatched_and_gives_the_same(name, mode, monkeypatch):
    """Bit for bit what the operator gives."""
    layer, x = layer_of(name), torch.randn(3, 72, generator=torch.Generator().manual_seed(0))
    expected = layer(x)  # with gradients enabled: dispatched

    monkeypatch.setattr(operators, "BITMASK", None)
    monkeypatch.setattr(operators, "NM", None)
    with mode():
        assert torch.equal(expected, layer(x))


@pytest.mark.parametrize(
    ("context", "kind"),
    [(torch.enable_grad, torch.Tensor), (Seen, torch.Tensor), (nullcontext, torch.nn.Parameter)],
)
def test_who_counts_as_watching(context, kind):
    """Autograd, a mode, and a tensor of another class."""
    with torch.no_grad():
        assert not operators.watched(torch.ones(1))
        with context():
            assert operators.watched(torch.ones(1).as_subclass(kind))
