"""The accounting of OPT-125M, executed: a model built from its config, pruned and encoded, gives the planned bytes."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, OPTConfig

from sparsity_report.contracts import FormatChoice, Stage
from sparsity_report.engine.pruning import Sight, prune
from sparsity_report.engine.state import ModelState, targeted
from sparsity_report.engine.variant import build, model_bytes
from sparsity_report.models.anatomy import anatomy
from sparsity_report.models.arithmetic import known_config
from sparsity_report.models.blocks import ResidentBlocks
from sparsity_report.spec.model import Target

MIB = 2**20


@pytest.mark.slow
def test_executed_bytes_of_opt_125m_are_the_planned_ones():
    """84,934,656 of 125,239,296; dense 477.75 MiB; CSR at 30 % 607.7 MiB with int32 and 834.8 MiB with int64."""
    torch.manual_seed(0)
    model = (
        AutoModelForCausalLM.from_config(OPTConfig(**known_config("facebook/opt-125m"))).eval().requires_grad_(False)
    )
    parts = anatomy(model)
    dense = ModelState(model, parts, targeted(parts, Target()))
    params = {"pattern": "unstructured", "scope": "global", "sparsity": "0.3", "compat": "exact"}
    sight = Sight(ResidentBlocks(dense.model, dense.anatomy.blocks_path))
    state = prune(dense, Stage("prune", "magnitude", params), sight).state

    assert sum(matrix.shape.numel for matrix in state.targets) == 84_934_656
    assert parts.shape.parameters == 125_239_296
    assert sum(int((~mask).sum()) for mask in state.keep_masks.values()) == 25_480_396
    assert model_bytes(model) / MIB == pytest.approx(477.75, abs=0.005)
    assert model_bytes(build(state, FormatChoice("masked")).model) == model_bytes(model)
    for index, size in (("int32", 607.67), ("int64", 834.78)):
        variant = build(state, FormatChoice("csr", {"index": index}))
        assert model_bytes(variant.model) / MIB == pytest.approx(size, abs=0.005)
