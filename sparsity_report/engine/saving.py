"""
A sparse model on disk, and back: what a layer holds is what is written, and nothing is decoded on the way.

The layout is this package's own, version 1. A folder has
- `sparse.safetensors`: every tensor of the model under its own name, tied ones once; of a layer in a format, its
  components (`model.layers.0.mlp.up_proj.values`, `….indices`, `….scales`) in place of its weight,
- `sparse.json`: version; attention implementation and dtype; for each layer in a format its format and parameters,
  shape and pattern; name, type and shape of every tensor; and where the model came from,
- `config.json` and the tokenizer, as every Hugging Face model has them.

`config.json` never says anything about sparsity, and there is no `model.safetensors`: a tool that does not know the
layout finds no weights and says so, instead of filling matrices with random numbers. `load_sparse` checks every name,
type and shape before it builds anything, and never holds a dense copy of what it loads.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .. import __version__, registry
from ..contracts import FormatChoice, Pattern
from ..errors import EnvironmentProblem, UsageError
from ..models.checkpoint import new_folder, own_tensors, write_head
from ..models.loading import quiet_transformers, wrapped_errors
from ..results.model import Record
from .variant import FormattedLinear, leaf_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LAYOUT = 1
WEIGHTS, HEAD = "sparse.safetensors", "sparse.json"


class Layer(Record):
    """A layer in a format: what `apply` needs beside its tensors."""

    format: str
    params: dict[str, Any] = Field(default_factory=dict)
    shape: tuple[int, int]
    pattern: str = "unstructured"


class Head(Record):
    """`sparse.json`. Tensors are (type, shape) by name."""

    layout: Literal[1]
    written_by: str = ""
    attention: str = ""
    dtype: str
    layers: dict[str, Layer]
    tensors: dict[str, tuple[str, tuple[int, ...]]]
    provenance: dict[str, Any] = Field(default_factory=dict)


def described(tensor: Tensor) -> tuple[str, tuple[int, ...]]:
    return str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape)


def formatted(model: nn.Module) -> dict[str, FormattedLinear]:
    """The model's layers in a format, by path."""
    return {path: module for path, module in model.named_modules() if isinstance(module, FormattedLinear)}


def save_sparse(
    model: nn.Module,
    folder: Path | str,
    tokenizer: PreTrainedTokenizerBase | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """
    Writes a model whose layers are in formats (`engine.variant.build(…).model`) to a new folder, and returns it.

    `provenance` is plain data that goes along. Raises UsageError where the folder holds something, and
    EnvironmentProblem where it cannot be written or a layer holds CUDA's own 2:4 tensor.
    """
    folder, layers = Path(folder), formatted(model)
    tensors = {name: tensor.contiguous().cpu() for name, tensor in own_tensors(model).items() if is_plain(name, tensor)}
    head = Head(
        layout=LAYOUT,
        written_by=f"sparsity-report {__version__}",
        attention=str(getattr(model.config, "_attn_implementation", None) or ""),
        dtype=str(model.dtype).removeprefix("torch."),
        layers={
            path: Layer(format=each.entry, params=each.params, shape=each.shape, pattern=str(each.pattern))
            for path, each in layers.items()
        },
        tensors={name: described(tensor) for name, tensor in tensors.items()},
        provenance=dict(provenance or {}),
    )
    with new_folder(folder) as partial:
        write_head(model, tokenizer, partial)
        save_file(tensors, partial / WEIGHTS)
        text = json.dumps(head.model_dump(mode="json"), indent=1, ensure_ascii=False)
        (partial / HEAD).write_text(text + "\n", encoding="utf-8")
    return folder


def is_plain(name: str, tensor: Tensor) -> bool:
    """True; raises EnvironmentProblem for a tensor that exists on its device only."""
    if next(iter(leaf_tensors(tensor))) is not tensor:
        raise EnvironmentProblem(
            f"{name} is a tensor of CUDA's own layout, which cannot be saved", remedy="encode the model on a CPU"
        )
    return True


def load_sparse(folder: Path | str) -> PreTrainedModel:
    """
    The model that `save_sparse` wrote, in evaluation mode, on the CPU; its tokenizer is in the same folder.

    Raises UsageError where there is none, EnvironmentProblem where files are damaged or do not belong together.
    """
    folder = Path(folder)
    head = read_head(folder)
    model = empty_model(folder, head)
    try:
        with safe_open(folder / WEIGHTS, "pt") as file:
            check_tensors(folder, head, {name: file.get_slice(name) for name in file.keys()})  # noqa: SIM118 (no mapping)
            for path, layer in head.layers.items():
                inside(model, path, folder)
                own = [name for name in head.tensors if name.rpartition(".")[0] == path]
                # Copies, so that products see the same alignment as before, and the file can go.
                parts = {name.rpartition(".")[2]: file.get_tensor(name).clone() for name in own}
                bias = parts.pop("bias", None)
                choice = FormatChoice(layer.format, layer.params)
                model.set_submodule(
                    path, FormattedLinear.of(parts, layer.shape, bias, choice, Pattern.parse(layer.pattern))
                )
            taken = {f"{path}.{name}" for path, each in formatted(model).items() for name in each.state_dict()}
            rest = {name: file.get_tensor(name).clone() for name in head.tensors if name not in taken}
    except (OSError, SafetensorError) as problem:
        raise damaged(folder, f"{WEIGHTS} cannot be read: {problem}") from problem
    wanted = {name: tensor for name, tensor in own_tensors(model).items() if name not in taken}
    compare(
        folder, {name: described(each) for name, each in wanted.items()}, {n: described(t) for n, t in rest.items()}
    )
    model.load_state_dict(rest, strict=False, assign=True)
    with quiet_transformers():
        model.tie_weights()
    model.eval().requires_grad_(False)  # type: ignore[no-untyped-call]  # transformers leaves these untyped
    return model


def damaged(folder: Path, what: str) -> EnvironmentProblem:
    return EnvironmentProblem(f"{folder}: {what}", remedy="The folder is damaged or incomplete: export it again.")


def read_head(folder: Path) -> Head:
    """`sparse.json`, checked. Raises UsageError and EnvironmentProblem."""
    try:
        text = (folder / HEAD).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"there is no sparse model in {folder}", remedy=f"a folder with {HEAD}, as sparsity-report export writes it"
        ) from None
    except (OSError, UnicodeDecodeError) as problem:
        raise damaged(folder, f"{HEAD} cannot be read: {problem}") from problem
    try:
        head = Head.model_validate_json(text)
        for layer in head.layers.values():
            module = registry.get("formats", layer.format)
            module.Params.model_validate(layer.params)
            Pattern.parse(layer.pattern)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise damaged(folder, f"{HEAD} is not of layout {LAYOUT}: {where}: {first['msg']}") from problem
    except (KeyError, ValueError) as problem:
        raise damaged(folder, f"{HEAD}: {problem.args[0]}") from problem
    return head


def empty_model(folder: Path, head: Head) -> PreTrainedModel:
    """The architecture without weights: parameters take no memory, buffers that are computed are there."""
    from accelerate import init_empty_weights  # type: ignore[import-untyped]
    from transformers import AutoConfig, AutoModelForCausalLM

    with quiet_transformers(), wrapped_errors(folder):
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        with init_empty_weights(include_buffers=False):
            model: PreTrainedModel = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]  # as above
                config,
                dtype=getattr(torch, head.dtype),
                attn_implementation=head.attention or None,
                trust_remote_code=False,
            )
        model.tie_weights()
    return model


def inside(model: nn.Module, path: str, folder: Path) -> None:
    try:
        model.get_submodule(path)
    except AttributeError:
        raise damaged(folder, f"{HEAD} has a layer {path!r}, and the model of config.json has none") from None


def check_tensors(folder: Path, head: Head, slices: Mapping[str, Any]) -> None:
    """Every tensor of the file is one that the head names, of its type and shape, and the other way round."""
    found = {
        name: (TYPES.get(each.get_dtype(), each.get_dtype()), tuple(each.get_shape())) for name, each in slices.items()
    }
    compare(folder, dict(head.tensors), found)


TYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16", "I8": "int8", "U8": "uint8", "I16": "int16"} | {
    "I32": "int32",
    "I64": "int64",
    "BOOL": "bool",
    "F64": "float64",
}
"""safetensors' names."""


def compare(
    folder: Path,
    wanted: Mapping[str, tuple[str, tuple[int, ...]]],
    found: Mapping[str, tuple[str, tuple[int, ...]]],
) -> None:
    """Raises EnvironmentProblem that names what is missing, unexpected, or of another type or shape."""
    missing, unexpected = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    other = sorted(name for name in wanted.keys() & found.keys() if wanted[name] != found[name])
    texts = [
        f"{len(names)} tensors are {what}, {names[0]} among them"
        for what, names in (("missing", missing), ("unexpected", unexpected))
        if names
    ]
    if other:
        (dtype, shape), (own_dtype, own_shape) = wanted[other[0]], found[other[0]]
        texts.append(f"{other[0]} is {own_dtype} {list(own_shape)} where {dtype} {list(shape)} belongs")
    if texts:
        raise damaged(folder, "; ".join(texts))
