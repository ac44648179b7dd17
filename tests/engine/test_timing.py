"""Timing: pairs are interleaved, ratios come from rounds, and dense against dense is the noise floor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsity_report.engine.timing import PairSamples, Setting, cache_of, interleave, run_once, time_pair
from sparsity_report.metrics import latency

SETTING = Setting(batch=2, prompt=8, decode=3, runs=4, seconds=0.0)


class Recorder(torch.nn.Module):
    """A causal model that writes down who was called, with how many tokens."""

    def __init__(self, name, calls):
        super().__init__()
        self.name, self.calls = name, calls

    def forward(self, input_ids, past_key_values=None, use_cache=True):
        self.calls.append((self.name, tuple(input_ids.shape)))
        logits = torch.zeros(*input_ids.shape, 5)
        return type("Output", (), {"logits": logits, "past_key_values": past_key_values})()


def test_rounds_alternate_the_order_of_the_pair():
    calls = []
    rounds = interleave(Recorder("v", calls), Recorder("d", calls), torch.zeros(2, 8, dtype=torch.int64), SETTING)
    for _ in range(2):
        next(rounds)

    prefills = [name for name, shape in calls if shape == (2, 8)]
    assert prefills == ["v", "d", "d", "v"]


def test_a_round_prefills_once_and_decodes_token_by_token():
    calls = []
    run_once(Recorder("m", calls), torch.zeros(2, 8, dtype=torch.int64), 3)

    assert [shape for _, shape in calls] == [(2, 8), (2, 1), (2, 1), (2, 1)]


def test_all_rounds_are_kept():
    pair = time_pair(Recorder("v", []), Recorder("d", []), torch.zeros(2, 8, dtype=torch.int64), SETTING)

    assert 4 == len(pair.variant_prefill) == len(pair.dense_prefill) == len(pair.variant_decode)
    assert (pair.dense_prefill > 0).all()


def test_the_real_models_decode_with_their_cache(tiny_opt):
    """One decoded token after a prompt gives the logits that the longer prompt gives."""
    ids = torch.arange(20)[None] + 5
    with torch.inference_mode():
        output = tiny_opt.model(input_ids=ids[:, :19], use_cache=True)
        step = tiny_opt.model(input_ids=ids[:, 19:], use_cache=True, **cache_of(output))
        whole = tiny_opt.model(input_ids=ids)

    assert torch.allclose(whole.logits[:, -1], step.logits[:, -1], atol=1e-4)


def pair(variant, dense):
    return PairSamples(SETTING, np.array(variant), np.array(dense), np.array(variant) / 8, np.array(dense) / 8)


def test_speed_up_is_the_median_of_round_ratios():
    """Drift that hits both models of a round cancels: a machine twice as slow changes no ratio."""
    drifting = pair([1.0, 2.0, 4.0, 1.0], [3.0, 6.0, 12.0, 3.0])

    found = {each.metric: each for each in latency.measure(drifting, {"batch": 2}, "dense", is_reference=False)}

    assert 3.0 == found["prefill_speedup"].value == found["decode_speedup"].value
    assert found["prefill_speedup"].ci == (3.0, 3.0)
    assert found["prefill_latency_s"].value == 1.5
    assert found["prefill_latency_s"].anchor == "dense"
    assert found["prefill_latency_s"].n == 4


def test_the_noise_floor_is_how_far_dense_is_from_itself():
    records = latency.measure(pair([1.0, 1.1, 0.9, 1.0], [1.0, 1.0, 1.0, 1.0]), {}, "dense", is_reference=True)
    found = {each.metric: each.value for each in records}

    assert "prefill_speedup" not in found
    assert found["prefill_noise_floor"] == pytest.approx(max(1 - 1 / 1.1, 1 / 0.9 - 1), rel=1e-9)
