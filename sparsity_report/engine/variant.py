"""
A leaf of the plan as an executable model: the dense module tree with its targeted layers replaced.

The copy shares every tensor that is not replaced with the dense model, so that a variant costs only its own layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Self

from torch import Tensor, nn

from .. import registry
from ..models.anatomy import is_transposed
from ..models.blocks import shared_copy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..contracts import FormatChoice, Pattern
    from .state import ModelState


MASKED = "masked"
"""The format that shows a state's weights in the model's own type, whatever they are stored in elsewhere."""


class FormattedLinear(nn.Module):
    """
    x Wᵀ + bias for x of shape (…, I), where W is held in a format's tensors and in nothing else.

    `weight_OI` are W's values as the state holds them, which `scales_O` belong to where they are int8 codes. `order_I`
    is the order of in_features in which the pattern holds, where that is not the model's own.
    """

    def __init__(
        self,
        weight_OI: Tensor,
        bias: Tensor | None,
        choice: FormatChoice,
        pattern: Pattern,
        order_I: Tensor | None = None,
        scales_O: Tensor | None = None,
    ) -> None:
        module = registry.get("formats", choice.entry)
        tensors = module.encode(weight_OI, pattern, module.Params.model_validate(choice.params), order_I)
        tensors |= {} if scales_O is None else {"scales": scales_O}
        self._hold(tensors, (weight_OI.shape[0], weight_OI.shape[1]), bias, choice, pattern)

    @classmethod
    def of(
        cls,
        tensors: dict[str, Tensor],
        shape: tuple[int, int],
        bias: Tensor | None,
        choice: FormatChoice,
        pattern: Pattern,
    ) -> Self:
        """A layer over tensors that are encoded already, its scales among them."""
        layer = cls.__new__(cls)
        layer._hold(tensors, shape, bias, choice, pattern)
        return layer

    def _hold(
        self,
        tensors: dict[str, Tensor],
        shape: tuple[int, int],
        bias: Tensor | None,
        choice: FormatChoice,
        pattern: Pattern,
    ) -> None:
        super().__init__()
        self.entry, self.params, self.pattern, self.shape = choice.entry, choice.params, pattern, shape
        self.product = registry.get("formats", choice.entry).apply
        for component, tensor in tensors.items():
            self.register_buffer(component, tensor)
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias, requires_grad=False))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.product(self._buffers, self.shape, self.pattern, x, self._parameters["bias"])
        return y

    def extra_repr(self) -> str:
        return f"{self.shape[1]} → {self.shape[0]}, {self.entry}"


@dataclass(frozen=True)
class Variant:
    """
    An executable model; by path of each targeted module, its weight's tensors and the weights it multiplies.

    `in_place`: every weight is an ordinary dense parameter of its layer.
    """

    model: nn.Module
    tensors: dict[str, dict[str, Tensor]]
    executed: dict[str, int]

    @property
    def in_place(self) -> bool:
        return not any(isinstance(self.model.get_submodule(path), FormattedLinear) for path in self.tensors)


def with_weight(original: nn.Module, weight_OI: Tensor) -> nn.Module:
    """The same kind of layer with another weight: zeros in place run the very kernel that dense runs."""
    layer = shared_copy(original)
    layer.weight = nn.Parameter(weight_OI.t() if is_transposed(original) else weight_OI, requires_grad=False)
    return layer


def build(state: ModelState, choice: FormatChoice) -> Variant:
    """The state executed in a format: the targeted layers hold only that format's tensors."""
    entry = registry.get("formats", choice.entry)
    variant = Variant(shared_copy(state.model).eval(), {}, {})
    for path in dict.fromkeys(matrix.module for matrix in state.targets):
        original, (weight_OI, scales_O) = state.model.get_submodule(path), state.module_values(path)
        plain = weight_OI.dtype == original.weight.dtype and scales_O is None
        if entry.IN_PLACE and (plain or choice.entry == MASKED):
            layer = with_weight(original, weight_OI if plain else state.module_weight_OI(path))
            variant.tensors[path] = {"dense": layer.get_parameter("weight")}
        else:
            order_I = state.permutations.get(path)
            layer = FormattedLinear(weight_OI, original.bias, choice, state.pattern, order_I, scales_O)  # type: ignore[arg-type]  # a Tensor or None
            variant.tensors[path] = dict(layer.named_buffers())
        values = variant.tensors[path].get("values")
        variant.executed[path] = values.numel() if entry.SKIPS_ZEROS and values is not None else weight_OI.numel()
        variant.model.set_submodule(path, layer)
    return variant


def leaf_tensors(tensor: Tensor) -> Iterator[Tensor]:
    """The plain tensors inside a tensor subclass (semi-structured ones hold several), or the tensor itself."""
    if hasattr(tensor, "__tensor_flatten__"):
        for name in tensor.__tensor_flatten__()[0]:
            yield from leaf_tensors(getattr(tensor, name))
    else:
        yield tensor


def stored_bytes(*tensors: Tensor) -> int:
    """Bytes of the distinct tensors: those that begin at the same address (tied weights) count once."""
    leaves = chain.from_iterable(map(leaf_tensors, tensors))
    return sum({leaf.data_ptr(): leaf.nbytes for leaf in leaves if leaf.nbytes}.values())


def model_bytes(model: nn.Module) -> int:
    """Everything that the model stores: parameters and buffers, persistent or not, tied ones once."""
    return stored_bytes(*model.parameters(), *model.buffers())


def component_bytes(variant: Variant) -> dict[str, int]:
    """Bytes of the targeted layers' weights by component (values, indices, pointers, positions, dense)."""
    totals: dict[str, int] = {}
    for tensors in variant.tensors.values():
        for component, tensor in tensors.items():
            totals[component] = totals.get(component, 0) + stored_bytes(tensor)
    return totals
