"""
Cuts a text into windows of token ids: the protocol behind every perplexity.

The whole text is tokenised once, a BOS token stands before the whole (never before each window), windows do not
overlap, and the tail that does not fill a window is dropped. `protocol` is the tag that says all of that.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import Problem, SpecError

if TYPE_CHECKING:
    from torch import Tensor

    from .contracts import Text

MAX_DEFAULT_LENGTH = 2048
"""`length = "max"` means the model's context, at most this: huge nominal contexts are not evaluation protocols."""


QUICK_WINDOWS = 2
"""Windows of a rehearsal (`--quick`)."""


@dataclass(frozen=True)
class Windows:
    """Token ids (N, L) int64, and what the report must say about them."""

    ids: Tensor
    protocol: str
    bos: str
    tail_tokens_dropped: int
    predicted_bytes: int
    """UTF-8 bytes of the tokens that are predicted (all but the first of each window)."""
    token_ids_sha256: str

    @property
    def predicted_tokens(self) -> int:
        count, length = self.ids.shape
        return int(count * (length - 1))


def resolve_length(length: int | str, context: int | None) -> int:
    """The window's length in tokens. Raises SpecError when the model cannot take it."""
    if length == "max":
        return min(context or MAX_DEFAULT_LENGTH, MAX_DEFAULT_LENGTH)
    if context is not None and int(length) > context:
        raise SpecError(
            Problem("data.evaluation.length", f"{length} tokens are more than the model's context, {context}")
        )
    return int(length)


def adds_bos(tokenizer: Any) -> bool:
    """Whether the tokenizer by its own policy begins a text with BOS (OPT and Llama do, GPT-2 and Qwen do not)."""
    ids = tokenizer("a", add_special_tokens=True)["input_ids"]
    return bool(ids) and tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id


def token_byte_lengths(tokenizer: Any, encoding: Any, text: str) -> list[int]:
    """UTF-8 bytes per token, by the ends of their character spans, so that no byte counts twice."""
    if "offset_mapping" not in encoding:
        return [len(tokenizer.decode([token]).encode()) for token in encoding["input_ids"]]
    ends = [end for _, end in encoding["offset_mapping"]]
    lengths, position = [], 0
    for end in ends:
        lengths.append(len(text[position:end].encode()) if end > position else 0)
        position = max(position, end)
    return lengths


def cut(text: Text, tokenizer: Any, *, corpus: str, length: int, count: int | None, bos: str) -> Windows:
    """
    Windows of `length` tokens, at most `count`. Raises SpecError when the text is empty or shorter than one window.
    """
    import torch

    encoding = tokenizer(
        text.text, add_special_tokens=False, return_offsets_mapping=tokenizer.is_fast, verbose=False, truncation=False
    )
    ids, sizes = list(encoding["input_ids"]), token_byte_lengths(tokenizer, encoding, text.text)
    with_bos = bos == "auto" and adds_bos(tokenizer)
    if with_bos:
        ids, sizes = [tokenizer.bos_token_id, *ids], [0, *sizes]
    available = len(ids) // length
    if available == 0:
        what = "is empty" if not text.text.strip() else f"has {len(ids)} tokens, fewer than one window of {length}"
        raise SpecError(
            Problem("data.evaluation", f"the text {corpus} {what}", hint="use a longer text or a smaller length")
        )
    used = min(available, count or available)
    window_ids = torch.tensor(ids[: used * length]).view(used, length)
    predicted = sum(size for i, size in enumerate(sizes[: used * length]) if i % length)
    policy = "one BOS before the text" if with_bos else "no BOS"
    where = f"{corpus} ({text.split})" if text.split else corpus
    return Windows(
        ids=window_ids,
        protocol=f"{where}, {used} × {length} tokens, no overlap, tail dropped, {policy}",
        bos=policy,
        tail_tokens_dropped=len(ids) - available * length if used == available else 0,
        predicted_bytes=predicted,
        token_ids_sha256=hashlib.sha256(window_ids.numpy().tobytes()).hexdigest(),
    )
