"""The FLOPs proxy beside PyTorch's own counter."""

from __future__ import annotations

import pytest
import torch
from tiny_models import build_model
from torch.utils.flop_counter import FlopCounterMode

from sparsity_report.contracts import FormatChoice
from sparsity_report.engine.state import ModelState, targeted
from sparsity_report.engine.structure import count, zeros_by_parameter
from sparsity_report.engine.variant import build
from sparsity_report.metrics import flops
from sparsity_report.models.anatomy import anatomy
from sparsity_report.spec.model import Target

LINEAR = ("mm", "addmm")
"""What linear maps become; attention's products between tokens are bmm."""


@pytest.mark.parametrize("name", ["opt", "opt-narrow", "gpt2", "gpt_neox", "llama", "qwen2"])
def test_dense_counts_what_pytorch_counts_for_the_linear_maps(name: str) -> None:
    """T56: 2 · in · out a token for every linear map, the head once, tied or not; look-ups nothing; attention apart."""
    model, tokens = build_model(name), 7
    parts = anatomy(model)
    state = ModelState(model, parts, targeted(parts, Target()))
    structure = count(state, build(state, FormatChoice("dense")), zeros_by_parameter(model))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=torch.arange(tokens)[None] + 5, use_cache=False)
    counted = {op.__name__.partition(".")[0]: total for op, total in counter.get_flop_counts()["Global"].items()}

    found = {each.conditions.get("group", ""): each.value for each in flops.measure(structure)}

    assert found[""] * tokens == sum(counted.get(op, 0) for op in LINEAR)
    assert found[""] == sum(value for group, value in found.items() if group)
    assert counted["bmm"] > 0  # what the proxy leaves out
