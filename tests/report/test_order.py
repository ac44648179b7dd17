"""A sweep stands by rising sparsity, whatever the order of the spec; what is no sweep keeps its order."""

from __future__ import annotations

from sparsity_report.report import facts, order


def test_a_sweep_rises_and_nothing_is_lost(results):
    made = results("course")
    turned = made.model_copy(update={"cells": (*made.cells[:1], *made.cells[:0:-1])})
    found = order.by_sparsity(turned)

    assert sorted(cell.id for cell in found.cells) == sorted(cell.id for cell in made.cells)
    assert found.cells[0].is_reference
    magnitude = [
        facts.requested(cell)
        for cell in found.cells
        if cell.variant.stages and cell.variant.stages[0].entry == "magnitude" and not facts.is_nm(cell)
    ]
    assert magnitude == sorted(magnitude)
    assert order.by_sparsity(found) == found


def test_methods_stand_as_in_the_spec(results):
    made = results("course")
    methods = dict.fromkeys(stage.entry for cell in made.cells for stage in cell.variant.stages)
    found = dict.fromkeys(stage.entry for cell in order.by_sparsity(made).cells for stage in cell.variant.stages)

    assert list(found) == list(methods)


def test_states_follow_their_cells(results):
    made = order.by_sparsity(results("calibrated"))
    places = list(dict.fromkeys(cell.node for cell in made.cells))

    assert [node.key for node in made.nodes if node.key in places] == [
        key for key in places if key in {node.key for node in made.nodes}
    ]
