"""A run measures shares and this machine, and models the machines of the spec; another target measures nothing anew."""

from __future__ import annotations

import pytest

from sparsity_report.engine import probe
from sparsity_report.engine.events import CellFinished
from sparsity_report.engine.run import Options, run_study
from sparsity_report.errors import SpecError
from sparsity_report.spec.load import load_spec

SPEC = """
spec_version = 1
[study]
title = "A small study"
[[model]]
source = "bundled:tiny-opt"
[data]
evaluation = { source = "embedded", length = 64, windows = 2 }
[[variant]]
method = "magnitude"
scope = "global"
sparsity = 0.3
format = "csr"
[[variant]]
method = "magnitude"
pattern = "2:4"
format = "nm"
"""

TIMED = (
    'metrics.use=["storage", "flops", "latency", "profile", "roofline"]',
    "metrics.latency={ batch = [1, 2], prompt = 8, decode = 1, runs = 3, seconds = 0, max_seconds = 0 }",
    'hardware.project=["a100-80gb", "core-i5-8250u"]',
    'hardware.price={ "a100-80gb" = 1.8, this = 0.1 }',
    "hardware.context=128",
)
UNTIMED = (
    'metrics.use=["storage", "roofline"]',
    'hardware.project=["raspberry-pi-5"]',
)


def run(folder, overrides, only):
    """One run of the small study in a folder, with a probe that takes no time."""
    file = folder.parent / f"{folder.name}.toml"
    file.write_text(SPEC, encoding="utf-8")
    events = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "BUFFERS_MIB", (1, 2))
        patch.setattr(probe, "PASS_MIB", 2)
        patch.setattr(probe, "PRODUCTS", (64,))
        results = run_study(load_spec(file, overrides=overrides), folder, Options(only=only), events.append)
    return results, events


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("projection") / "run"


@pytest.fixture(scope="module")
def timed(folder):
    """Dense, CSR and 2:4, timed and profiled once for all tests here."""
    return run(folder, TIMED, ("*csr*", "*nm*"))


def finished(events):
    return [each for each in events if isinstance(each, CellFinished)]


def test_every_timed_cell_has_shares_and_every_variant_a_waterfall(timed):
    results, _ = timed

    for cell in results.cells:
        for batch in (1, 2):
            for phase in ("prefill", "decode"):
                parts = [
                    each.value
                    for each in cell.metrics
                    if each.metric == "time_share"
                    and (each.conditions["batch"], each.conditions["phase"]) == (batch, phase)
                ]
                assert sum(parts) == pytest.approx(1)
                steps = ("bytes_gain", "product_gain", "layer_gain", "amdahl_gain")
                known = [cell.find(step, batch=batch, phase=phase) is not None for step in steps]
                assert known == [not cell.is_reference] * 4
    dense = results.cells[0]
    assert dense.find("amdahl_limit", phase="decode").value > 1


def test_bounds_are_modelled_for_this_machine_and_the_spec_s(timed):
    results, _ = timed

    assert [each.name for each in results.machines] == ["this", "a100-80gb", "core-i5-8250u"]
    for cell in results.cells:
        bounds = [each for each in cell.metrics if each.metric.endswith("_bound_s")]
        assert len(bounds) == 3 * 2 * 2
        assert {each.kind for each in bounds} == {"modelled"}
        assert {each.noise for each in bounds if each.conditions["machine"] == "this"} == {"timing"}
        priced = [each for each in cell.metrics if each.metric == "cost_per_million_tokens"]
        assert {each.conditions["machine"] for each in priced} == {"a100-80gb", "this"}
        assert {each.unit for each in priced} == {"USD"}


def test_a_bound_is_bytes_over_bandwidth(timed):
    """The tiny model is memory-bound on an A100: its decode bound is its bytes over 2,039 GB/s."""
    results, _ = timed
    for cell in results.cells:
        size = cell.value("decode_bytes", batch=1)
        assert cell.value("decode_bound_s", batch=1, machine="a100-80gb") == pytest.approx(size / 2039e9)


def test_sequences_fit_by_arithmetic(timed):
    """Five blocks, five heads of width 32: 2 · 5 · 160 · 4 bytes a token, 128 tokens a sequence, beside the weights."""
    results, _ = timed
    for cell in results.cells:
        free = 80e9 - cell.value("weight_bytes")
        assert cell.value("sequences_fit", machine="a100-80gb", context=128) == free // (2 * 5 * 160 * 4 * 128)


def test_another_target_or_price_measures_nothing_anew(timed, folder):
    before, _ = timed
    other = ('hardware.project=["t4"]', "hardware.price={ t4 = 0.35 }")
    after, events = run(folder, (*TIMED, *other), ("*csr*", "*nm*"))

    assert finished(events) == []
    assert [each.name for each in after.machines] == ["this", "t4"]
    assert after.machines[0].bandwidth == before.machines[0].bandwidth  # probed once for this machine
    for old, new in zip(before.cells, after.cells, strict=True):
        assert old.value("decode_latency_s") == new.value("decode_latency_s")
        assert new.find("decode_bound_s", machine="t4") is not None
        assert new.find("decode_bound_s", machine="a100-80gb") is None


def test_targets_need_no_timed_variant(tmp_path, monkeypatch):
    """Without latency this machine is not probed, and the projections stand."""
    monkeypatch.setattr(probe, "measure", lambda *_: pytest.fail("there is nothing to validate"))
    results, _ = run(tmp_path / "run", UNTIMED, ("dense*",))

    assert [each.name for each in results.machines] == ["raspberry-pi-5"]
    assert results.cells[0].find("prefill_bound_s", machine="raspberry-pi-5", batch=1, prompt=128)


def test_without_the_roofline_nothing_is_modelled(tmp_path):
    results, _ = run(tmp_path / "run", ('metrics.use=["storage"]',), ("dense*",))

    assert results.machines == ()
    assert not any(each.kind == "modelled" for cell in results.cells for each in cell.metrics)


def test_half_precision_has_its_own_peak_and_bytes(tmp_path):
    """CSR widens bfloat16 values inside the call: it is executed, timed and bounded."""
    overrides = (
        *TIMED,
        "metrics.latency.process=shared",
        'model=[{ source = "bundled:tiny-opt", dtype = "bfloat16" }]',
    )
    results, _ = run(tmp_path / "run", overrides, ("*csr*",))

    assert results.machines[0].peak.keys() == {"bfloat16"}
    csr = results.cells[1]
    assert csr.status == "ok"
    assert any("widened" in each.what for each in csr.fallbacks)
    assert csr.find("decode_bound_s", machine="this") is not None


def test_a_context_that_the_model_does_not_have_is_refused(tmp_path):
    with pytest.raises(SpecError, match="100000 tokens are more than the model's context"):
        run(tmp_path / "run", (*UNTIMED, "hardware.context=100000"), ("dense*",))
