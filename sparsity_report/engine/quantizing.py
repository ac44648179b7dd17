"""A quantize stage carried out: every targeted weight as the state has it, in the values that its quantizer gives."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from .. import registry
from ..contracts import own_params
from .memory import peak_bytes, reset_peak
from .pruning import Pruned

if TYPE_CHECKING:
    from ..contracts import Stage
    from .pruning import Sight
    from .state import ModelState


@torch.no_grad()
def quantize(state: ModelState, stage: Stage, sight: Sight) -> Pruned:
    """The state with low-precision weights. Raises SparsityReportError where a weight has no such value."""
    reset_peak()
    started = time.monotonic()
    module = registry.need("quantizers", stage.entry)
    params = own_params(module, stage.params)
    found = {matrix.shape.path: module.quantize(state.weight_OI(matrix), params) for matrix in state.targets}
    state = replace(state, changed_weights={}, low_precision=found)
    return Pruned(state, (), {}, time.monotonic() - started, peak_bytes())
