"""
What formats share about low-precision values: PyTorch's and SciPy's products on a CPU know float32 only, so that
narrower values and indices are widened inside the call, and scales are put on the product, a row at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def wide(tensor: Tensor, x: Tensor) -> Tensor:
    """Values or x as the product takes them: float32 on a CPU, which has no sparse half precision, else x's type."""
    import torch

    return tensor.to(torch.float32 if x.device.type == "cpu" else x.dtype)


def finished(product_TO: Tensor, tensors: dict[str, Tensor], x: Tensor, bias: Tensor | None) -> Tensor:
    """The product with row scales and bias, (…, O) in x's type."""
    if "scales" in tensors:
        product_TO = product_TO * tensors["scales"]
    if bias is not None:
        product_TO = product_TO + bias
    return product_TO.to(x.dtype).reshape(*x.shape[:-1], product_TO.shape[-1]).contiguous()


def widened(what: str, device: str, dtype: str, layers: Sequence[dict[str, Tensor]]) -> tuple[str, str, int] | None:
    """The fallback of a product that takes values of one type and 32- or 64-bit indices. `what` names it."""
    own = "float32" if device == "cpu" else dtype
    kinds: dict[str, None] = {}
    count = 0
    for tensors in layers:
        value, index = (str(tensors[name].dtype).removeprefix("torch.") for name in ("values", "indices"))
        narrow = ([value] if value != own else []) + (["16-bit indices"] if index == "int16" else [])
        kinds |= dict.fromkeys(narrow)
        count += bool(narrow)
    if not count:
        return None
    why = f"{what} on {device} takes no {' and no '.join(kinds)}: each call widens them"
    return ("widened", why if own == dtype else f"{why}, and x to {own}", count)


def unpacked_in_bfloat16(dtype: str, layers: Sequence[dict[str, Tensor]]) -> tuple[str, str, int] | None:
    """What a report says of a CPU's loops that leave many tokens in bfloat16 to PyTorch; None where they do not."""
    if dtype != "bfloat16":
        return None
    import torch

    from ..kernels import dots

    count = sum(tensors["values"].dtype is torch.bfloat16 for tensors in layers if "values" in tensors)
    why = "in bfloat16 many tokens, as in a prompt, are multiplied by PyTorch, and each call unpacks the weights"
    return ("unpacked for many tokens", why, count) if count and dots.takes() else None
