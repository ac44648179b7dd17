"""Every quantizer: zeros stay zeros, what is stored is exactly what the weights are; and two computed by hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch

from sparsity_report import registry
from sparsity_report.errors import SparsityReportError

if TYPE_CHECKING:
    from sparsity_report.low_precision import LowPrecision

CASES = [
    (name, params)
    for name, every in {
        "rtn": [{"bits": 8}, {"bits": 4}],
        "cast": [{"dtype": "bfloat16"}, {"dtype": "float16"}],
    }.items()
    for params in every
]


def sparse_weight(rows: int = 7, cols: int = 33) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(rows, cols, generator=generator)
    weight[2] = 0.0  # a row without any weight
    return weight * (torch.rand(rows, cols, generator=generator) > 0.5)  # leaves −0.0 too


def test_the_cases_are_all_quantizers():
    assert {name for name, _ in CASES} == set(registry.names("quantizers"))


@pytest.mark.parametrize(("name", "given"), CASES, ids=str)
class TestEveryQuantizer:
    def quantised(self, name, given, weight) -> LowPrecision:
        module = registry.get("quantizers", name)
        return module.quantize(weight, module.Params(**given))

    def test_it_says_what_it_is_and_where_it_comes_from(self, name, given):
        info = registry.get("quantizers", name).INFO

        assert name == info.name
        assert info.summary
        assert info.equation
        assert info.spoken
        assert info.cite

    def test_zeros_stay_exactly_zero(self, name, given):
        """T60: a pruned weight has the value 0 and is 0, not −0, whatever its row's scale."""
        weight = sparse_weight()
        low = self.quantised(name, given, weight)
        after = low.weight_OI(torch.float32)

        assert not after[weight == 0].any()
        assert not torch.signbit(after[weight == 0]).any()
        assert not low.values_OI[weight == 0].any()

    def test_stored_types_are_those_of_the_arithmetic(self, name, given):
        module = registry.get("quantizers", name)
        low, values = self.quantised(name, given, sparse_weight()), module.values(module.Params(**given))

        assert str(low.values_OI.dtype) == f"torch.{values.dtype}"
        assert low.values_OI.element_size() == values.bytes
        assert (low.scales_O is not None) == values.scaled
        assert low.scales_O is None or (low.scales_O.dtype, low.scales_O.shape) == (torch.float32, (7,))

    def test_quantising_twice_changes_nothing(self, name, given):
        once = self.quantised(name, given, sparse_weight())
        twice = self.quantised(name, given, once.weight_OI(torch.float32))

        assert torch.equal(once.weight_OI(torch.float32), twice.weight_OI(torch.float32))

    def test_nothing_is_further_away_than_half_a_step(self, name, given):
        weight = sparse_weight().double()
        error = (self.quantised(name, given, weight.float()).weight_OI(torch.float32).double() - weight).abs()
        if name == "rtn":
            step = weight.abs().amax(1, keepdim=True) / (2 ** (given["bits"] - 1) - 1)
        else:  # significands of 8 and 11 bits
            step = weight.abs() * {"bfloat16": 2.0**-7, "float16": 2.0**-10}[given["dtype"]]

        assert (error <= step / 2 * (1 + 1e-5)).all()

    def test_masking_afterwards_is_masking_the_weight(self, name, given):
        low = self.quantised(name, given, sparse_weight())
        keep_mask = torch.rand(7, 33, generator=torch.Generator().manual_seed(9)) > 0.5

        expected = low.weight_OI(torch.float32).masked_fill(~keep_mask, 0.0)
        assert torch.equal(expected, low.masked(keep_mask).weight_OI(torch.float32))

    def test_weights_that_are_not_finite_are_refused_or_kept(self, name, given):
        weight = sparse_weight()
        weight[0, 0] = math.inf
        if name == "rtn":
            with pytest.raises(SparsityReportError, match="not finite"):
                self.quantised(name, given, weight)
        else:
            assert self.quantised(name, given, weight).values_OI[0, 0] == math.inf


def test_round_to_nearest_by_hand():
    """Rows of scale 1/127 and 2/127: 0.5 · 127 = 63.5 rounds to the even 64; 0.3 · 127 / 2 = 19.05 to 19."""
    rtn = registry.get("quantizers", "rtn")
    low = rtn.quantize(torch.tensor([[1.0, -0.5, 0.0], [0.3, 2.0, -2.0]]), rtn.Params())

    assert low.values_OI.tolist() == [[127, -64, 0], [19, 127, -127]]
    assert low.scales_O.tolist() == pytest.approx([1 / 127, 2 / 127])


def test_four_bits_have_fifteen_values():
    rtn = registry.get("quantizers", "rtn")
    low = rtn.quantize(torch.linspace(-1, 1, 1001)[None], rtn.Params(bits=4))

    assert low.values_OI.unique().tolist() == list(range(-7, 8))


def test_a_weight_beyond_float16_is_refused():
    """65,504 is its largest number."""
    cast = registry.get("quantizers", "cast")

    assert cast.quantize(torch.tensor([[65504.0]]), cast.Params(dtype="float16")).values_OI.item() == 65504
    with pytest.raises(SparsityReportError, match="7e\\+04 is beyond float16"):
        cast.quantize(torch.tensor([[70000.0]]), cast.Params(dtype="float16"))
