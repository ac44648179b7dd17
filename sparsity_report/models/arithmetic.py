"""
What a model's config says about its size, by arithmetic: no torch, no weights, no network.

Tests hold every architecture here against a model that was really built from the same config.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contracts import MatrixShape, ModelShape
from .layouts import LAYOUTS, TIED_BY_DEFAULT

if TYPE_CHECKING:
    from .layouts import Config, Layout

EXPERT_KEYS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts", "num_routed_experts")
BLOCKS = {"gpt2": "n_layer"}
HIDDEN = {"gpt2": "n_embd"}


def experts_of(config: Config) -> int:
    """How many experts a mixture of experts has; 0 for other models."""
    return max((int(config.get(key) or 0) for key in EXPERT_KEYS), default=0)


def context_of(config: Config) -> int | None:
    """The longest input in tokens that the config allows, where it says so."""
    value = config.get("max_position_embeddings") or config.get("n_positions")
    return None if value is None else int(value)


def activation_of(config: Config) -> str:
    """Name of the MLP's activation function; empty where the config has none."""
    keys = ("hidden_activation", "activation_function", "hidden_act")
    return next((str(config[key]) for key in keys if config.get(key)), "")


def matrix_shapes(layout: Layout, blocks: int) -> tuple[MatrixShape, ...]:
    """Every matrix: block by block, then those outside of the blocks, the head last."""
    placed = [(f"{layout.blocks_path}.{number}.", number, each) for number in range(blocks) for each in layout.block]
    placed += [("", -1, each) for each in (*layout.outside, layout.head)]
    return tuple(
        MatrixShape(f"{prefix}{name}", name, each.group, number, rows, each.cols)
        for prefix, number, each in placed
        for name, rows in each.slices()
    )


def group_counts(layout: Layout, blocks: int, tied: bool) -> dict[str, int]:
    """Parameters of each group, biases with their matrix; a tied head has only its bias, if any, of its own."""
    in_block = {
        group: blocks * sum(each.parameters for each in layout.block if each.group == group)
        for group in ("attention_linear", "mlp_linear")
    }
    shared = layout.head.rows * layout.head.cols if tied else 0
    return {
        "embedding": layout.embedding + sum(each.parameters for each in layout.outside),
        **in_block,
        "lm_head": layout.head.parameters - shared,
        "norm": blocks * layout.block_norms + layout.final_norm,
    }


def shape_of(config: Config) -> ModelShape | None:
    """The model's shape from its config; None where the architecture is not known or the config lacks a size."""
    kind = str(config.get("model_type", ""))
    if kind not in LAYOUTS or experts_of(config):
        return None
    try:
        layout = LAYOUTS[kind](config)
        blocks, hidden = config[BLOCKS.get(kind, "num_hidden_layers")], config[HIDDEN.get(kind, "hidden_size")]
    except KeyError:
        return None
    tied = bool(config.get("tie_word_embeddings", kind in TIED_BY_DEFAULT))
    return ModelShape(
        architecture=kind,
        blocks=blocks,
        hidden=hidden,
        vocabulary=config["vocab_size"],
        context=context_of(config),
        activation=activation_of(config),
        tied_embeddings=tied,
        matrices=matrix_shapes(layout, blocks),
        groups=group_counts(layout, blocks, tied),
    )


@cache
def known_configs() -> dict[str, dict[str, Any]]:
    """Configurations of well-known models by lower-case hub id."""
    families = tomllib.loads((Path(__file__).parent / "known.toml").read_text(encoding="utf-8"))
    return {
        source.lower(): family["common"] | sizes
        for family in families.values()
        for names, sizes in family["models"].items()
        for source in names.split()
    }


def known_config(source: str) -> dict[str, Any] | None:
    """The config of a well-known model as a fact that needs no network; only the fields that the arithmetic needs."""
    return known_configs().get(source.lower())
