"""Saving time changes nothing."""

from __future__ import annotations

import gc
import weakref

import pytest

from sparsity_report.report.economy import collect_earlier, remembered, uncollected


def test_garbage_is_collected_again_afterwards_whatever_happens():
    @uncollected()
    def fail():
        raise ValueError(gc.isenabled())

    with pytest.raises(ValueError, match="False"):
        fail()
    assert gc.isenabled()


def test_garbage_of_one_report_is_gone_before_the_next():
    class Node:
        pass

    with uncollected():
        node = Node()
        node.itself = node
        gone = weakref.ref(node)
        del node

    collect_earlier()
    assert gone() is None


def test_what_somebody_froze_stays_frozen():
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with uncollected():
            pass
        assert gc.get_freeze_count() == frozen
    finally:
        gc.unfreeze()


def test_the_very_same_object_is_answered_from_memory_and_an_equal_one_is_not():
    asked = []
    length = remembered(lambda subject: asked.append(subject) or len(subject))
    first, equal = [1, 2], [1, 2]

    assert [length(first), length(first), length(equal), length(first)] == [2, 2, 2, 2]
    assert len(asked) == 3
