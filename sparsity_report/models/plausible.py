"""
Whether a config can belong to the weights beside it, and asks for nothing from elsewhere, before anything is built.

A config is a few hundred bytes and can ask for any number of layers of any size: building that takes for ever or all
memory. Weights are as large as they are: a size beyond what their files hold is no size of theirs.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Any

from ..errors import EnvironmentProblem
from ..paths import regular
from ..results.sealed import LONGEST_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
VOCABULARY = ("vocab_size",)
WIDTHS = ("word_embed_proj_dim", "hidden_size", "n_embd", "d_model")
SIZES = (*VOCABULARY, *WIDTHS, "intermediate_size", "ffn_dim", "n_inner", "num_attention_heads", "n_head", "head_dim")

INDEX = "model.safetensors.index.json"
ADAPTER = "adapter_config.json"
KERNELS = ("attn_implementation", "experts_implementation")
"""How keys end that may name code of the hub ("owner/kernel"), which transformers would fetch and run."""


def tensor_count(file: Path) -> int:
    """How many tensors a safetensors file lists. Raises ValueError, OSError."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > LONGEST_HEADER:
            raise ValueError("its header is longer than any")
        header = json.loads(stream.read(length))
    return len(header) if isinstance(header, dict) else 0


def read(file: Path) -> dict[str, Any]:
    """A table in JSON; empty where it cannot be read, which is said elsewhere."""
    try:
        plain = json.loads(regular(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return plain if isinstance(plain, dict) else {}


def check(folder: Path) -> None:
    """Raises EnvironmentProblem for a config that the safetensors files in the folder cannot be of, or not alone."""
    config = read(folder / "config.json")
    if wanted := foreign(folder, config):
        raise EnvironmentProblem(
            f"{folder} is no whole model: {wanted}, and nothing from elsewhere is read or run.",
            remedy="Save the whole model there, an adapter's after merge_and_unload(): model.save_pretrained(FOLDER)",
        )
    files = [file for file in sorted(folder.glob("*.safetensors")) if file.is_file()]
    count = stored = 0
    for file in files:
        with contextlib.suppress(OSError, ValueError):  # a damaged one is refused where it is read, with its reason
            count += tensor_count(file)
            stored += file.stat().st_size
    if not count:
        return
    for name, value, most in claims(config, count, stored):
        if not 0 < value <= most:
            raise EnvironmentProblem(
                f"{folder}: config.json says {name} = {value}, its weights are {count} tensors in {stored:,} bytes.",
                remedy="The files belong to different models, or are damaged: fetch them again.",
            )


def foreign(folder: Path, config: dict[str, Any]) -> str:
    """What the folder's files ask for that does not lie in it; empty where there is nothing."""
    if (folder / ADAPTER).exists():
        return f"{ADAPTER} makes it a part of another one"
    shards = read(folder / INDEX).get("weight_map")
    for name in set(map(str, shards.values())) if isinstance(shards, dict) else ():
        if PureWindowsPath(name).name != name:  # which knows both separators
            return f"{INDEX} names {name!r}"
    for key, value in everything(config):
        if key.endswith(KERNELS) and "/" in str(value):
            return f"config.json asks for {key} = {value!r}"
    return ""


def everything(plain: Any) -> Iterator[tuple[str, Any]]:
    """Every key at any depth, with its value."""
    waiting = [plain]
    while waiting:
        here = waiting.pop()
        waiting += here.values() if isinstance(here, dict) else here if isinstance(here, list) else ()
        yield from ((str(key), value) for key, value in here.items()) if isinstance(here, dict) else ()


def claims(config: dict[str, Any], count: int, stored: int) -> list[tuple[str, int, int]]:
    """Sizes that the config claims, and the most that the files allow: no weight takes less than half a byte."""
    known = {key: value for key, value in config.items() if type(value) is int}
    most = 2 * stored
    found = [(key, known[key], count) for key in LAYERS if key in known]
    found += [(key, known[key], most) for key in SIZES if key in known]
    widths = [known[key] for key in WIDTHS if key in known]
    if widths and "vocab_size" in known:
        found.append(("vocab_size × width", known["vocab_size"] * min(widths), most))
    return found
