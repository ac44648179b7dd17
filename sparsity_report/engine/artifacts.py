"""
What is expensive to make again, kept in the run folder: keep masks (one bit a weight) and hidden states of a node.

Files are safetensors, written beside their name and renamed; a damaged one is treated as absent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ..results.store import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from .state import ModelState


def path(folder: Path, key: str, what: str) -> Path:
    return folder / "artifacts" / f"{key}.{what}.safetensors"


def save_tensors(file: Path, tensors: dict[str, Tensor]) -> None:
    """Atomically. Raises EnvironmentProblem when the disk is full."""
    write_bytes(file, save({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}))


def load_tensors(file: Path) -> dict[str, Tensor] | None:
    """None if there is no such file, or it is damaged."""
    try:
        return load(file.read_bytes())
    except (OSError, SafetensorError, ValueError):
        return None


def pack_masks(state: ModelState) -> dict[str, Tensor]:
    """Keep masks as little-endian bits."""
    return {
        name: torch.from_numpy(np.packbits(mask.cpu().numpy(), bitorder="little"))
        for name, mask in state.keep_masks.items()
    }


def unpack_masks(state: ModelState, packed: dict[str, Tensor]) -> dict[str, Tensor] | None:
    """The masks of the state's targets; None if they do not fit."""
    masks = {}
    for matrix in state.targets:
        rows, cols = matrix.shape.rows, matrix.shape.cols
        bits = packed.get(matrix.shape.path)
        if bits is None or bits.numel() != -(-rows * cols // 8):
            return None
        flat = np.unpackbits(bits.numpy(), count=rows * cols, bitorder="little")
        masks[matrix.shape.path] = torch.from_numpy(flat).bool().view(rows, cols)
    return masks
