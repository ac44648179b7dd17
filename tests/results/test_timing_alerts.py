"""What the reader is told about the hour of a timing."""

from __future__ import annotations

from tiny_results import cell

from sparsity_report.results.model import EnvironmentRecord, Measurement
from sparsity_report.results.timing_alerts import alerts

MACHINE = EnvironmentRecord(cores=2, threads=2, wait_policy="default")


def read(metric, value, ci=None):
    return Measurement(metric=metric, value=value, kind="measured", noise="timing", ci=ci, conditions={"batch": 1})


def texts(*measurements, machine=MACHINE):
    return [each.text for each in alerts([cell("dense", *measurements)], machine)]


def test_a_quiet_hour_needs_no_alert():
    quiet = (read("other_cores", 0.02), read("prefill_drift", 0.01, (-0.02, 0.03)), read("prefill_noise_floor", 0.01))
    assert texts(*quiet) == []


def test_other_work_is_named_with_its_remedy():
    (text,) = texts(read("other_cores", 1.04))
    assert "up to 1.0 of 2 cores" in text
    assert 'hardware.wait_policy = "passive"' in text

    (text,) = texts(read("other_cores", 1.04), machine=MACHINE.model_copy(update={"wait_policy": "passive"}))
    assert "wait_policy" not in text


def test_drift_counts_only_where_it_is_large_and_sure():
    assert "25 %" in texts(read("decode_drift", -0.25, (-0.3, -0.2)))[0]
    assert texts(read("decode_drift", -0.25, (-0.6, 0.1))) == []
    assert texts(read("decode_drift", 0.03, (0.02, 0.04))) == []


def test_a_vague_ratio_is_no_silent_no_difference():
    (text,) = texts(read("prefill_speedup", 1.0, (0.9, 1.1)), read("decode_speedup", 1.0, (0.99, 1.01)))
    assert text.startswith("1 of 2 timed phases stayed vague")
    assert "±10 %" in text
