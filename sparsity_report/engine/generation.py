"""
Greedy continuations of a few prompts from the evaluation text, by dense and by every node: what a reader can judge.

Shapes: P prompts, L tokens of a prompt, G generated tokens.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch

from ..models.blocks import device_of
from ..planning import digest
from ..results.model import Continuation, GenerationRecord
from ..results.sealed import read_entry, write_entry
from .nodes import MASKED, mask_key, state_of
from .timing import cache_of
from .variant import build

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from ..contracts import Node
    from ..spec.model import Generation, Spec
    from .prepare import Prepared

VERSION = 1
"""Raise it when continuations of the same model and prompts change."""


def prompts(ids_NL: Tensor, wanted: Generation) -> Tensor:
    """(P, L): the beginnings of windows that lie evenly over the text; at most one a window."""
    count = min(wanted.prompts, len(ids_NL))
    chosen = [place * len(ids_NL) // count for place in range(count)]
    return ids_NL[chosen, : wanted.prompt]


@torch.inference_mode()
def greedy(model: nn.Module, prompt_PL: Tensor, count: int) -> Tensor:
    """(P, count): always the most likely token, never stopping; of equal logits the one that argmax takes."""
    last: dict[str, Any] = (
        {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
    )
    output = model(input_ids=prompt_PL.to(device_of(model)), use_cache=True, **last)
    tokens = [output.logits[:, -1:].float().argmax(-1)]
    while len(tokens) < count:
        output = model(input_ids=tokens[-1], use_cache=True, **cache_of(output))
        tokens.append(output.logits[:, -1:].float().argmax(-1))
    return torch.cat(tokens, dim=1).cpu()


def same_tokens(own: Sequence[int], dense: Sequence[int]) -> int:
    """Tokens from the start up to the first that differs."""
    pairs = zip(own, dense, strict=True)
    return next((place for place, (ours, theirs) in enumerate(pairs) if ours != theirs), len(dense))


def continued(spec: Spec, prepared: Prepared, node: Node, prompt_PL: Tensor, folder: Path) -> list[list[int]]:
    """The node's continuations: from the run folder, or generated now and kept there."""
    count = spec.metrics.generation.tokens
    name = digest([VERSION, mask_key(prepared, node), prompt_PL.tolist(), count])[:16]
    file = folder / "nodes" / f"{name}.generation.json"
    found = read_entry(file)
    if found is None:
        state, _ = state_of(spec, prepared, node, folder)
        model = build(state, MASKED).model if node.stages else state.model
        found = greedy(model, prompt_PL, count).tolist()
        write_entry(file, found)
    tokens: list[list[int]] = found
    return tokens


def generations(
    spec: Spec, prepared: Prepared, dense: Node, nodes: Sequence[Node], folder: Path
) -> list[GenerationRecord]:
    """One record a prompt, dense first."""
    text = prepared.evaluation[0]
    prompt_PL = prompts(text.windows.ids, spec.metrics.generation)
    every = [dense, *(node for node in nodes if node.stages)]
    tokens = {node.key: continued(spec, prepared, node, prompt_PL, folder) for node in every}
    decode = prepared.loaded.tokenizer.decode
    return [
        GenerationRecord(
            model=prepared.model.name,
            corpus=text.name,
            prompt=decode(prompt),
            tokens=spec.metrics.generation.tokens,
            continuations=tuple(
                Continuation(
                    node=node.key,
                    same=(same := same_tokens(tokens[node.key][place], tokens[dense.key][place])),
                    shared=decode(tokens[node.key][place][:same]),
                    other=decode(tokens[node.key][place][same:]),
                )
                for node in every
            ),
        )
        for place, prompt in enumerate(prompt_PL.tolist())
    ]
