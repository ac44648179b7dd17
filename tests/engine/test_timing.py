"""Timing: pairs are interleaved, ratios come from rounds, and dense against dense is the noise floor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsity_report.engine.timed import Timed
from sparsity_report.engine.timing import PairSamples, Setting, cache_of, collect, rounds_of, time_pair, warm_up
from sparsity_report.engine.witness import Witness
from sparsity_report.metrics import latency

SETTING = Setting(batch=2, prompt=8, decode=(3,), runs=4, seconds=0.0)
PROMPT = torch.zeros(2, 8, dtype=torch.int64)


class Recorder(torch.nn.Module):
    """A causal model that writes down who was called, with how many tokens."""

    def __init__(self, name, calls):
        super().__init__()
        self.name, self.calls = name, calls

    def forward(self, input_ids, past_key_values=None, use_cache=True):
        self.calls.append((self.name, tuple(input_ids.shape)))
        logits = torch.zeros(*input_ids.shape, 5)
        return type("Output", (), {"logits": logits, "past_key_values": past_key_values})()


def test_a_round_is_two_turns_in_opposite_order():
    calls = []
    next(rounds_of(Recorder("v", calls), Recorder("d", calls), PROMPT, ()))

    assert [name for name, _ in calls] == ["v", "d", "d", "v"]


def test_prefill_and_decode_are_timed_apart_and_side_by_side():
    """T58: one prompt each, then token by token to each length, one model right after the other."""
    calls = []
    (table, _) = next(rounds_of(Recorder("v", calls), Recorder("d", calls), PROMPT, (2, 3)))
    turn = [(name, shape[1]) for name, shape in calls[: len(calls) // 2]]

    assert turn == [("v", 8), ("d", 8), *[("v", 1)] * 2, *[("d", 1)] * 2, ("v", 1), ("d", 1)]
    assert table.shape == (2, 3, 2)
    assert (table[..., 0] > 0).all()
    assert np.isnan(table[..., 1]).all()


def test_all_turns_are_kept():
    pair = time_pair(Recorder("v", []), Recorder("d", []), PROMPT, SETTING)

    assert len(pair.table) == 8
    assert [(phase.name, len(phase.ratio)) for phase in pair.phases()] == [("prefill", 4), ("decode", 4)]


def played(*seconds):
    """Rounds in which either model takes the given seconds per stage."""
    for each in seconds:
        yield np.full((2, 2, 2, 2), each)


def test_rounds_go_on_until_the_ratio_is_known_or_the_time_is_up():
    noisy = [np.full((2, 2, 2, 2), 1.0) for _ in range(100)]
    for number, each in enumerate(noisy):
        each[:, 0] = 1.3 if number % 2 else 0.7
    clock = iter(range(1000)).__next__

    assert len(collect(played(*[1.0] * 100), Setting(1, 8, (3,), 10, 0.0, 50.0), clock).table) == 2 * 10
    assert len(collect(iter(noisy), Setting(1, 8, (3,), 10, 0.0, 50.0), iter(range(1000)).__next__).table) == 2 * 50
    assert len(collect(played(*[1.0] * 100), Setting(1, 8, (3,), 10, 30.0), iter(range(1000)).__next__).table) == 2 * 30


def test_warm_up_ends_when_two_turns_agree():
    first = np.ones((2, 2, 2, 2))
    first[0] = 5.0
    rounds = iter([first, np.ones((2, 2, 2, 2)), "the first that counts"])
    warm_up(rounds)

    assert next(rounds) == "the first that counts"


def test_the_real_models_decode_with_their_cache(tiny_opt):
    """One decoded token after a prompt gives the logits that the longer prompt gives."""
    ids = torch.arange(20)[None] + 5
    with torch.inference_mode():
        output = tiny_opt.model(input_ids=ids[:, :19], use_cache=True)
        step = tiny_opt.model(input_ids=ids[:, 19:], use_cache=True, **cache_of(output))
        whole = tiny_opt.model(input_ids=ids)

    assert torch.allclose(whole.logits[:, -1], step.logits[:, -1], atol=1e-4)


def timed(variant, dense, joules=np.nan, lengths=(2,)):
    """A cell of one setting; both turns of a round take the given seconds, in prefill and for both decoded tokens."""
    table = np.full((2 * len(variant), 2, 1 + len(lengths), 2), joules, dtype=float)
    table[..., 0] = np.repeat(np.array([variant, dense]).T, 2, axis=0)[:, :, None]
    pair = PairSamples(Setting(4, 8, lengths, 4, 0.0), table)
    return Timed((pair,), (Witness(1.0, 0.5, 30.0),), 0.4, 0.1, 1000, 5000, "")


def found(records):
    return {(each.metric, each.conditions.get("decode"), each.conditions.get("over")): each for each in records}


def test_speed_up_is_the_median_of_round_ratios():
    """Drift that hits both models of a round cancels: a machine twice as slow changes no ratio."""
    records = found(latency.measure(timed([1.0, 2.0, 4.0, 1.0], [3.0, 6.0, 12.0, 3.0]), "dense", is_reference=False))

    assert 3.0 == records["prefill_speedup", None, None].value == records["decode_speedup", 2, None].value
    assert records["prefill_speedup", None, None].ci == (3.0, 3.0)
    assert records["prefill_latency_s", None, None].value == 1.5
    assert records["decode_latency_s", 2, None].value == 1.5 / 2
    assert records["prefill_latency_s", None, None].anchor == "dense"
    assert records["prefill_latency_s", None, None].n == 4
    assert records["other_cores", None, None].value == 0.5
    assert records["load_seconds", None, None].value == 0.1
    assert records["resident_bytes", None, "target"].value == 1000
    assert "prefill_energy_j" not in {metric for metric, _, _ in records}


def test_a_round_is_the_mean_of_its_turns():
    """Who comes second is faster: in the mean of both orders that is no difference."""
    one = timed([1.0] * 4, [1.0] * 4)
    table = one.pairs[0].table.copy()
    table[0::2, 1, :, 0], table[1::2, 0, :, 0] = 0.8, 0.8
    records = found(
        latency.measure(Timed(**vars(one) | {"pairs": (PairSamples(one.pairs[0].setting, table),)}), "d", False)
    )

    assert records["prefill_speedup", None, None].value == pytest.approx(1.0)


def test_every_decoded_length_has_its_own_time_per_token():
    """1 s to the second token and 1 s more to the sixth: 0.5 s and 2/6 s a token."""
    records = found(latency.measure(timed([1.0] * 4, [1.0] * 4, lengths=(2, 6)), "dense", is_reference=False))

    assert records["decode_latency_s", 2, None].value == pytest.approx(1 / 2)
    assert records["decode_latency_s", 6, None].value == pytest.approx(2 / 6)


def test_energy_is_per_token():
    """12 J for 4 prompts of 8 tokens, and 12 J for 2 tokens of each of the 4."""
    records = found(latency.measure(timed([1.0] * 4, [1.0] * 4, joules=12.0), "dense", is_reference=False))

    assert records["prefill_energy_j", None, None].value == 12 / 32
    assert records["decode_energy_j", 2, None].value == 12 / 8


def test_the_noise_floor_is_how_far_dense_is_from_itself():
    records = found(latency.measure(timed([1.0, 1.1, 0.9, 1.0], [1.0] * 4), "dense", is_reference=True))

    assert "prefill_speedup" not in {metric for metric, _, _ in records}
    assert records["prefill_noise_floor", None, None].value == pytest.approx(1 / 0.9 - 1, rel=1e-9)
    assert records["load_seconds", None, None].value == 0.4


def test_what_the_timing_process_says_survives_the_way():
    one = timed([1.0, 2.0], [3.0, 4.0])

    back = Timed.from_json(one.as_json())
    assert np.array_equal(one.pairs[0].table, back.pairs[0].table, equal_nan=True)
    assert one.pairs[0].setting == back.pairs[0].setting
    assert one.witnesses == back.witnesses
