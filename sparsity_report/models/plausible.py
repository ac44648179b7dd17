"""
Whether a config can belong to the weights beside it, before anything is built from it.

A config is a few hundred bytes and can ask for any number of layers of any size: building that takes for ever or all
memory. Weights are as large as they are: a size beyond what their files hold is no size of theirs.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from ..errors import EnvironmentProblem
from ..paths import regular
from ..results.sealed import LONGEST_HEADER

if TYPE_CHECKING:
    from pathlib import Path

LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
VOCABULARY = ("vocab_size",)
WIDTHS = ("word_embed_proj_dim", "hidden_size", "n_embd", "d_model")
SIZES = (*VOCABULARY, *WIDTHS, "intermediate_size", "ffn_dim", "n_inner", "num_attention_heads", "n_head", "head_dim")


def tensor_count(file: Path) -> int:
    """How many tensors a safetensors file lists. Raises ValueError, OSError."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > LONGEST_HEADER:
            raise ValueError("its header is longer than any")
        header = json.loads(stream.read(length))
    return len(header) if isinstance(header, dict) else 0


def read(folder: Path) -> dict[str, Any]:
    """The folder's config.json; empty where it cannot be read, which is said elsewhere."""
    try:
        plain = json.loads(regular(folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return plain if isinstance(plain, dict) else {}


def check(folder: Path) -> None:
    """Raises EnvironmentProblem for a config that the safetensors files in the folder cannot be of."""
    files = [file for file in sorted(folder.glob("*.safetensors")) if file.is_file()]
    count = stored = 0
    for file in files:
        with contextlib.suppress(OSError, ValueError):  # a damaged one is refused where it is read, with its reason
            count += tensor_count(file)
            stored += file.stat().st_size
    if not count:
        return
    for name, value, most in claims(read(folder), count, stored):
        if not 0 < value <= most:
            raise EnvironmentProblem(
                f"{folder}: config.json says {name} = {value}, its weights are {count} tensors in {stored:,} bytes.",
                remedy="The files belong to different models, or are damaged: fetch them again.",
            )


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
