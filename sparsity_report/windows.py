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
    from collections.abc import Iterable

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


def resolve_length(length: int | str, context: int | None, key: str = "data.evaluation.length") -> int:
    """The window's length in tokens. Raises SpecError when the model cannot take it."""
    if length == "max":
        return min(context or MAX_DEFAULT_LENGTH, MAX_DEFAULT_LENGTH)
    if context is not None and int(length) > context:
        raise SpecError(Problem(key, f"{length} tokens are more than the model's context, {context}"))
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


@dataclass(frozen=True)
class Encoding:
    """A whole text as token ids, with the UTF-8 bytes of each token; `bos` says what stands before the text."""

    ids: tuple[int, ...]
    sizes: tuple[int, ...]
    bos: str


def encode(text: Text, tokenizer: Any, bos: str) -> Encoding:
    """The text, tokenised once; with `bos = "auto"` a BOS before it where the tokenizer's own policy has one."""
    encoding = tokenizer(
        text.text, add_special_tokens=False, return_offsets_mapping=tokenizer.is_fast, verbose=False, truncation=False
    )
    ids, sizes = tuple(encoding["input_ids"]), tuple(token_byte_lengths(tokenizer, encoding, text.text))
    if bos == "auto" and adds_bos(tokenizer):
        return Encoding((tokenizer.bos_token_id, *ids), (0, *sizes), "one BOS before the text")
    return Encoding(ids, sizes, "no BOS")


def cut(
    text: Text,
    tokenizer: Any,
    *,
    corpus: str,
    length: int,
    count: int | None,
    bos: str,
    key: str = "data.evaluation",
) -> Windows:
    """
    Windows of `length` tokens, at most `count`. Raises SpecError when the text is empty or shorter than one window.
    """
    encoding = encode(text, tokenizer, bos)
    available = len(encoding.ids) // length
    if available == 0:
        empty = not text.text.strip()
        what = "is empty" if empty else f"has {len(encoding.ids)} tokens, fewer than one window of {length}"
        raise SpecError(Problem(key, f"the text {corpus} {what}", hint="use a longer text or a smaller length"))
    used = min(available, count or available)
    tail = len(encoding.ids) - available * length if used == available else 0
    where = f"{corpus} ({text.split})" if text.split else corpus
    protocol = f"{where}, {used} × {length} tokens, no overlap, tail dropped, {encoding.bos}"
    return take(encoding, range(used), length, protocol, tail)


def draw(encoding: Encoding, *, corpus: str, split: str, length: int, count: int, seed: int) -> Windows:
    """
    `count` of the text's windows of `length` tokens, drawn by `seed` without replacement, in the order of the text.

    Raises SpecError when the text has fewer: a smaller calibration set than asked for is another experiment.
    """
    import torch

    available = len(encoding.ids) // length
    if available < count:
        message = f"the text {corpus} has {available} windows of {length} tokens, {count} are asked for"
        hint = "use a longer text, a smaller length, or fewer windows"
        raise SpecError(Problem("data.calibration.windows", message, hint=hint))
    order = torch.randperm(available, generator=torch.Generator().manual_seed(seed))
    chosen = sorted(order[:count].tolist())
    where = f"{corpus} ({split})" if split else corpus
    protocol = f"{where}, {count} × {length} tokens drawn from {available} windows, seed {seed}, {encoding.bos}"
    return take(encoding, chosen, length, protocol, 0)


def take(encoding: Encoding, chosen: Iterable[int], length: int, protocol: str, tail: int) -> Windows:
    """The windows of these numbers, full ones all: nothing is padded."""
    import torch

    starts = [number * length for number in chosen]
    windows = torch.tensor([encoding.ids[start : start + length] for start in starts])
    return Windows(
        ids=windows,
        protocol=protocol,
        bos=encoding.bos,
        tail_tokens_dropped=tail,
        predicted_bytes=sum(sum(encoding.sizes[start + 1 : start + length]) for start in starts),
        token_ids_sha256=hashlib.sha256(windows.numpy().tobytes()).hexdigest(),
    )
