"""
What is expensive to make again, kept in the run folder: pruned states and the hidden states of a node.

A pruned state is its keep masks (one bit a weight), the kept values of matrices whose weights were changed, the orders
of in_features, and a note on how it came about. Files are safetensors, written beside their name and renamed; a
damaged one is treated as absent. Matrices are read when they are asked for, so that a state costs no memory.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save, save_file

from ..results.store import disk_problems, write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from ..contracts import Pattern
    from .state import ModelState

LIMIT_BYTES = 16 * 2**30
"""A run folder's artifacts take no more than this: the longest unused are dropped, and made again when needed."""

VALUES, ORDER = "/values", "/order"
"""Suffixes of a matrix's kept values and of a module's permutation; keep masks stand under the plain path."""


def path(folder: Path, key: str, what: str) -> Path:
    return folder / "artifacts" / f"{key}.{what}.safetensors"


def save_tensors(file: Path, tensors: dict[str, Tensor]) -> None:
    """Atomically. Raises EnvironmentProblem when the disk is full."""
    write_bytes(file, save({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}))


def load_tensors(file: Path) -> dict[str, Tensor] | None:
    """Mapped from the file: they take memory only while they are read. None if there is none, or a damaged one."""
    try:
        kept: Any = safe_open(file, "pt")  # safetensors annotates nothing here
        return {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118  # no mapping, in spite of its keys
    except (OSError, SafetensorError, ValueError):
        return None


@dataclass(frozen=True)
class Lazy(Mapping[str, "torch.Tensor"]):
    """Tensors by name, each made when it is asked for."""

    names: tuple[str, ...]
    make: Callable[[str], Tensor]

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.names:
            raise KeyError(name)
        return self.make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def pack(keep_mask: Tensor) -> Tensor:
    """Little-endian bits."""
    return torch.from_numpy(np.packbits(keep_mask.cpu().numpy(), bitorder="little"))


def unpack(bits: Tensor, rows: int, cols: int) -> Tensor:
    """(O, I) bool."""
    flat = np.unpackbits(bits.numpy(), count=rows * cols, bitorder="little")
    return torch.from_numpy(flat).bool().view(rows, cols)


def save_state(file: Path, state: ModelState, note: Mapping[str, Any]) -> None:
    """The state and a note of plain data, atomically. Raises EnvironmentProblem when the disk is full."""
    tensors = {name: pack(mask) for name, mask in state.keep_masks.items()}
    for name, weight in state.changed_weights.items():
        tensors[name + VALUES] = weight[state.keep_masks[name]].cpu()
    tensors |= {name + ORDER: order.to(torch.int32).cpu() for name, order in state.permutations.items()}
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    with disk_problems(file):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, partial, {"note": json.dumps(note)})
            partial.replace(file)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
    trim(file)


def load_state(file: Path, dense: ModelState, pattern: Pattern) -> tuple[ModelState, dict[str, Any]] | None:
    """The kept state of the dense model and its note; None if there is none, or it does not fit."""
    try:
        kept: Any = safe_open(file, "pt")  # safetensors annotates nothing here
        note = json.loads(kept.metadata()["note"])
    except (OSError, SafetensorError, ValueError, TypeError, KeyError):
        return None
    shapes = {matrix.shape.path: (matrix.shape.rows, matrix.shape.cols) for matrix in dense.targets}
    names = frozenset(kept.keys())
    sizes = {name: kept.get_slice(name).get_shape() for name in shapes if name in names}
    if any(sizes.get(name) != [-(-rows * cols // 8)] for name, (rows, cols) in shapes.items()):
        return None
    with contextlib.suppress(OSError):
        file.touch()

    def tensor(name: str) -> Tensor:
        found: Tensor = kept.get_tensor(name)
        return found

    def keep_mask(name: str) -> Tensor:
        return unpack(tensor(name), *shapes[name])

    def weight(name: str) -> Tensor:
        values = tensor(name + VALUES)
        return values.new_zeros(shapes[name]).masked_scatter_(keep_mask(name), values)

    changed = tuple(name for name in shapes if name + VALUES in names)
    orders = tuple(name.removesuffix(ORDER) for name in names if name.endswith(ORDER))
    state = replace(
        dense,
        pattern=pattern,
        keep_masks=Lazy(tuple(shapes), keep_mask),
        changed_weights=Lazy(changed, weight),
        permutations=Lazy(orders, lambda name: tensor(name + ORDER).long()),
    )
    return state, note


def trim(newest: Path, limit: int = LIMIT_BYTES) -> None:
    """Drops the longest unused files beside `newest` until all together take at most `limit` bytes."""
    with contextlib.suppress(OSError):
        files = sorted(newest.parent.glob("*.safetensors"), key=lambda file: file.stat().st_mtime, reverse=True)
        total = 0
        for file in files:
            total += file.stat().st_size
            if total > limit and file != newest:
                file.unlink()
