"""The table of machines: every figure has a source, and the figures of a machine agree with each other."""

from __future__ import annotations

import pytest

from sparsity_report.hardware.machines import THIS, known
from sparsity_report.hardware.project import targets
from sparsity_report.spec.model import Hardware

MACHINES = known()


def test_the_table_has_all_classes_of_machines():
    kinds = {machine.kind for machine in MACHINES.values()}

    assert {"data-centre GPU", "consumer GPU", "laptop CPU", "single-board computer"} <= kinds
    assert THIS not in MACHINES


@pytest.mark.parametrize("name", MACHINES)
def test_every_machine_names_its_source(name):
    machine = MACHINES[name]

    assert machine.source
    assert machine.url.startswith("https://")
    assert machine.bandwidth
    assert machine.memory_bytes


@pytest.mark.parametrize("name", [name for name, machine in MACHINES.items() if machine.peak_2_4])
def test_2_4_units_are_twice_as_fast_as_dense_ones(name):
    """What vendors print "with sparsity" is twice the dense figure: neither is taken for the other."""
    machine = MACHINES[name]

    assert machine.peak_2_4.keys() <= machine.peak.keys()
    for dtype, sparse in machine.peak_2_4.items():
        assert sparse / machine.peak[dtype] == pytest.approx(2, rel=0.02)


def test_figures_are_in_bytes_and_operations_per_second():
    """A100 80 GB: 2,039 GB/s, 312 TFLOP/s in 16 bits, so that its ridge is at 153 FLOP per byte."""
    machine = MACHINES["a100-80gb"]

    assert machine.peak["bfloat16"] / machine.bandwidth == pytest.approx(153.0, abs=0.1)


def test_derived_figures_follow_from_their_notes():
    """Raspberry Pi 5: 4,267 MT/s on 4 bytes; 4 cores, 2.4 GHz, two units of four lanes, two operations each."""
    machine = MACHINES["raspberry-pi-5"]

    assert machine.bandwidth == pytest.approx(4267e6 * 4, rel=0.005)
    assert machine.peak["float32"] == pytest.approx(4 * 2.4e9 * 2 * 4 * 2)


def test_targets_are_this_machine_and_the_spec_s_with_their_prices():
    here = MACHINES["t4"].model_copy(update={"name": THIS})
    hardware = Hardware(project=("a100-80gb", "l4"), price={"l4": 0.7, THIS: 0.1}, currency="EUR")

    found = targets(hardware, here)

    assert [(each.name, each.price_per_hour, each.currency) for each in found] == [
        (THIS, 0.1, "EUR"),
        ("a100-80gb", None, ""),
        ("l4", 0.7, "EUR"),
    ]
    assert [each.name for each in targets(hardware, None)] == ["a100-80gb", "l4"]
