"""
N:M packed: the N kept values of every group of M consecutive in_features, and their positions in the group.

A position takes ⌈log₂ M⌉ bits; the positions of a row are one little-endian bit string, padded to whole bytes. A tail
group of fewer than M columns is stored like a whole one. 2:4 in 16 bits takes 9/16 of the dense bytes (Mishra et al.,
2021), 17/32 in 32 bits.

Where the pattern holds in another order of in_features, groups are of neighbours in that order, the order is stored,
and every call gathers x by it before the product: its bytes are counted and its time is measured like all others.

On a CPU, compiled loops execute it (`kernels/`). On a CUDA device with compute capability 8.0, 2:4 in 16
bits runs on PyTorch's semi-structured tensors. Elsewhere each call unpacks the weights and multiplies densely, and the
report says so. What is not finite is as in `bitmask`, where a value of zero that fills up a group counts as stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info, NoParams, Pattern
from ._values import finished, unpacked_in_bfloat16

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

INFO = Info(
    name="nm",
    summary="the N kept values of every M, and their positions, packed",
    equation=r"B_{N\!:\!M} \;=\; O\, G N\, b \;+\; O \left\lceil G N \lceil \log_2 M \rceil \,/\, 8 \right\rceil ,"
    r" \qquad G = \lceil I / M \rceil",
    spoken="bytes are, for each out feature, N values for each of G groups, and their positions in whole bytes; "
    "G is in features over M, rounded up",
    cite="mishra2021accelerating",
    result_version=4,
)
IN_PLACE = False
SKIPS_ZEROS = False
"""What unpacks multiplies by the zeros again; the loops for many tokens and CUDA's semi-structured product do not."""


INT16_COLUMNS = 2**15
"""Columns whose numbers fit into 16 bits; those of a wider matrix are stored in 32."""


class Params(NoParams):
    """The pattern is the stage's."""


def refuses(pattern: Pattern) -> str:
    if pattern.is_nm:
        return ""
    whole = f'; "{pattern}" removes whole units, which "csr" and "masked" hold' if pattern.unit else ""
    return f'format "nm" needs a pattern N:M, such as pattern = "2:4"{whole}'


def position_bits(pattern: Pattern) -> int:
    return max(1, (pattern.m - 1).bit_length())


def stored_bytes(
    rows: int, cols: int, kept: int, value_bytes: int, pattern: Pattern, params: Params, permuted: bool = False
) -> dict[str, int]:
    slots = -(-cols // pattern.m) * pattern.n
    packed = {"values": rows * slots * value_bytes, "positions": rows * -(-slots * position_bits(pattern) // 8)}
    return packed | ({"permutation": cols * (2 if cols <= INT16_COLUMNS else 4)} if permuted else {})


def grouped(weight_OI: Tensor, pattern: Pattern) -> Tensor:
    """(O, groups, M), the tail padded with zeros."""
    import torch

    padding = -weight_OI.shape[1] % pattern.m
    return torch.nn.functional.pad(weight_OI, (0, padding)).reshape(weight_OI.shape[0], -1, pattern.m)


def pack_positions(positions: Tensor, bits: int) -> Tensor:
    """(O, slots) positions to (O, bytes) uint8, little-endian bits."""
    import torch

    shifts = torch.arange(bits, device=positions.device)
    stream = ((positions[..., None] >> shifts) & 1).reshape(positions.shape[0], -1)
    stream = torch.nn.functional.pad(stream, (0, -stream.shape[1] % 8)).reshape(positions.shape[0], -1, 8)
    return (stream << torch.arange(8, device=positions.device)).sum(-1).to(torch.uint8)


def unpack_positions(packed: Tensor, slots: int, bits: int) -> Tensor:
    """The inverse of `pack_positions`: (O, slots) int64."""
    import torch

    stream = (packed[..., None] >> torch.arange(8, device=packed.device, dtype=torch.uint8)) & 1
    stream = stream.reshape(packed.shape[0], -1)[:, : slots * bits].reshape(packed.shape[0], slots, bits)
    return (stream.long() << torch.arange(bits, device=packed.device)).sum(-1)


def encode(
    weight_OI: Tensor, pattern: Pattern, params: Params, permutation_I: Tensor | None = None
) -> dict[str, Tensor]:
    """Raises ValueError when a group has more than N nonzeros: nothing is dropped silently."""
    import torch

    if permutation_I is not None:
        index = torch.int16 if len(permutation_I) <= INT16_COLUMNS else torch.int32
        return {
            **encode(weight_OI[:, permutation_I], pattern, params),
            "permutation": permutation_I.to(weight_OI.device, index),
        }
    groups = grouped(weight_OI, pattern)
    nonzero = groups != 0
    if int(nonzero.sum(-1).max() if nonzero.numel() else 0) > pattern.n:
        raise ValueError(f"a group of {pattern.m} weights has more than {pattern.n} nonzeros: it is not {pattern}")
    if runs_semi_structured(weight_OI, pattern):
        return {"semi_structured": torch.sparse.to_sparse_semi_structured(weight_OI.contiguous())}
    order = (~nonzero).int().argsort(dim=-1, stable=True)[..., : pattern.n].sort(dim=-1).values
    rows = weight_OI.shape[0]
    return {
        "values": groups.gather(-1, order).reshape(rows, -1),
        "positions": pack_positions(order.reshape(rows, -1), position_bits(pattern)),
    }


def decode(tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern) -> Tensor:
    stored_OI = (
        tensors["semi_structured"].to_dense() if "semi_structured" in tensors else unpack(tensors, shape, pattern)
    )
    return stored_OI[:, tensors["permutation"].long().argsort()] if "permutation" in tensors else stored_OI


def unpack(tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern) -> Tensor:
    """The packed weight as a matrix, its columns in the order in which they are stored."""
    rows, cols = shape
    values = tensors["values"]
    positions = unpack_positions(tensors["positions"], values.shape[1], position_bits(pattern))
    groups = values.new_zeros(rows, values.shape[1] // pattern.n, pattern.m)
    groups.scatter_(-1, positions.view(rows, -1, pattern.n), values.view(rows, -1, pattern.n))
    return groups.reshape(rows, -1)[:, :cols].contiguous()


def runs_semi_structured(weight_OI: Tensor, pattern: Pattern) -> bool:
    """
    Whether PyTorch's 2:4 kernels take this matrix: CUDA ≥ 8.0, 16 bits, rows in 32s, columns in 64s.
    """
    import torch

    return (
        (pattern.n, pattern.m) == (2, 4)
        and weight_OI.device.type == "cuda"
        and weight_OI.dtype in (torch.float16, torch.bfloat16)
        and torch.cuda.get_device_capability(weight_OI.device) >= (8, 0)
        and weight_OI.shape[0] % 32 == 0
        and weight_OI.shape[1] % 64 == 0
    )


def apply(
    tensors: dict[str, Tensor], shape: tuple[int, int], pattern: Pattern, x: Tensor, bias: Tensor | None
) -> Tensor:
    if "permutation" in tensors:
        x = x.index_select(-1, tensors["permutation"].int())
    if x.is_cpu:
        from ..kernels import operators

        y: Tensor = operators.nm(
            x, tensors["values"], tensors["positions"], tensors.get("scales"), bias, pattern.n, pattern.m
        )
        return y
    import torch

    if "semi_structured" in tensors:
        product = torch.nn.functional.linear(x, tensors["semi_structured"])
    else:
        product = torch.nn.functional.linear(x, unpack(tensors, shape, pattern).to(x.dtype))
    return finished(product, tensors, x, bias)


def fallback(
    device: str, dtype: str, layers: Sequence[dict[str, Tensor]], pattern: Pattern
) -> tuple[str, str, int] | None:
    if device == "cpu":
        from ..kernels.picking import takes_dots

        n, m = pattern.n, pattern.m
        return unpacked_in_bfloat16(dtype, [each for each in layers if not takes_dots(n, m, each["values"].shape[1])])
    unpacked = sum("semi_structured" not in tensors for tensors in layers)
    if not unpacked:
        return None
    why = f"no kernel for packed N:M in {dtype} on {device}: each call unpacks, then multiplies densely"
    return ("unpacked", why, unpacked)
