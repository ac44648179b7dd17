"""
The types that everyone shares: frozen, and free of torch.

Registry entries (methods, formats, metrics, corpora, model sources) export `INFO`, an `Info`, and most of them
`Params`, a `Params` subclass with their own parameters. Both stay importable without torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["counted", "measured", "modelled"]
Noise = Literal["exact", "float", "timing"]
Direction = Literal["lower", "higher", "none"]

TRAITS = ("family", "removes", "speed-up", "hardware", "weight update")
"""Columns of the table of methods: what each pruning method says about itself."""

GROUPS = ("embedding", "attention_linear", "mlp_linear", "lm_head", "norm")
"""Every parameter of a model falls into one of these."""


class Params(BaseModel):
    """An entry's own parameters; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoParams(Params):
    """An entry with nothing to tune."""


@dataclass(frozen=True)
class Quantity:
    """A number that a metric family reports. `noise` says what may change it; `direction` says which way is better."""

    name: str
    unit: str
    kind: Kind
    noise: Noise
    direction: Direction
    definition: str
    limits: str = ""


@dataclass(frozen=True)
class Info:
    """
    What `list` prints of a registry entry, and what goes into `results.json` about it.

    `equation` is TeX as matplotlib's mathtext understands it, `spoken` the same in words.
    `cite` names a reference of `report/references.toml`.
    `requires` holds the import names of optional packages.
    Raise `result_version` when the entry's numbers change: everything cached under the old one is redone.
    """

    name: str
    summary: str
    equation: str = ""
    spoken: str = ""
    cite: str = ""
    needs: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    result_version: int = 1
    quantities: tuple[Quantity, ...] = ()
    traits: Mapping[str, str] = field(default_factory=dict)
    """What a table of entries says beside the summary. Of a method: `TRAITS`."""


@dataclass(frozen=True)
class Pattern:
    """
    Which weights may be zero together.

    "unstructured"; "N:M": N kept of every M consecutive in_features of a row; or whole units: "row" (an output
    feature), "column" (an in_feature of one matrix), "block:4x8" (tiles of 4 out_features by 8 in_features; a tile at
    the edge is smaller). Units and single weights have a sparsity and a scope; N:M implies the one and is the other.
    """

    n: int = 0
    m: int = 0
    unit: Literal["", "row", "column", "block"] = ""
    height: int = 1
    width: int = 1

    @property
    def unstructured(self) -> bool:
        return not self.m and not self.unit

    @property
    def is_nm(self) -> bool:
        return self.m > 0

    def kept(self, cols: int) -> int:
        """Weights that N:M keeps in a row: a tail of r < M columns keeps ⌈N·r/M⌉, so it is never sparser than N:M."""
        whole, tail = divmod(cols, self.m)
        return whole * self.n + -(-self.n * tail // self.m)

    def __str__(self) -> str:
        if self.is_nm:
            return f"{self.n}:{self.m}"
        return f"block:{self.height}x{self.width}" if self.unit == "block" else self.unit or "unstructured"

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """`unstructured`, `row`, `column`, `block:RxC`, or `N:M` with 0 < N < M ≤ 256. Raises ValueError."""
        if text == "unstructured":
            return cls()
        if text == "row":
            return cls(unit="row")
        if text == "column":
            return cls(unit="column")
        first, separator, second = text.partition(":")
        if first == "block":
            height, _, width = second.partition("x")
            if not (height.isdecimal() and width.isdecimal() and int(height) * int(width) > 1):
                raise ValueError(f"{text!r}: a block is given as rows x columns, such as block:4x4")
            return cls(unit="block", height=int(height), width=int(width))
        if not (separator and first.isdecimal() and second.isdecimal()):
            raise ValueError(f"{text!r} is not a pattern")
        if not 0 < int(first) < int(second) <= 256:
            raise ValueError(f"{text!r}: N:M keeps N of every M weights, 0 < N < M ≤ 256")
        return cls(int(first), int(second))


@dataclass(frozen=True)
class Stage:
    """One step that changes the model. `params` holds stage keys (sparsity, pattern, scope) and the entry's own."""

    op: Literal["prune"]
    entry: str
    params: dict[str, Any]
    seed: int = 0

    @property
    def sparsity(self) -> Decimal | None:
        value = self.params.get("sparsity")
        return None if value is None else Decimal(str(value))

    @property
    def pattern(self) -> Pattern:
        return Pattern.parse(str(self.params.get("pattern", "unstructured")))

    @property
    def scope(self) -> str:
        return str(self.params.get("scope", "layer"))


@dataclass(frozen=True)
class FormatChoice:
    """A storage and execution format with its parameters."""

    entry: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Node:
    """A state of the model: the stages that lead to it from dense. The root has none. `key` is its plan key."""

    key: str
    model: str
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class Cell:
    """A leaf of the plan: a node in a format. `variant` names the spec's [[variant]]; the reference is "dense"."""

    id: str
    variant: str
    node: Node
    format: FormatChoice
    replicate: int = 0
    timed: bool = False

    @property
    def is_reference(self) -> bool:
        return not self.node.stages and self.format.entry == "dense"


@dataclass(frozen=True)
class MatrixShape:
    """
    A weight matrix in its canonical (out, in) view, as counted from a config or from a model.

    `block` is the decoder block's number, -1 outside of the blocks. `name` is the matrix without its block
    ("self_attn.q_proj"); a slice of a fused projection is its own matrix ("attention.query_key_value:q").
    """

    path: str
    name: str
    group: str
    block: int
    rows: int
    cols: int

    @property
    def numel(self) -> int:
        return self.rows * self.cols


@dataclass(frozen=True)
class AttentionShape:
    """
    Heads of queries, heads of keys and values (fewer where they are shared), and their width.

    `kept`: for each layer, the tokens whose keys and values its cache holds at most; None is the whole context.
    """

    heads: int
    kv_heads: int
    head_dim: int
    kept: tuple[int | None, ...]


@dataclass(frozen=True)
class CorpusRequest:
    """What a spec asks of a corpus: the part after `name:` (path, package/glob), and the split."""

    argument: str = ""
    split: str = ""
    offline: bool = False
    folder: str = ""
    """Relative paths count from here: the folder of the spec."""


@dataclass(frozen=True)
class Text:
    """A corpus as it was read: one string, and how it came about."""

    text: str
    documents: int
    joiner: str
    split: str
    sha256: str
    revision: str = ""
    alerts: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelShape:
    """
    What a config says about a model by arithmetic, or what an instantiated model turns out to be: equal by test.

    `matrices` are all linear weights (blocks, lm_head, OPT's project_in and project_out) in canonical
    view; `groups` counts every parameter (biases belong to their matrix's group), tied weights once, in "embedding".
    """

    architecture: str
    blocks: int
    hidden: int
    vocabulary: int
    context: int | None
    activation: str
    tied_embeddings: bool
    matrices: tuple[MatrixShape, ...]
    groups: dict[str, int]

    @property
    def parameters(self) -> int:
        return sum(self.groups.values())


@dataclass(frozen=True)
class ModelRequest:
    """A model as a spec asks for it; relative paths count from `folder`."""

    source: str
    revision: str = ""
    dtype: str = "float32"
    offline: bool = False
    folder: str = ""
