"""Shares of a forward: exact on a clock that is told the time, adding up on a real one."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest
import torch
from tiny_models import CONFIGS, build_model
from torch import nn

from sparsity_report.contracts import FormatChoice
from sparsity_report.engine import products, profile
from sparsity_report.engine.products import ProductTimes, product_of, time_products
from sparsity_report.engine.profile import Clock, HookCost, PairProfile, PhaseProfile, gather, parts_of, split
from sparsity_report.engine.state import ModelState, targeted
from sparsity_report.engine.timing import Setting
from sparsity_report.engine.variant import build
from sparsity_report.metrics import profile as family
from sparsity_report.models.anatomy import anatomy
from sparsity_report.spec.model import Target

SETTING = Setting(batch=1, prompt=6, decode=(3,), runs=3, seconds=0.0)


class Time:
    """A clock that only passes when told, and at every reading by what reading costs."""

    def __init__(self, reading=0.0):
        self.at, self.reading = 0.0, reading

    def __call__(self):
        self.at += self.reading
        return self.at

    def passes(self, seconds, inner=()):
        def run(*args):
            self.at += seconds
            for each in inner:
                each()

        return run


def targets_of(model):
    return tuple(dict.fromkeys(matrix.module for matrix in targeted(anatomy(model), Target())))


def test_a_module_has_its_own_time_without_that_of_modules_inside_it():
    """Attention takes 5 of its own around two linear maps of 2 and 3; the model takes 7 beside them."""
    time = Time()
    clock = Clock(time)
    linear = [clock.wrap(time.passes(seconds), "target_linear") for seconds in (2.0, 3.0)]
    attention = clock.wrap(time.passes(5.0, linear), "attention")
    clock.wrap(time.passes(7.0, [attention]), "framework", whole=True)()

    found = split(clock, "prefill", time.at, HookCost())
    assert found == {
        "target_linear": 5.0, "other_linear": 0.0, "attention": 5.0, "lm_head": 0.0, "norm_activation": 0.0,
        "framework": 7.0,
    }  # fmt: skip


def test_the_first_forward_is_the_prefill_and_the_others_decode():
    time = Time()
    clock = Clock(time)
    forward = clock.wrap(time.passes(1.0, [clock.wrap(time.passes(2.0), "attention")]), "framework", whole=True)
    for _ in range(3):
        forward()

    assert split(clock, "prefill", 3.0, HookCost())["attention"] == 2.0
    assert split(clock, "decode", 6.0, HookCost())["attention"] == 4.0


def test_the_cost_of_the_clocks_is_found_and_taken_off():
    """Reading the clock costs a tenth of what a module takes; the shares are as if it cost nothing."""
    time = Time(reading=0.1)
    cost = profile.hook_cost(time)
    clock = Clock(time)
    linear = [clock.wrap(time.passes(1.0), "target_linear")] * 4
    attention = clock.wrap(time.passes(2.0, linear), "attention")
    started = time.at
    clock.wrap(time.passes(4.0, [attention]), "framework", whole=True)()

    found = split(clock, "prefill", time.at - started, cost)
    assert cost.total == pytest.approx(0.2, rel=0.01)
    assert found["target_linear"] == pytest.approx(4.0, rel=0.01)
    assert found["attention"] == pytest.approx(2.0, rel=0.01)
    assert found["framework"] == pytest.approx(4.0, rel=0.01)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_linear_map_attention_norm_and_head_is_timed(name):
    """No architecture hides a part: what is left to the framework holds no parameter."""
    model = build_model(name)
    parts = parts_of(model, anatomy(model), targets_of(model))

    kinds = list(parts.values())
    assert kinds.count("attention") == 2
    assert kinds.count("lm_head") == 1
    assert kinds.count("target_linear") == len(targets_of(model))
    untimed = [
        path for path, module in model.named_modules() if path not in parts and any(module.parameters(recurse=False))
    ]
    assert untimed == []


def test_a_model_is_as_it_was_after_being_profiled():
    model = build_model("llama")
    before = {path: module.__dict__.get("forward") for path, module in model.named_modules()}
    ids = torch.arange(6)[None] + 2
    expected = model(input_ids=ids).logits

    with profile.timed_modules(model, parts_of(model, anatomy(model), targets_of(model)), Clock()):
        assert torch.equal(expected, model(input_ids=ids).logits)

    assert before == {path: module.__dict__.get("forward") for path, module in model.named_modules()}


def variant_of(model, entry):
    parts = anatomy(model)
    masks = {
        each.shape.path: torch.ones(each.shape.rows, each.shape.cols, dtype=torch.bool)
        for each in targeted(parts, Target())
    }
    for mask in masks.values():
        mask[:, ::2] = False
    state = ModelState(model, parts, targeted(parts, Target()), keep_masks=masks)
    return build(state, FormatChoice(entry, {"index": "int32"} if entry == "csr" else {})).model


def pair_of(model, entry="csr"):
    variant = model if entry == "dense" else variant_of(model, entry)
    return profile.profile_pair(variant, model, anatomy(model), targets_of(model), torch.arange(6)[None] + 2, SETTING)


def test_the_parts_of_a_real_forward_add_up(tiny_opt):
    """Against the time of the same forwards without clocks, within what a busy machine allows."""
    setting = Setting(batch=1, prompt=64, decode=(4,), runs=7, seconds=0.0)
    model = tiny_opt.model
    ids = torch.arange(64)[None] + 5
    pair = profile.profile_pair(model, model, anatomy(model), targets_of(model), ids, setting)

    for phase in ("prefill", "decode"):
        shares = sum(pair.dense[phase].share(part) for part in profile.PARTS)
        assert shares == pytest.approx(np.ones(7))
        assert 0.7 < float(np.median(pair.dense[phase].closure)) < 1.4
    calls = 60  # modules of the tiny OPT that are timed, and some more
    assert pair.cost.total * calls < 0.5 * float(np.median(pair.dense["decode"].bare)) / 4


@pytest.mark.parametrize("name", ["llama", "gpt2", "opt"])
def test_a_pair_has_shares_products_and_bytes(name):
    """GPT-2's Conv1D has its weight transposed; its product is the same."""
    pair = pair_of(build_model(name))

    assert pair.variant.keys() == pair.dense.keys() == pair.products.keys() == {"prefill", "decode"}
    assert all((times.variant > 0).all() and (times.dense > 0).all() for times in pair.products.values())
    assert pair.dense_bytes == 4 * sum(matrix.shape.numel for matrix in targeted(anatomy(build_model(name)), Target()))
    assert pair.samples()["profile_decode_b1_p6"]["variant"].keys() == set(profile.PARTS)


def test_dense_is_profiled_once_and_has_no_products():
    pair = pair_of(build_model("opt"), "dense")

    assert pair.variant is pair.dense
    assert pair.products == {}
    records = family.measure(pair, {"batch": 1}, "dense", is_reference=True)
    assert {"time_share", "python_share", "profile_closure", "amdahl_limit"} == {each.metric for each in records}


def test_without_decoding_only_the_prefill_is_split():
    model = build_model("opt")
    setting = Setting(batch=2, prompt=4, decode=(), runs=3, seconds=0.0)
    pair = profile.profile_pair(
        variant_of(model, "masked"),
        model,
        anatomy(model),
        targets_of(model),
        torch.ones(2, 4, dtype=torch.int64),
        setting,
    )

    assert list(pair.variant) == list(pair.products) == ["prefill"]


@pytest.mark.parametrize("name", ["llama", "gpt2"])
@pytest.mark.parametrize("entry", ["masked", "csr"])
def test_the_product_alone_is_the_layer_s_without_its_bias(name, entry):
    model = build_model(name)
    layer = variant_of(model, entry).get_submodule(targets_of(model)[0])
    cols, product = product_of(layer)
    x = torch.randn(3, cols)

    bias = layer.bias if layer.bias is not None else 0.0
    assert torch.allclose(layer(x), product(x) + bias, atol=1e-5)


def test_one_pass_multiplies_every_targeted_matrix_once(monkeypatch):
    model, seen = build_model("opt"), []
    monkeypatch.setattr(products, "one_pass", lambda work, passes, device: seen.append(len(work)) or 1.0)
    times = time_products(variant_of(model, "csr"), model, targets_of(model), 2, 3)

    assert set(seen) == {12}
    assert len(times.variant) == 3


def flat(**seconds):
    parts = {part: np.full(3, float(seconds.get(part, 0.0))) for part in profile.PARTS}
    return PhaseProfile(parts, sum(parts.values()), sum(parts.values()), 0.75 * sum(parts.values()))


def test_the_steps_follow_amdahl_s_law():
    """
    Layers have 6 of 10 dense seconds and 3 in the variant: twice as fast, 1 / (0.4 + 0.6 / 2) = 1.43 of the whole, and
    at most 2.5 for nothing.
    """
    dense, variant = flat(target_linear=6, attention=1, framework=3), flat(target_linear=3, attention=1, framework=3)
    pair = PairProfile(
        SETTING, {"decode": variant}, {"decode": dense},
        {"decode": ProductTimes(np.full(3, 1.0), np.full(3, 4.0))}, 50, 100, HookCost(),
    )  # fmt: skip

    found = {e.metric: e for e in family.measure(pair, {"batch": 1}, "dense", is_reference=False)}

    assert found["bytes_gain"].value == 2.0
    assert found["product_gain"].value == 4.0
    assert found["layer_gain"].value == 2.0
    assert found["amdahl_gain"].value == pytest.approx(1 / 0.7)
    assert found["amdahl_gain"].kind == "modelled"
    dense_pair = PairProfile(SETTING, {"decode": dense}, {"decode": dense}, {}, 100, 100, HookCost())
    shares = {
        e.conditions.get("part", e.metric): e.value for e in family.measure(dense_pair, {}, "dense", is_reference=True)
    }
    assert shares == {
        "target_linear": 0.6, "attention": 0.1, "framework": 0.3, "profile_closure": 1.0, "python_share": 0.25,
        "amdahl_limit": pytest.approx(2.5),
    }  # fmt: skip


def test_shares_add_up_whatever_a_round_does():
    """One of three rounds has an attention a hundred times as long: neither the shares nor their sum follow it."""
    parts = {part: np.full(3, 1.0) for part in profile.PARTS}
    parts["attention"] = np.array([1.0, 100.0, 1.0])
    whole = sum(parts.values())
    pair = PairProfile(
        SETTING, {"decode": PhaseProfile(parts, whole, whole, whole)},
        {"decode": PhaseProfile(parts, whole, whole, whole)}, {}, 1, 1, HookCost(),
    )  # fmt: skip

    found = [e for e in family.measure(pair, {}, "dense", is_reference=True) if e.metric == "time_share"]

    assert [each.value for each in found] == [pytest.approx(1 / 6)] * 6
    assert all(each.ci[0] <= each.value <= each.ci[1] for each in found)


class Slow(nn.Module):
    """A causal model that spends its time in Python or in a kernel."""

    def __init__(self, python, kernel):
        super().__init__()
        self.python, self.kernel, self.weight = python, kernel, torch.ones(kernel, kernel)

    def forward(self, input_ids, past_key_values=None, use_cache=True):
        for _ in range(self.python):
            pass
        _ = self.weight @ self.weight
        return type("Output", (), {"logits": torch.zeros(*input_ids.shape, 5), "past_key_values": None})()


@pytest.mark.parametrize(("python", "kernel", "low", "high"), [(2_000_000, 2, 0.9, 1.0), (1, 700, 0.0, 0.5)])
def test_python_is_what_lies_outside_of_all_kernels(python, kernel, low, high):
    """A loop of two million turns is Python, a product of 700 by 700 is not; in the prefill and in decoding."""
    model, ids = Slow(python, kernel), torch.zeros(1, 3, dtype=torch.int64)
    found = gather([profile.profile_round(model, {}, ids, 2, HookCost(), perf_counter) for _ in range(5)])

    for phase in ("prefill", "decode"):
        assert low <= float(np.median(found[phase].python)) <= high


def test_a_format_s_product_is_one_kernel_however_it_is_made(monkeypatch):
    """A product in Python, or in compiled code that PyTorch does not know, is the format's and not the framework's."""
    model = build_model("opt")
    variant = variant_of(model, "csr")

    def slow(tensors, shape, pattern, x, bias):
        for _ in range(300_000):
            pass
        return x.new_zeros(*x.shape[:-1], shape[0])

    for path in targets_of(model):
        monkeypatch.setattr(variant.get_submodule(path), "product", slow)
    found = gather([profile.profile_round(variant, {}, torch.arange(6)[None] + 2, 1, HookCost(), perf_counter)] * 3)

    assert float(np.median(found["decode"].python)) < 0.5


def test_rounds_are_gathered_by_phase_and_part():
    split_of = dict.fromkeys(profile.PARTS, 1.0)
    found = gather([{"prefill": (split_of, 5.0, 2.0)}, {"prefill": (split_of, 6.0, 9.0)}])

    assert found["prefill"].wrapped.tolist() == [6.0, 6.0]
    assert found["prefill"].closure.tolist() == [1.2, 1.0]
    assert found["prefill"].python.tolist() == [0.6, 0.0]


def test_a_module_without_parameters_of_its_own_can_be_wrapped():
    """An activation that is shared by all blocks is timed once a call, not once a block."""
    shared = nn.ReLU()
    model = nn.Sequential(shared, nn.Identity())
    clock = Clock()
    with profile.timed_modules(model, {"0": "norm_activation"}, clock):
        model(torch.zeros(1))

    assert clock.tallies["prefill", "norm_activation"].calls == 1
