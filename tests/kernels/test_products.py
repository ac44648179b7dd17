"""Sparse products are right: every loop, on every instruction set, with any number of threads, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sparse_products as products
import torch

from sparsity_report import registry
from sparsity_report.contracts import Pattern
from sparsity_report.kernels import bfloat16, cpu

SCRIPT = Path(products.__file__)


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", products.PATTERNS)
def test_products_are_within_the_error_of_the_arithmetic(name, threads):
    """T53: shapes with remainders, full, empty and all-zero rows, 1 to 130 tokens, three types, bias or none."""
    assert products.cases(name, products.PATTERNS[name], threads, products.WALKS["some"]) >= 100


@pytest.mark.slow
@pytest.mark.parametrize("name", products.PATTERNS)
def test_every_loop_of_every_type(name):
    """Each type with each number of tokens, each pattern too: minutes of compiling."""
    assert products.cases(name, products.PATTERNS[name], 0, products.WALKS["all"]) >= 180


def run_script(*arguments: str, **environment: str) -> str:
    """Runs the products in a process of their own."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env={**os.environ, "OMP_WAIT_POLICY": "passive", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    return done.stdout


@pytest.mark.parametrize("level", ["portable", "avx2"])
def test_every_machine_computes_the_same(level):
    """The paths of older and other processors; and PyTorch keeps its number of threads, whatever Numba's is."""
    output = run_script("few", **{cpu.VARIABLE: level})

    assert "PyTorch has 3 threads" in output
    assert f"products on {level if cpu.compiled_features() >= cpu.LEVELS[level] else 'portable'}" in output


def test_nothing_beside_the_buffers_is_read_or_written():
    """Pages without access lie directly before or behind every tensor: touching one ends the process."""
    assert "guarded" in run_script("some", "guarded")


@pytest.mark.slow
@pytest.mark.parametrize("level", ["portable", "avx2"])
@pytest.mark.parametrize("guards", [[], ["guarded"]], ids=["values", "guards"])
def test_every_machine_computes_the_same_of_every_type(level, guards):
    """As above, with more combinations of types and loops."""
    assert "products on" in run_script("few of each", *guards, **{cpu.VARIABLE: level})


@pytest.mark.parametrize("name", products.PATTERNS)
@pytest.mark.parametrize("tokens", [1, 5, 40])
def test_inputs_of_any_shape_and_stride(name, tokens):
    """Non-contiguous and three-dimensional inputs, inputs of half precision, and no tokens at all."""
    pattern = Pattern.parse(products.PATTERNS[name][0])
    weight = products.sparse_weight((24, 72), pattern, 0.5, 1)
    x = torch.randn(72, tokens * 2, generator=torch.Generator().manual_seed(tokens)).T

    products.check(name, pattern, weight, x[::2], None)
    products.check(name, pattern, weight, x.reshape(2, tokens, 72), torch.ones(24))
    products.check(name, pattern, weight, x[:tokens].to(torch.bfloat16), torch.ones(24, dtype=torch.bfloat16))
    products.check(name, pattern, weight, x[:0], None)


@pytest.mark.parametrize("tokens", [1, 4, 64])
def test_trained_weights(tiny_opt, tokens):
    """Outliers as training leaves them, not only random numbers; pruned by magnitude to one half."""
    layers = [each for name, each in tiny_opt.model.named_modules() if name.endswith(("fc1", "fc2", "q_proj"))]
    for layer in layers:
        dense = layer.weight.detach()
        weight = torch.where(dense.abs() > dense.abs().median(), dense, 0.0)
        x = torch.randn(tokens, weight.shape[1], generator=torch.Generator().manual_seed(tokens)) * 10
        products.check("bitmask", Pattern(), weight, x, None)


@pytest.mark.parametrize("tokens", [1, 4, 64])
def test_what_is_not_finite_stays_in_its_token_and_row(tokens):
    """An infinite weight spoils its row, an infinite input its token, and nothing else."""
    module, weight = registry.get("formats", "bitmask"), torch.zeros(20, 70)
    weight[3, 5], weight[4, 6] = float("inf"), 2.0
    x = torch.ones(tokens, 70)
    x[0, 69] = float("nan")

    y = module.apply(module.encode(weight, Pattern(), module.Params()), (20, 70), Pattern(), x, None)

    assert torch.isinf(y[1:, 3]).all()
    assert torch.equal(torch.full((tokens - 1,), 2.0), y[1:, 4])
    assert torch.equal(torch.zeros(tokens - 1, 18), torch.cat([y[1:, :3], y[1:, 5:]], 1))


def test_the_operator_is_one_of_pytorchs():
    """Schema, fake tensors and dispatch agree, as `torch.compile` needs them to."""
    from sparsity_report.kernels import operators

    weight = products.sparse_weight((20, 70), Pattern(), 0.5, 1)
    tensors = registry.get("formats", "bitmask").encode(weight, Pattern(), None)
    arguments = (torch.ones(2, 3, 70), tensors["values"], tensors["mask"], tensors["pointers"], None, torch.ones(20))

    torch.library.opcheck(operators.BITMASK, arguments, test_utils=("test_schema", "test_faketensor"))


def test_values_in_8_bits_with_a_scale_for_each_row():
    """W = s · q: what a quantize stage leaves; against float64 of the same product."""
    from sparsity_report.kernels import operators

    generator = torch.Generator().manual_seed(0)
    weight = (torch.randint(-127, 128, (24, 130), generator=generator) * (torch.rand(24, 130) > 0.5)).to(torch.int8)
    scales, bias = torch.rand(24, generator=generator) / 100, torch.randn(24, generator=generator)
    tensors = registry.get("formats", "bitmask").encode(weight, Pattern(), None)
    for tokens in (1, 5, 70):
        x = torch.randn(tokens, 130, generator=generator)

        y = operators.BITMASK(x, tensors["values"], tensors["mask"], tensors["pointers"], scales, bias)

        expected = x.double() @ (weight.double() * scales[:, None].double()).T + bias.double()
        limit = products.bound(weight.double() * scales[:, None].double(), x, bias, torch.float32)
        assert ((y.double() - expected).abs() <= limit).all()


@pytest.mark.parametrize("text", ["2:4", "1:4", "1:2", "4:8", "3:7", "5:16", "2:100"])
def test_positions_become_the_bits_of_a_mask(text):
    """Exactly N bits in every whole group, where the values belong, and none behind the last group."""
    from sparsity_report.kernels import products as loops

    pattern = Pattern.parse(text)
    weight = products.sparse_weight((5, 65), pattern, 0, 1)
    tensors = registry.get("formats", "nm").encode(weight, pattern, None)
    groups = -(-65 // pattern.m)
    words = -(-groups * pattern.m // 64)

    mask, pointers = loops.unpacked(tensors["positions"], 5, groups, pattern.n, pattern.m, words)

    bits = (mask[..., None] >> torch.arange(64)).bitwise_and(1).view(5, -1)
    assert pointers.tolist() == [row * groups * pattern.n for row in range(6)]
    assert bits.sum(1).tolist() == [groups * pattern.n] * 5
    assert torch.equal(weight[weight != 0], weight[bits[:, :65].bool() & (weight != 0)])
    spread = torch.zeros(5, bits.shape[1]).masked_scatter(bits.bool(), tensors["values"])
    assert torch.equal(weight, spread[:, :65])


@pytest.mark.parametrize("name", products.PATTERNS)
def test_a_layer_compiles_in_one_graph_and_its_hooks_fire(name):
    """`torch.compile` sees one operator, not a break; hooks see the layer's result."""
    from sparsity_report.contracts import FormatChoice
    from sparsity_report.engine.variant import FormattedLinear

    pattern = Pattern.parse(products.PATTERNS[name][0])
    layer = FormattedLinear(
        products.sparse_weight((24, 72), pattern, 0.5, 1), torch.ones(24), FormatChoice(name), pattern
    )
    seen: list[torch.Size] = []
    layer.register_forward_hook(lambda module, inputs, y: seen.append(y.shape))
    x = torch.randn(2, 3, 72, generator=torch.Generator().manual_seed(0))

    with torch.inference_mode():
        compiled = torch.compile(layer, backend="eager", fullgraph=True)(x)

        assert torch.equal(layer(x), compiled)
    assert seen == [torch.Size([2, 3, 24])] * 2


@pytest.mark.parametrize("tokens", [512, 513, 1025])
def test_tokens_that_do_not_go_through_at_once(tokens):
    """Chunks of tokens meet without a gap: every token's product against float64."""
    generator = torch.Generator().manual_seed(tokens)
    weight = torch.randn(70, 130, generator=generator) * (torch.rand(70, 130, generator=generator) > 0.5)
    x = torch.randn(tokens, 130, generator=generator)
    module = registry.get("formats", "bitmask")
    y = module.apply(module.encode(weight, Pattern(), module.Params()), (70, 130), Pattern(), x, None)

    bound = 130 * torch.finfo(torch.float32).eps * (x.abs().double() @ weight.abs().double().t())
    assert ((y - x.double() @ weight.double().t()).abs() <= bound).all()


@pytest.mark.parametrize("tokens", [1, 3, 6, 17, 40, 70, 530])
@pytest.mark.parametrize("bias", [None, torch.ones(70, dtype=torch.bfloat16)])
@pytest.mark.parametrize(("name", "text"), [("bitmask", "unstructured"), ("nm", "2:4"), ("nm", "3:7")])
def test_every_loop_for_bfloat16(monkeypatch, name, text, bias, tokens):
    """Whatever would be chosen: dots, pairs, unpacking and skipping all give the product, chunk by chunk."""
    pattern = Pattern.parse(text)
    weight = products.sparse_weight((70, 192), pattern, 0.5, tokens).to(torch.bfloat16)
    x = torch.randn(tokens, 192, generator=torch.Generator().manual_seed(tokens)).to(torch.bfloat16)
    ways = ["dots", "unpack", "skip"]
    loops = [bfloat16.few_picks(1), bfloat16.few_picks(8), *(bfloat16.many_pairs(each) for each in (1, 2, 4))]
    for way, loop in [("dots", each) for each in loops] if text == "2:4" else [(each, None) for each in ways]:
        monkeypatch.setattr(bfloat16, "choose", lambda *_, way=way: way)
        monkeypatch.setattr(bfloat16, "choose_for_2_4", lambda _, loop=loop: loop)
        products.check(name, pattern, weight, x, bias)
