"""
Masks or a pruned checkpoint from elsewhere, so that another tool's output stands in the same tables.

Shapes: O out features, I in features.
"""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ..contracts import Info
from ..contracts import Params as Base
from ..errors import EnvironmentProblem
from ..paths import beside, is_dir, is_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor
    from transformers import PreTrainedModel

    from ..contracts import ModelRequest, Pattern
    from ..tasks import Outcome, Task

    Stamp = tuple[tuple[str, int, int], ...]

INFO = Info(
    name="given",
    summary="take masks, or the zeros and weights of a pruned checkpoint, as another tool made them",
    equation=r"M_{ij} = \mathbf{1}\,[\, \hat{W}_{ij} \neq 0 \,]",
    spoken="the mask M i j is one, and weight i j kept, exactly where the given weight is not zero",
    cite="hoefler2021sparsity",
    traits={
        "family": "masks from another tool",
        "removes": "what the other tool removed",
        "speed-up": "as its pattern allows",
        "hardware": "any",
        "weight update": "the checkpoint's, if it has any",
    },
)
DEFAULT_SCOPE = "layer"
SEEDED = False
NEEDS: tuple[str, ...] = ()
BRINGS_COUNTS = True
"""The masks have their own sparsity: the spec gives none, and neither a scope nor an allocation."""

MASK_FILE = ".safetensors"


class Params(Base):
    """
    `source` is a checkpoint as `[[model]]` names it (directory, hub id, GGUF file, …), or a .safetensors file with a
    keep mask (O, I), bool or uint8, under each matrix's path. `kind` "auto" goes by the ending.
    """

    source: str = Field(min_length=1)
    kind: Literal["auto", "checkpoint", "masks"] = "auto"

    @property
    def are_masks(self) -> bool:
        return self.kind == "masks" or (self.kind == "auto" and self.source.endswith(MASK_FILE))


def refuses(pattern: Pattern, scope: str) -> str:
    """Units are not looked for in masks from elsewhere; N:M is checked."""
    return f'"given" takes single weights or N:M, not the pattern "{pattern}"' if pattern.unit else ""


def prune(weights: Sequence[Tensor], tasks: Sequence[Task], params: Params) -> list[Outcome]:
    """
    The given masks, (O, I) each, whatever the tasks' counts; a checkpoint's weights too, where kept ones differ.

    A weight that is 0 in the checkpoint counts as removed. Of a checkpoint nothing but the targeted matrices is taken:
    its biases and norms are not. Raises EnvironmentProblem for a source that cannot be read, that lacks a matrix or has
    another shape, or whose masks are not of the task's pattern.
    """
    from ..tasks import Outcome

    outcomes = []
    for weight_OI, task in zip(weights, tasks, strict=True):
        seen = stamp(params.source, task.folder)
        if params.are_masks:
            matrices = given_masks(params.source, task.folder, seen)
            keep_mask = found(matrices, weight_OI, task, params.source).to(weight_OI.device)
            changed_OI = None
        else:
            dtype = str(weight_OI.dtype).removeprefix("torch.")
            matrices = given_weights(params.source, task.folder, task.offline, dtype, seen)
            theirs_OI = found(matrices, weight_OI, task, params.source).to(weight_OI.device)
            keep_mask = theirs_OI != 0
            same = bool((theirs_OI == weight_OI)[keep_mask].all())
            changed_OI = None if same else theirs_OI.masked_fill(~keep_mask, 0.0)
        check_pattern(keep_mask, task, params.source)
        outcomes.append(Outcome(keep_mask.clone(), changed_OI))
    return outcomes


def fingerprint(params: Params, studied: ModelRequest) -> str:
    """
    What the given masks are, whatever their file is called: its sha256, or the checkpoint's revision.

    `studied` is the model that they are for. Raises EnvironmentProblem for a source that cannot be read.
    """
    if not params.are_masks:
        seen = stamp(params.source, studied.folder)
        return checkpoint(params.source, studied.folder, studied.offline, studied.dtype, seen)[1]
    file = located(params.source, studied.folder)
    try:
        with file.open("rb") as opened:
            return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"
    except OSError as error:
        raise unreadable(file, error) from error


def located(source: str, folder: str) -> Path:
    return beside(folder, source)


def stamp(source: str, folder: str) -> Stamp:
    """Names, times and sizes of the files, by which what was read of them is known to be theirs still."""
    place = located(source, folder)
    files = sorted(place.glob("*.safetensors")) if is_dir(place) else [place]
    return tuple((file.name, (at := file.stat()).st_mtime_ns, at.st_size) for file in files if is_file(file))


def unreadable(file: Path, error: Exception) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"the masks in {file} cannot be read: {error}",
        remedy="Relative paths count from the folder of the spec; the file is one of safetensors.",
    )


@functools.lru_cache(maxsize=1)
def given_masks(source: str, folder: str, seen: Stamp) -> Mapping[str, Tensor]:
    """Keep masks of a .safetensors file by matrix path, as bool. Raises EnvironmentProblem."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = located(source, folder)
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise unreadable(file, error) from error
    for path, tensor in tensors.items():
        if tensor.dtype not in (torch.bool, torch.uint8) or (tensor.dtype == torch.uint8 and bool((tensor > 1).any())):
            raise EnvironmentProblem(
                f"{file}: {path} is no keep mask: it is {tensor.dtype}, and neither bool nor uint8 of 0 and 1",
                remedy='A keep mask is bool or uint8, 1 where kept; weights are read with kind = "checkpoint".',
            )
    return {path: tensor.bool() for path, tensor in tensors.items()}


@functools.lru_cache(maxsize=1)
def checkpoint(source: str, folder: str, offline: bool, dtype: str, seen: Stamp) -> tuple[PreTrainedModel, str]:
    """The pruned model and its revision; it stays in memory for the next group. Raises EnvironmentProblem."""
    from ..contracts import ModelRequest
    from ..models.loading import load_weights

    return load_weights(ModelRequest(source, dtype=dtype, offline=offline, folder=folder))


def given_weights(source: str, folder: str, offline: bool, dtype: str, seen: Stamp) -> Mapping[str, Tensor]:
    """Matrices (O, I) of a checkpoint by path. Raises EnvironmentProblem."""
    from ..models.anatomy import anatomy, read

    model, _ = checkpoint(source, folder, offline, dtype, seen)
    return {matrix.shape.path: read(model, matrix) for matrix in anatomy(model).matrices}


def found(matrices: Mapping[str, Tensor], weight_OI: Tensor, task: Task, source: str) -> Tensor:
    """The given matrix of the task. Raises EnvironmentProblem where it is missing or of another shape."""
    remedy = "The masks or the checkpoint must be of the model that is studied."
    if task.path not in matrices:
        raise EnvironmentProblem(
            f"{source} has no {task.path}; it has {', '.join(sorted(matrices)[:3])}, …", remedy=remedy
        )
    theirs, ours = tuple(matrices[task.path].shape), tuple(weight_OI.shape)
    if theirs != ours:
        raise EnvironmentProblem(
            f"{task.path} is {theirs[0]} × {theirs[1]} in {source} and {ours[0]} × {ours[1]} in the model",
            remedy=remedy,
        )
    return matrices[task.path]


def check_pattern(keep_mask: Tensor, task: Task, source: str) -> None:
    """N:M allows at most N kept of every M. Raises EnvironmentProblem with the first group that has more."""
    from torch.nn.functional import pad

    pattern, cols = task.pattern, keep_mask.shape[1]
    if not pattern.is_nm:
        return
    kept_OG = pad(keep_mask.int(), (0, -cols % pattern.m)).view(len(keep_mask), -1, pattern.m).sum(2)
    allowed_G = [pattern.kept(min(pattern.m, cols - start)) for start in range(0, cols, pattern.m)]
    too_many = (kept_OG > kept_OG.new_tensor(allowed_G)).nonzero()
    if len(too_many):
        row, group = too_many[0].tolist()
        first, last = group * pattern.m, min((group + 1) * pattern.m, cols) - 1
        raise EnvironmentProblem(
            f"{source}: {task.path} is not {pattern}: row {row} keeps {int(kept_OG[row, group])} of its columns "
            f"{first}–{last}, and {allowed_G[group]} are allowed",
            remedy='Leave out the pattern to take the masks as single weights ("unstructured").',
        )
