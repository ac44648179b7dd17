"""What this machine reaches is measured, in the units of the table of machines."""

from __future__ import annotations

import pytest
import torch

from sparsity_report.engine import probe
from sparsity_report.hardware.machines import THIS
from sparsity_report.results.model import EnvironmentRecord

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def machine():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "BUFFERS_MIB", (1, 8))
        patch.setattr(probe, "PASS_MIB", 8)
        patch.setattr(probe, "PRODUCTS", (128, 256))
        return probe.measure(
            EnvironmentRecord(cpu="a processor", memory_bytes=2**30, threads=1), ["float32", "bfloat16"]
        )


def test_bandwidth_and_peaks_are_measured(machine):
    """Between a slow disk and the fastest memory there is: units that are off by a thousand are found."""
    assert machine.name == THIS
    assert 1e8 < machine.bandwidth < 2e13
    assert 1e7 < machine.peak["float32"] < 1e16
    assert machine.peak.keys() == {"float32", "bfloat16"}
    assert [each.bytes for each in machine.read_rates] == [2**20, 2**23]
    assert all(each.ci[0] <= each.bytes_per_s <= each.ci[1] for each in machine.read_rates)
    assert machine.memory_bytes == 2**30


def test_a_small_machine_is_probed_within_an_eighth_of_its_memory(monkeypatch):
    monkeypatch.setattr(probe, "BUFFERS_MIB", (1, 8))
    monkeypatch.setattr(probe, "PASS_MIB", 1)
    monkeypatch.setattr(probe, "PRODUCTS", (64,))
    found = probe.measure(EnvironmentRecord(memory_bytes=2**24, threads=1), ["float32"])

    assert [each.bytes for each in found.read_rates] == [2**20]


def test_rates_are_bytes_over_seconds(monkeypatch):
    """Seven rounds of half a second for 8 MiB, or a quarter the other way: the faster way counts."""
    import numpy as np

    seconds = iter([0.5, 0.25])
    monkeypatch.setattr(probe, "PASS_MIB", 8)
    monkeypatch.setattr(probe, "rounds", lambda run, device: np.full(7, next(seconds)))

    assert probe.read_rate(2**20, CPU).bytes_per_s == 2**23 / 0.25


def test_the_largest_product_that_is_not_long_gives_the_peak(monkeypatch):
    import numpy as np

    taken = {256: 0.01, 512: 0.05, 1024: 0.2}
    monkeypatch.setattr(probe, "rounds", lambda run, device: np.full(7, taken[run().shape[0]]))

    value, _ = probe.peak("float32", CPU)
    assert value == 2 * 1024**3 / 0.2  # and 1536 is not tried
