"""
The loss's gradient at the weights: the one statistic that needs the whole model, and its activations, in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..models.anatomy import is_transposed, rows_of
from ..models.blocks import batches, device_of, shared_copy
from .variant import with_weight

if TYPE_CHECKING:
    from torch import Tensor

    from .state import ModelState


def gradients_of(state: ModelState, ids_NL: Tensor) -> dict[str, Tensor]:
    """
    Gradient of the mean negative log-likelihood of the next token, (O, I) float32 by matrix path.

    Position t predicts token t+1; every predicted token of all windows counts alike.
    """
    model = shared_copy(state.model).eval()
    weights: dict[str, torch.nn.Module] = {}
    for path in dict.fromkeys(matrix.module for matrix in state.targets):
        layer = with_weight(model.get_submodule(path), state.module_weight_OI(path))
        layer.get_parameter("weight").requires_grad_(True)
        model.set_submodule(path, layer)
        weights[path] = layer
    predicted = ids_NL.shape[0] * (ids_NL.shape[1] - 1)
    with torch.enable_grad():
        for batch in batches(ids_NL):
            ids = batch.to(device_of(state.model))
            logits = model(input_ids=ids, use_cache=False).logits.float()
            loss = torch.nn.functional.cross_entropy(
                logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="sum"
            )
            (loss / predicted).backward()  # type: ignore[no-untyped-call]
    found = {}
    for matrix in state.targets:
        layer = weights[matrix.module]
        gradient = layer.get_parameter("weight").grad
        assert gradient is not None
        whole_OI = gradient.t() if is_transposed(layer) else gradient
        found[matrix.shape.path] = whole_OI[rows_of(matrix)].float()
    return found
