"""A model as a plain Hugging Face checkpoint: config, tokenizer, one safetensors file; every tool reads it."""

from __future__ import annotations

import contextlib
import copy
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file

from ..errors import UsageError
from ..results.store import disk_problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

FOREIGN = ("quantization_config", "compression_config", "sparsity_config")
"""
Parts of a config that say how weights were packed. What is written here is plain: transformers would refuse it, or,
worse, read a sparsity_config and fill every matrix with random numbers without a word (seen in 5.23).
"""


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """
    A folder to write into, which becomes `folder` when all is well: it appears whole or not at all.

    Raises UsageError where something is there already, EnvironmentProblem where nothing can be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already", remedy="choose a folder that is new or empty")
    with disk_problems(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".partial-"))
        try:
            yield partial
            partial.chmod(0o755)
            if folder.exists():
                folder.rmdir()
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def plain_config(model: nn.Module) -> Any:
    """A copy of the model's config without anything about packed weights."""
    config: Any = copy.deepcopy(model.config)
    for name in FOREIGN:
        if hasattr(config, name):
            delattr(config, name)
    return config


def own_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Everything that the model keeps, by name: parameters and persistent buffers, tied ones once."""
    first: dict[int, str] = {}
    found: dict[str, Tensor] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if first.setdefault(id(tensor), name) == name:
            found[name] = tensor.detach()
    return found


def write_head(model: nn.Module, tokenizer: PreTrainedTokenizerBase | None, folder: Path) -> None:
    """Config and tokenizer."""
    plain_config(model).save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)


def write_plain(model: nn.Module, tokenizer: PreTrainedTokenizerBase | None, folder: Path) -> None:
    """
    The checkpoint, into a folder that exists.

    `save_pretrained` refuses a model that came from GGUF (transformers 5), so that its parts are written one by one.
    """
    write_head(model, tokenizer, folder)
    tensors = {name: tensor.contiguous().cpu() for name, tensor in own_tensors(model).items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
