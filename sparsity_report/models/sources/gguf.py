"""
A GGUF file, de-quantised to floating point.

Reading one takes many times longer than reading safetensors, so that the de-quantised weights are kept in the user's
cache, keyed by the file's sha256.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...contracts import Info
from ...errors import EnvironmentProblem
from ...paths import beside, is_file
from .. import gguf_header

if TYPE_CHECKING:
    from gguf import GGUFReader
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from ...contracts import ModelRequest
    from ..loading import LoadedModel

INFO = Info(
    name="gguf",
    summary='a GGUF file ("./model.gguf"), de-quantised; its numbers are labelled so',
    requires=("gguf", "accelerate"),
)

FLOATS = ("F64", "F32", "F16", "BF16")
RELATIVES_OF_LLAMA = ("llama", "mistral", "qwen2", "qwen3")
"""GGUF architectures whose header is enough for the arithmetic."""


def matches(source: str) -> bool:
    return source.lower().endswith(".gguf") and not source.startswith(("package:", "bundled:"))


def locate(request: ModelRequest) -> Path:
    """The file; a relative path counts from the request's folder. Raises EnvironmentProblem."""
    path = beside(request.folder, request.source)
    if not is_file(path):
        raise EnvironmentProblem(f"there is no file {path}", remedy="Relative paths count from the folder of the spec.")
    return path


def open_header(path: Path) -> GGUFReader:
    """The file's header. Raises EnvironmentProblem where it is not a GGUF file."""
    from gguf import GGUFReader

    try:
        gguf_header.check(path)
        return GGUFReader(path)
    except (ValueError, IndexError, KeyError, OSError) as error:
        raise EnvironmentProblem(f"{path} is not a readable GGUF file: {error}", remedy="Fetch it again.") from error


def config(request: ModelRequest) -> dict[str, Any] | None:
    """The config as far as the header tells; None for architectures other than Llama and its relatives."""
    try:
        header = open_header(locate(request))
    except (EnvironmentProblem, ImportError):
        return None
    kind = field(header, "general.architecture")
    if kind not in RELATIVES_OF_LLAMA:
        return None
    tensors = {tensor.name: tensor for tensor in header.tensors}
    sizes = {
        "hidden_size": "embedding_length",
        "intermediate_size": "feed_forward_length",
        "num_hidden_layers": "block_count",
        "num_attention_heads": "attention.head_count",
        "num_key_value_heads": "attention.head_count_kv",
        "head_dim": "attention.key_length",
        "max_position_embeddings": "context_length",
    }
    known = {name: field(header, f"{kind}.{key}") for name, key in sizes.items()}
    return {name: value for name, value in known.items() if value is not None} | {
        "model_type": kind,
        "hidden_act": "silu",
        "vocab_size": int(tensors["token_embd.weight"].shape[1]),  # GGUF lists the fastest dimension first
        "attention_bias": "blk.0.attn_q.bias" in tensors,
        "tie_word_embeddings": "output.weight" not in tensors,
    }


def field(header: GGUFReader, key: str) -> Any:
    """A field's value, or None where the header lacks it."""
    found = header.get_field(key)
    return None if found is None else found.contents()


def provenance(path: Path) -> dict[str, str]:
    """Label and licence, from the header: the type that holds most of the weights is what they come from."""
    header = open_header(path)
    weights: Counter[str] = Counter()
    for tensor in header.tensors:
        weights[tensor.tensor_type.name] += int(tensor.n_elements)
    dominant = weights.most_common(1)[0][0]
    return {
        "label": "" if dominant in FLOATS else f"de-quantised from {dominant}",
        "licence": str(field(header, "general.license") or ""),
    }


def cache_folder(sha256: str) -> Path:
    """
    Where the de-quantised weights of a file are kept; tokenizers are written anew by each major version.

    Raises RuntimeError where there is no home.
    """
    import transformers

    root = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return root / "sparsity-report" / "gguf" / f"{sha256[:32]}-transformers{transformers.__version__.split('.')[0]}"


def dequantise(path: Path, dtype: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model and the tokenizer of a GGUF file."""
    from ..loading import read_pretrained

    # transformers draws a bar here that heeds none of its settings.
    with contextlib.redirect_stderr(StringIO()):
        return read_pretrained(path.parent, dtype, gguf_file=path.name)


def convert(path: Path, folder: Path) -> None:
    """
    De-quantise a GGUF file into a folder with config, safetensors, tokenizer and provenance.

    The folder appears whole or not at all. Raises OSError where it cannot be written.
    """
    from ..checkpoint import write_plain

    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".partial-"))
    try:
        model, tokenizer = dequantise(path, "float32")
        write_plain(model, tokenizer, partial)
        (partial / "provenance.json").write_text(json.dumps(provenance(path)), encoding="utf-8")
        if not folder.exists():
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def load(request: ModelRequest) -> LoadedModel:
    from safetensors import SafetensorError

    from ..loading import LoadedModel, read_pretrained

    path = locate(request)
    open_header(path)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        folder = cache_folder(sha256)
        if not folder.exists():
            convert(path, folder)
    except (OSError, RuntimeError, SafetensorError):  # nothing is kept where there is no home, or no room in it
        model, tokenizer = dequantise(path, request.dtype)
        known = provenance(path)
    else:
        model, tokenizer = read_pretrained(folder, request.dtype)
        known = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    return LoadedModel(model, tokenizer, INFO.name, request.source, f"sha256:{sha256}", **known)
