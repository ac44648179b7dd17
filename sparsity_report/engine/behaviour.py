"""
Behaviour of every node against dense: one forward a node, then one pass over the head for all of them together.

The forward keeps only the final hidden states (N, L, D). The closing pass turns a few positions at a time into logits,
for dense and for every node, so that dense logits are computed once and never kept whole.

Shapes: N windows, L tokens, T positions at hand, D hidden, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .. import registry
from ..errors import SparsityReportError
from ..models.blocks import HeadCapture, batches, device_of, head_path, shared_copy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

TOKENS_AT_ONCE = 128
"""Positions whose logits exist at one time: with 50,000 tokens of vocabulary, 26 MB of float32."""

ROWS = 16
"""Of those positions so many are worked on at a time: what is made of 50,000 × 16 logits stays in a cache of 3 MB."""
RANKS = 10
"""Of the most likely tokens so many are ranked, by dense and by every node."""
CHUNK = 64
"""Tokens of the vocabulary that are looked through together for the most likely ones."""

HEAD_TOLERANCE = 1e-2
"""Largest difference, relative to the largest logit, between the head applied here and the model's own logits: above
the rounding of half precision, far below what a forgotten scale or cap would do."""


def largest(logits_TV: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """
    The `count` largest logits of every position and their tokens, (T, count) each, in descending order.

    Equal logits stand in the order of their tokens, and NaN counts as the largest. No sort over the vocabulary: the
    `count` largest lie in those `count` chunks whose own largest are the largest (ties again in order), because any
    other chunk has as many tokens before each of its own.
    """
    vocabulary = logits_TV.shape[1]
    whole = vocabulary // CHUNK * CHUNK
    per_chunk = logits_TV[:, :whole].reshape(len(logits_TV), -1, CHUNK).amax(-1) if whole else logits_TV[:, :0]
    if whole < vocabulary:
        per_chunk = torch.cat([per_chunk, logits_TV[:, whole:].amax(-1, keepdim=True)], dim=1)
    chunks = per_chunk.sort(dim=1, descending=True, stable=True).indices[:, :count].sort(dim=1).values
    tokens = (chunks[..., None] * CHUNK + torch.arange(CHUNK, device=logits_TV.device)).flatten(1)
    outside = tokens >= vocabulary
    values = logits_TV.gather(1, tokens.clamp(max=vocabulary - 1)).masked_fill_(outside, -torch.inf)
    ranked = values.sort(dim=1, descending=True, stable=True)
    kept = min(count, vocabulary)
    return ranked.values[:, :kept], tokens.gather(1, ranked.indices[:, :kept])


class Distribution:
    """
    Logits of some positions, (T, V) float32, and what is derived from them, each once however many families ask.
    """

    def __init__(self, logits_TV: Tensor) -> None:
        self.logits_TV = logits_TV

    @cached_property
    def log_probability_TV(self) -> Tensor:
        """Natural logarithms, in float32 whatever the model's dtype."""
        return torch.log_softmax(self.logits_TV, dim=-1)

    @cached_property
    def probability_TV(self) -> Tensor:
        return self.log_probability_TV.exp()

    @cached_property
    def ranked(self) -> tuple[Tensor, Tensor]:
        """The `RANKS` largest logits and their tokens, (T, RANKS) each: see `largest`."""
        return largest(self.logits_TV, RANKS)

    @cached_property
    def top_T(self) -> Tensor:
        """The most likely token; of equal logits the lower token."""
        return self.ranked[1][:, 0]

    @cached_property
    def excludes_tokens(self) -> bool:
        """Whether some token has probability 0: its logarithm is −inf."""
        return bool(self.log_probability_TV.amin() == -torch.inf)


@dataclass(frozen=True)
class Scores:
    """The same positions seen by dense, which all nodes share, and by a variant, and the tokens that follow, (T,)."""

    dense: Distribution
    variant: Distribution
    target_T: Tensor


@dataclass(frozen=True)
class Behaviour:
    """What the closing pass needs of a node: final hidden states (N, L, D) and the head that belongs to them."""

    hidden_NLD: Tensor
    head: nn.Module


@torch.inference_mode()
def forward_hidden(model: nn.Module, ids_NL: Tensor) -> Behaviour:
    """One forward over all windows without the head, which the closing pass applies."""
    path = head_path(model)
    body, capture = shared_copy(model), HeadCapture()
    body.set_submodule(path, capture)
    collected = []
    for batch in batches(ids_NL):
        body(input_ids=batch.to(device_of(model)), use_cache=False)
        collected.append(capture.seen)
    return Behaviour(torch.cat(collected), model.get_submodule(path))


def apply_head(head: nn.Module, hidden_TD: Tensor, config: object) -> Tensor:
    """(…, V) logits in float32 or wider, with the soft cap of the Gemma 2 family where the config has one."""
    logits: Tensor = head(hidden_TD)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    cap = getattr(config, "final_logit_softcapping", None)
    return logits if cap is None else torch.tanh(logits / cap) * cap


@torch.inference_mode()
def check_head(model: nn.Module, ids_NL: Tensor, behaviour: Behaviour) -> None:
    """
    The head applied to the kept hidden states must give the model's own logits. Raises SparsityReportError.

    A model that does something after its output projection that is not known here is refused, never mismeasured.
    """
    own = model(input_ids=batches(ids_NL)[0].to(device_of(model)), use_cache=False).logits.float()
    ours = apply_head(behaviour.head, batches(behaviour.hidden_NLD)[0], model.config)
    if not torch.isfinite(own).all():
        return
    difference = float((own - ours).abs().max() / own.abs().max().clamp_min(1e-9))
    if difference > HEAD_TOLERANCE:
        raise SparsityReportError(
            f"{type(model).__name__} changes its logits after the output projection in a way that is not known here "
            f"(relative difference {difference:.2g}): its behaviour cannot be measured"
        )


@torch.inference_mode()
def closing_pass(
    ids_NL: Tensor, dense: Behaviour, nodes: Sequence[Behaviour], families: Sequence[str], config: Any
) -> list[dict[str, Tensor]]:
    """
    Values of every behaviour family at every predicted position, (N, L−1, …) float64, one dict a node.

    Position t predicts token t+1, so that the last position of a window predicts nothing. Short windows are taken
    together, up to `TOKENS_AT_ONCE` positions; no logits outlive their step.
    """
    modules = {family: registry.need("metrics", family) for family in families}
    count, predicted = ids_NL.shape[0], ids_NL.shape[1] - 1
    values: list[dict[str, Tensor]] = [{} for _ in nodes]
    together = max(1, TOKENS_AT_ONCE // predicted)
    steps = [
        (slice(window, window + together), slice(start, min(start + TOKENS_AT_ONCE, predicted)))
        for window in range(0, count, together)
        for start in range(0, predicted, TOKENS_AT_ONCE)
    ]
    for windows, here in steps:
        reference = distributions(dense, windows, here, config)
        target_NT = ids_NL[windows, here.start + 1 : here.stop + 1]
        targets = torch.split(target_NT.flatten().to(reference[0].logits_TV.device), ROWS)
        for node, value in zip(nodes, values, strict=True):
            own = reference if node is dense else distributions(node, windows, here, config)
            every = [Scores(*each) for each in zip(reference, own, targets, strict=True)]
            for family, found in per_token(every, modules).items():
                shape = (count, predicted, *found.shape[1:])
                whole = value.setdefault(family, torch.empty(shape, dtype=torch.float64))
                whole[windows, here] = found.reshape(*target_NT.shape, *found.shape[1:])
    return values


def distributions(behaviour: Behaviour, windows: slice, here: slice, config: Any) -> list[Distribution]:
    """Logits of the positions at hand, in rows that a processor's cache can hold."""
    logits_TV = apply_head(behaviour.head, behaviour.hidden_NLD[windows, here].flatten(0, 1), config)
    return [Distribution(rows) for rows in torch.split(logits_TV, ROWS)]


def per_token(every: Sequence[Scores], modules: dict[str, ModuleType]) -> dict[str, Tensor]:
    """By family, (T, …) float64: all families look at some rows before any looks at the next ones."""
    found: dict[str, list[Tensor]] = {family: [] for family in modules}
    for scores in every:
        for family, module in modules.items():
            found[family].append(module.per_token(scores).double().cpu())
    return {family: torch.cat(parts) for family, parts in found.items()}
