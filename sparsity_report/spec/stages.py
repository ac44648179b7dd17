"""What a variant is made of: stages in their order, and the formats that what is left is stored and executed in."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag

from .texts import CalibrationOverride
from .values import NAME, Exact, OneOrMany, Scope, Table


class Format(Table):
    """A format with parameters: `{ use = "csr", index = "int64" }`."""

    model_config = ConfigDict(extra="allow", frozen=True)
    use: str
    """`sparsity-report list formats`; the other keys are its parameters."""

    @property
    def params(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


def as_format(value: object) -> object:
    return {"use": value} if isinstance(value, str) else value


FormatOrName = Annotated[Format, BeforeValidator(as_format, json_schema_input_type=str | Format)]


class StageKeys(Table):
    """What a pruning stage may say about itself beside its method."""

    scope: Scope | None = None
    """By default the method's own."""
    allocation: str = "uniform"
    """How the sparsity is spread over the matrices."""
    propagate: Literal["pruned", "dense"] = "pruned"
    """What a block's calibration inputs have gone through: the blocks before it as pruned, or as they were."""
    within_block: Literal["together", "in-order"] = "together"
    """"in-order": q, k and v are pruned before the attention output sees its inputs, and so on through the block."""
    permute: bool = False
    """With N:M: reorder each module's in_features so that its groups lose less; execution then gathers its inputs."""
    calibration: CalibrationOverride | None = None
    """Keys that differ from `[data] calibration`."""
    sparsity: OneOrMany[Exact] | None = None
    """The part of the targeted weights to remove, from 0 to below 1."""
    pattern: OneOrMany[str] = ("unstructured",)
    """"unstructured", N:M such as "2:4" (N kept of M), "row", "column" or tiles such as "block:4x4"."""
    seed: int | None = Field(default=None, ge=0)
    """Of what the method draws; by default the study's."""
    compat: Literal["exact", "reference"] = "exact"
    """"reference" reproduces the papers' own counting rule (`<=` a threshold) instead of exact counts."""


class PruneStep(StageKeys):
    """`{ prune = "sparsegpt", sparsity = 0.5 }`: the product of its lists. A pattern N:M implies its sparsity."""

    prune: OneOrMany[str]
    """`sparsity-report list methods`."""


class QuantizeStep(Table):
    """`{ quantize = "rtn", bits = [8, 4] }`: beside the quantizer stand its own parameters, and lists multiply."""

    model_config = ConfigDict(extra="allow", frozen=True)
    quantize: OneOrMany[str]
    """`sparsity-report list quantizers`; the other keys are its parameters."""

    @property
    def given(self) -> dict[str, tuple[Any, ...]]:
        """The parameters as lists of what they are to be."""
        every = self.model_extra or {}
        return {key: value if isinstance(value, tuple) else (value,) for key, value in every.items()}


def op_of(value: Any) -> str:
    """Which step a table is; in brackets, so that no key is called so."""
    given = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    return "<quantize>" if "quantize" in given else "<prune>"


Step = Annotated[
    Annotated[PruneStep, Tag("<prune>")] | Annotated[QuantizeStep, Tag("<quantize>")], Discriminator(op_of)
]


class Variant(StageKeys):
    """
    The product of its lists. Dense is implicit.

    Either one pruning stage, `method` with its keys beside it, or `step`, an array of stages in the order in which they
    are carried out.
    """

    id: str = Field(default="", pattern=NAME)
    """Names the variant in expectations and cell ids; by default made of its keys."""
    method: OneOrMany[str] | None = None
    """`sparsity-report list methods`."""
    step: Annotated[tuple[Step, ...], Field(min_length=1)] | None = None
    """Stages one after the other, instead of `method`."""
    format: OneOrMany[FormatOrName]
    """How what is left is stored and executed; each is a cell."""
    params: dict[str, dict[str, Any]] = Field(default={})
    """Entries' own parameters, by the entry's name."""

    @property
    def steps(self) -> tuple[PruneStep | QuantizeStep, ...]:
        """The stages; the short form is one of them."""
        if self.step is not None:
            return self.step
        if self.method is None:
            return ()
        keys = {name: getattr(self, name) for name in StageKeys.model_fields}
        return (PruneStep.model_construct(prune=self.method, **keys),)

    @property
    def quantises(self) -> bool:
        return any(isinstance(step, QuantizeStep) for step in self.steps)
