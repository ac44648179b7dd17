"""Loops use what the processor has, and at most what was asked for."""

from __future__ import annotations

import pytest

from sparsity_report.errors import UsageError
from sparsity_report.kernels.cpu import InstructionSet, of_features

ZEN4 = frozenset(
    {"avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512vbmi2", "avx512bf16", "avx512vnni", "sse2"}
)


@pytest.mark.parametrize(
    ("features", "asked", "expected"),
    [
        (ZEN4, "", InstructionSet("avx512", frozenset({"avx512vbmi2", "avx512bf16", "avx512vnni"}))),
        (ZEN4 - {"avx512bf16"}, "", InstructionSet("avx512", frozenset({"avx512vbmi2", "avx512vnni"}))),
        (ZEN4 - {"avx512vl"}, "", InstructionSet("avx2")),
        (ZEN4, "avx2", InstructionSet("avx2")),
        (ZEN4, "portable", InstructionSet("portable")),
        (frozenset({"avx2", "fma", "f16c"}), "avx512", InstructionSet("avx2")),
        (frozenset({"avx2"}), "", InstructionSet("portable")),
        (frozenset({"neon"}), "avx512", InstructionSet("portable")),
    ],
)
def test_the_level(features, asked, expected):
    assert expected == of_features(features, asked)


def test_a_level_that_is_not_one():
    with pytest.raises(UsageError, match="portable, avx2, avx512"):
        of_features(ZEN4, "sse9")
