"""The roofline model against hand computation."""

from __future__ import annotations

import pytest

from sparsity_report.contracts import AttentionShape
from sparsity_report.hardware import roofline
from sparsity_report.hardware.machines import known
from sparsity_report.hardware.roofline import Weights, Work
from sparsity_report.results.model import MachineRecord, ReadRate

LLAMA_3_8B = AttentionShape(heads=32, kv_heads=8, head_dim=128, kept=(None,) * 32)
MACHINE = MachineRecord(
    name="m", title="M", kind="GPU", source="s", bandwidth=100.0, memory_bytes=1000, peak={"float16": 10.0}
)


def test_the_cache_of_llama_3_8b_is_an_eighth_of_a_mebibyte_a_token():
    """2 · 32 layers · 8 heads · 128 wide · 2 bytes = 131,072 bytes: grouped queries share keys and values."""
    assert roofline.cache_bytes(LLAMA_3_8B, 1, 2) == 131072
    assert roofline.cache_bytes(LLAMA_3_8B, 8192, 2) == 2**30


def test_a_window_keeps_no_more_than_it_sees():
    shape = AttentionShape(heads=2, kv_heads=1, head_dim=4, kept=(3, None))

    assert roofline.cache_bytes(shape, 10, 4) == 2 * 1 * 4 * 4 * (3 + 10)
    # A window of four sees itself and three others; two products of two operations, two heads, width four.
    assert roofline.attention_flops(shape, 10) == 2 * 2 * 2 * 4 * (4 + 10)


def test_decode_reads_the_weights_once_and_the_cache_of_every_sequence():
    weights = Weights(read=1000, looked_up=8, body=200, head=50)
    shape = AttentionShape(heads=2, kv_heads=1, head_dim=4, kept=(None,))

    work = roofline.decode(weights, shape, batch=3, contexts=range(11, 13), value_bytes=2)

    cache, keys = 2 * 1 * 4 * 2 * 11.5, 2 * 2 * 2 * 4 * 11.5
    assert work.bytes == 1000 + 3 * (8 + cache)
    assert work.flops == 3 * (2 * 250 + keys)


def test_prefill_multiplies_every_token_but_the_head_only_at_the_last():
    weights = Weights(read=1000, looked_up=8, body=200, head=50, body_2_4=150)
    shape = AttentionShape(heads=2, kv_heads=1, head_dim=4, kept=(None,))

    work = roofline.prefill(weights, shape, batch=3, prompt=5, value_bytes=2)

    assert work.bytes == 1000 + 15 * 8 + 3 * 2 * 1 * 4 * 2 * 5
    assert work.flops == 2 * (15 * 200 + 3 * 50) + 3 * 2 * 2 * 2 * 4 * (1 + 2 + 3 + 4 + 5)
    assert work.flops_2_4 == 2 * 15 * 150


@pytest.mark.parametrize(
    ("work", "seconds", "limit"), [(Work(1000, 50), 10.0, "memory"), (Work(1000, 500), 50.0, "compute")]
)
def test_the_bound_is_the_larger_of_reading_and_computing(work, seconds, limit):
    bound = roofline.bound(work, MACHINE, "float16")

    assert bound is not None
    assert (bound.seconds, bound.limit) == (seconds, limit)


def test_2_4_units_take_only_what_is_2_4_sparse():
    """40 of 100 operations at twice the peak: 60 / 10 + 40 / 20."""
    machine = MACHINE.model_copy(update={"peak_2_4": {"float16": 20.0}})

    bound = roofline.bound(Work(1, 100, 40), machine, "float16")

    assert bound is not None
    assert bound.compute_s == 8.0


def test_a_side_that_is_not_known_bounds_nothing():
    """A T4 has no bfloat16 units: reading alone bounds it. Of a machine without figures nothing is said."""
    bound = roofline.bound(Work(320e9, 1e30), known()["t4"], "bfloat16")

    assert bound is not None
    assert (bound.seconds, bound.compute_s, bound.limit) == (1.0, None, "memory")
    assert roofline.bound(Work(1, 1), MACHINE.model_copy(update={"bandwidth": None, "peak": {}}), "float16") is None


@pytest.mark.parametrize(("working_set", "rate"), [(5, 90.0), (10, 90.0), (99, 90.0), (100, 30.0), (10**9, 30.0)])
def test_what_fits_into_a_measured_cache_is_read_at_its_rate(working_set, rate):
    """A working set between two buffers may be read as fast as the smaller one: a bound must allow for it."""
    rates = (ReadRate(bytes=10, bytes_per_s=90.0), ReadRate(bytes=100, bytes_per_s=30.0))
    machine = MACHINE.model_copy(update={"read_rates": rates})

    assert roofline.bandwidth(machine, working_set) == rate


@pytest.mark.parametrize(("weights", "count"), [(100, 3), (750, 0), (1200, 0), (700, 1)])
def test_sequences_fit_whole_or_not_at_all(weights, count):
    assert roofline.sequences(MACHINE, weights, 300) == count


def test_a_million_tokens_at_a_price():
    """1.80 an hour is 0.0005 a second; 20 ms for 4 tokens make a million in 5,000 seconds: 2.50."""
    assert roofline.cost_per_million(1.80, 0.020, 4) == pytest.approx(2.50)
