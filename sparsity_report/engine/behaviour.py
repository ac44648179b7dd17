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

TOKENS_AT_ONCE = 128
"""Positions whose logits exist at one time: with 50,000 tokens of vocabulary, 26 MB of float32."""

HEAD_TOLERANCE = 1e-2
"""Largest difference, relative to the largest logit, between the head applied here and the model's own logits: above
the rounding of half precision, far below what a forgotten scale or cap would do."""


@dataclass(frozen=True)
class Reference:
    """Dense logits of some positions, (T, V) float32; what is derived from them is shared by all nodes."""

    logits_TV: Tensor

    @cached_property
    def log_probability_TV(self) -> Tensor:
        """Natural logarithms, in float32 whatever the model's dtype."""
        return torch.log_softmax(self.logits_TV, dim=-1)

    @cached_property
    def probability_TV(self) -> Tensor:
        return self.log_probability_TV.exp()

    @cached_property
    def top_T(self) -> Tensor:
        return self.logits_TV.argmax(-1)

    @cached_property
    def excludes_tokens(self) -> bool:
        """Whether some token has probability 0: its logarithm is −inf."""
        return bool(self.log_probability_TV.amin() == -torch.inf)


@dataclass(frozen=True)
class Scores:
    """Logits of the same positions from dense and from a variant, (T, V) float32, and the next tokens, (T,)."""

    dense: Reference
    variant_TV: Tensor
    target_T: Tensor

    @cached_property
    def log_probability_TV(self) -> Tensor:
        """Natural logarithms of the variant's probabilities."""
        if self.variant_TV is self.dense.logits_TV:
            return self.dense.log_probability_TV
        return torch.log_softmax(self.variant_TV, dim=-1)


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
    """(…, V) float32 logits, with the soft cap of the Gemma 2 family where the config has one."""
    logits: Tensor = head(hidden_TD).float()
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

    Position t predicts token t+1, so that the last position of a window predicts nothing.
    """
    modules = {family: registry.need("metrics", family) for family in families}
    shape = (ids_NL.shape[0], ids_NL.shape[1] - 1)
    values: list[dict[str, Tensor]] = [{} for _ in nodes]
    for window in range(shape[0]):
        for start in range(0, shape[1], TOKENS_AT_ONCE):
            here = slice(start, min(start + TOKENS_AT_ONCE, shape[1]))
            reference = Reference(apply_head(dense.head, dense.hidden_NLD[window, here], config))
            own = reference.logits_TV
            target_T = ids_NL[window, here.start + 1 : here.stop + 1].to(own.device)
            for node, value in zip(nodes, values, strict=True):
                logits_TV = own if node is dense else apply_head(node.head, node.hidden_NLD[window, here], config)
                scores = Scores(reference, logits_TV, target_T)
                for family, module in modules.items():
                    found = module.per_token(scores)
                    whole = value.setdefault(family, torch.empty((*shape, *found.shape[1:]), dtype=torch.float64))
                    whole[window, here] = found.double().cpu()
    return values
