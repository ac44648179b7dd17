"""
What is expensive to make again, kept in the run folder: pruned states and the hidden states of a node.

A state is its keep masks (one bit a weight), the kept values of changed weights, low-precision values and scales, the
orders of in_features, and a note on how it came about. Files are safetensors, written beside their name and renamed,
with a hash of their content; a damaged one is treated as absent. Matrices are read when they are asked for, so that a
state costs no memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..low_precision import LowPrecision
from ..results import sealed
from ..results.store import appearing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from ..contracts import Pattern
    from .state import ModelState

LIMIT_BYTES = 16 * 2**30
"""A run folder's artifacts take no more than this: the longest unused are dropped, and made again when needed."""

VALUES, ORDER, LOW, SCALES = "/values", "/order", "/low", "/scales"
"""
Suffixes: a matrix's kept values, a module's permutation, low-precision values and their scales; keep masks stand under
the plain path.
"""


T = TypeVar("T")


def path(folder: Path, key: str, what: str) -> Path:
    return folder / "artifacts" / f"{key}.{what}.safetensors"


def save_tensors(file: Path, tensors: dict[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Atomically and sealed. Raises EnvironmentProblem when the disk is full."""
    ready = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
    with appearing(file) as partial, disk_errors():
        save_file(ready, partial, {**(metadata or {}), sealed.SEAL: sealed.UNSEALED})
        sealed.seal(partial)


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """What safetensors says of the disk ("I/O error: … (os error 28)"), as the OSError that it is."""
    try:
        yield
    except SafetensorError as problem:
        if (found := re.search(r"\(os error (\d+)\)", str(problem))) is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1]))) from problem


def load_tensors(file: Path) -> dict[str, Tensor] | None:
    """Mapped from the file: they take memory only while they are read. None if there is none, or a damaged one."""
    if not sealed.is_sound(file):
        return None
    try:
        kept: Any = safe_open(file, "pt")  # safetensors annotates nothing here
        return {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118  # no mapping, in spite of its keys
    except (OSError, SafetensorError, ValueError):
        return None


@dataclass(frozen=True)
class Lazy(Mapping[str, T]):
    """What belongs to each name, made when it is asked for."""

    names: tuple[str, ...]
    make: Callable[[str], T]

    def __getitem__(self, name: str) -> T:
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
    for name, low in state.low_precision.items():
        tensors[name + LOW] = low.values_OI.contiguous().cpu()
        if low.scales_O is not None:
            tensors[name + SCALES] = low.scales_O.cpu()
    tensors |= {name + ORDER: order.to(torch.int32).cpu() for name, order in state.permutations.items()}
    save_tensors(file, tensors, {"note": json.dumps(note)})
    trim(file)


def load_state(file: Path, dense: ModelState, pattern: Pattern) -> tuple[ModelState, dict[str, Any]] | None:
    """The kept state of the dense model and its note; None if there is none, or it does not fit."""
    if not sealed.is_sound(file):
        return None
    try:
        kept: Any = safe_open(file, "pt")  # safetensors annotates nothing here
        note = json.loads(kept.metadata()["note"])
    except (OSError, SafetensorError, ValueError, TypeError, KeyError):
        return None
    shapes = {matrix.shape.path: (matrix.shape.rows, matrix.shape.cols) for matrix in dense.targets}
    names = frozenset(kept.keys())
    if not all(fits(kept, names, name, shape) for name, shape in shapes.items()):
        return None
    with contextlib.suppress(OSError):
        sealed.touch(file)

    def tensor(name: str) -> Tensor:
        found: Tensor = kept.get_tensor(name)
        return found

    def keep_mask(name: str) -> Tensor:
        return unpack(tensor(name), *shapes[name])

    def weight(name: str) -> Tensor:
        values = tensor(name + VALUES)
        return values.new_zeros(shapes[name]).masked_scatter_(keep_mask(name), values)

    def low(name: str) -> LowPrecision:
        return LowPrecision(tensor(name + LOW), tensor(name + SCALES) if name + SCALES in names else None)

    def having(suffix: str) -> tuple[str, ...]:
        return tuple(name for name in shapes if name + suffix in names)

    orders = tuple(name.removesuffix(ORDER) for name in names if name.endswith(ORDER))
    state = replace(
        dense,
        pattern=pattern,
        keep_masks=Lazy(having(""), keep_mask),
        changed_weights=Lazy(having(VALUES), weight),
        low_precision=Lazy(having(LOW), low),
        permutations=Lazy(orders, lambda name: tensor(name + ORDER).long()),
    )
    return state, note


def fits(kept: Any, names: frozenset[str], name: str, shape: tuple[int, int]) -> bool:
    """Whether a file holds a matrix of this shape: its mask, its low-precision values, or both."""
    rows, cols = shape
    wanted = {name: [-(-rows * cols // 8)], name + LOW: [rows, cols], name + SCALES: [rows]}
    found = {each: kept.get_slice(each).get_shape() for each in wanted if each in names}
    return bool(found) and all(found[each] == wanted[each] for each in found)


def trim(newest: Path, limit: int = LIMIT_BYTES) -> None:
    """Drops the longest unused files beside `newest` until all together take at most `limit` bytes."""
    with contextlib.suppress(OSError):
        files = sorted(newest.parent.glob("*.safetensors"), key=lambda file: file.stat().st_mtime, reverse=True)
        total = 0
        for file in files:
            total += file.stat().st_size
            if total > limit and file != newest:
                file.unlink()
