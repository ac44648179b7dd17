"""
A leaf of the plan as an executable model: the dense module tree with its targeted layers replaced.

The copy shares every tensor that is not replaced with the dense model, so that a variant costs only its own layers.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .. import registry
from ..models.anatomy import module_weight_OI
from .state import module_keep_mask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..contracts import FormatChoice, Pattern
    from .state import ModelState


class FormattedLinear(nn.Module):
    """x Wᵀ + bias for x of shape (…, I), where W is held in a format's tensors and in nothing else."""

    def __init__(self, weight_OI: Tensor, bias: Tensor | None, choice: FormatChoice, pattern: Pattern) -> None:
        super().__init__()
        self.format = registry.get("formats", choice.entry)
        self.pattern = pattern
        self.out_features, self.in_features = weight_OI.shape
        encoded = self.format.encode(weight_OI, pattern, self.format.Params.model_validate(choice.params))
        self.components = tuple(encoded)
        for component, tensor in encoded.items():
            self.register_buffer(component, tensor)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)

    def tensors(self) -> dict[str, Tensor]:
        return {component: self.get_buffer(component) for component in self.components}

    def forward(self, x: Tensor) -> Tensor:
        shape = (self.out_features, self.in_features)
        y: Tensor = self.format.apply(self.tensors(), shape, self.pattern, x, self.bias)
        return y

    def extra_repr(self) -> str:
        return f"{self.in_features} → {self.out_features}, {self.format.INFO.name}"


@dataclass(frozen=True)
class Variant:
    """An executable model and the layers that a format holds, by module path."""

    model: nn.Module
    layers: dict[str, FormattedLinear]


def shared_copy(model: nn.Module) -> nn.Module:
    """A copy of the module tree that owns no tensor: parameters and buffers are the original's."""
    memo = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    return copy.deepcopy(model, memo)


def build(state: ModelState, choice: FormatChoice) -> Variant:
    """The state executed in a format: the targeted layers hold only that format's tensors."""
    model = shared_copy(state.model)
    layers = {}
    for path in dict.fromkeys(matrix.module for matrix in state.targets):
        original = state.model.get_submodule(path)
        weight_OI = module_weight_OI(original)
        mask = module_keep_mask(state, path, (weight_OI.shape[0], weight_OI.shape[1]))
        if mask is not None:
            weight_OI = weight_OI.masked_fill(~mask, 0.0)
        layers[path] = FormattedLinear(weight_OI.detach(), original.bias, choice, state.pattern)
        model.set_submodule(path, layers[path])
    return Variant(model.eval(), layers)


def leaf_tensors(tensor: Tensor) -> Iterator[Tensor]:
    """The plain tensors inside a tensor subclass (semi-structured ones hold several), or the tensor itself."""
    if hasattr(tensor, "__tensor_flatten__"):
        for name in tensor.__tensor_flatten__()[0]:
            yield from leaf_tensors(getattr(tensor, name))
    else:
        yield tensor


def stored_bytes(*tensors: Tensor) -> int:
    """Bytes of the distinct tensors: those that begin at the same address (tied weights) count once."""
    distinct = {leaf.data_ptr(): leaf.nbytes for leaf in chain.from_iterable(map(leaf_tensors, tensors)) if leaf.nbytes}
    return sum(distinct.values())


def model_bytes(model: nn.Module) -> int:
    """Everything that the model stores: parameters and buffers, persistent or not, tied ones once."""
    return stored_bytes(*model.parameters(), *model.buffers())


def component_bytes(variant: Variant) -> dict[str, int]:
    """Bytes of the targeted layers' weights by component (values, indices, pointers, positions, dense)."""
    totals: dict[str, int] = {}
    for layer in variant.layers.values():
        for component, tensor in layer.tensors().items():
            totals[component] = totals.get(component, 0) + stored_bytes(tensor)
    return totals


def executed_weights(variant: Variant) -> dict[str, int]:
    """Weights that each targeted layer multiplies per token: the stored values if the format skips zeros, else all."""
    return {
        path: layer.get_buffer("values").numel()
        if layer.format.SKIPS_ZEROS and "values" in layer.components
        else layer.out_features * layer.in_features
        for path, layer in variant.layers.items()
    }


@torch.inference_mode()
def logits(model: nn.Module, ids_NT: Tensor) -> Tensor:
    """(N, T, V) float32 logits."""
    return model(input_ids=ids_NT, use_cache=False).logits.float()
