"""
The spec's shape: frozen, strict, free of torch.

Only what one table can know about itself is checked here; what needs the registries or several tables is checked in
`rules.py`, and both report through `load.py` with file, line and hint.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    Tag,
    WithJsonSchema,
)

SPEC_VERSION = 1
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$|^$"
"""What may name a folder, a cell or an anchor; empty means "not given"."""

Group = Literal["embedding", "attention_linear", "mlp_linear", "lm_head", "norm"]
Scope = Literal["global", "block", "layer", "row"]
"""`layer` is one matrix, `block` a decoder block."""


def as_tuple(value: object) -> object:
    """One value stands for a list of one; an array becomes a tuple."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def as_decimal(value: object) -> object:
    """A number as it was written: 0.3 is three tenths, so that counts do not depend on binary rounding."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return Decimal(str(value)) if number else value


def as_written(value: object) -> object:
    """Like `as_decimal`, but whole numbers stay whole."""
    return Decimal(str(value)) if isinstance(value, float) else value


def as_float(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value


class OneAllowed:
    """Tells the JSON Schema that one value may stand for an array of one."""

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        array = handler(core)
        return {"anyOf": [array["items"], array]}


T = TypeVar("T")
OneOrMany = Annotated[tuple[T, ...], Field(min_length=1), BeforeValidator(as_tuple), OneAllowed()]
Exact = Annotated[Decimal, BeforeValidator(as_decimal), WithJsonSchema({"type": "number"})]
Real = Annotated[FiniteFloat, BeforeValidator(as_float), WithJsonSchema({"type": "number"})]
Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]
Fact = Annotated[str | int | Decimal, BeforeValidator(as_written), WithJsonSchema({"type": ["string", "number"]})]
Condition = Annotated[str | int | float, BeforeValidator(as_float), WithJsonSchema({"type": ["string", "number"]})]

Selection = dict[str, Fact]
"""Which cells: each key as it is in `where`."""


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Author(Table):
    name: str
    affiliation: str = ""
    course: str = ""
    id: str = ""
    email: str = ""


class Study(Table):
    """Who asks what. The slug names the run's folder; by default it is the spec's file name."""

    title: str = Field(min_length=1)
    slug: str = Field(default="", pattern=NAME)
    authors: tuple[Author, ...] = ()
    question: str = ""
    abstract: str = ""
    course: str = ""
    instructor: str = ""
    date: str = ""
    seed: int = Field(default=0, ge=0)


class Model(Table):
    """Where a model comes from: hub id, directory, file.gguf, "package:NAME/FILE.gguf" or "bundled:tiny-opt"."""

    source: str = Field(min_length=1)
    id: str = Field(default="", pattern=NAME)
    """Short name in tables and cell ids; by default from the source."""
    revision: str = ""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"

    @property
    def name(self) -> str:
        last = self.source.rstrip("/").rsplit("/", 1)[-1].rsplit(":", 1)[-1]
        return self.id or last.removesuffix(".gguf")


class Target(Table):
    """Which matrices may be pruned. Globs match paths such as "model.decoder.layers.0.fc1"."""

    groups: tuple[Group, ...] = ("attention_linear", "mlp_linear")
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    reason: str = ""


class Evaluation(Table):
    """A text on which behaviour is measured, cut into windows of `length` tokens without overlap."""

    source: str
    id: str = Field(default="", pattern=NAME)
    """What the text is called in tables and in `conditions = { corpus = "…" }`; by default its source."""
    split: str = ""
    windows: Positive | None = None
    """At most this many windows, from the start; by default all."""
    length: Positive | Literal["max"] = "max"
    bos: Literal["auto", "none"] = "auto"
    """"auto": one BOS token before the whole text where the tokenizer has one by its own policy."""

    @property
    def name(self) -> str:
        return self.id or self.source


class Curation(Table):
    """What is taken out of a calibration text before it is cut: paragraphs that teach a model nothing."""

    min_words: int = Field(default=0, ge=0)
    """Paragraphs of fewer words are dropped."""
    headings: bool = True
    """false: lines that are headings ("= History =", "# Notes", short lines without a full stop) are dropped."""
    duplicates: Literal["keep", "exact", "near"] = "keep"
    """"exact" drops repeated paragraphs, "near" also those that share most of their word triples (MinHash)."""


class Calibration(Table):
    """
    Text on which methods that need data look at the model, cut as the evaluation's is.

    A seed draws `windows` of all windows of the text, without replacement. Lists of sources (domains), of windows and
    of seeds (replicates) multiply: every method that needs data is run once for each.
    """

    source: OneOrMany[str]
    split: str = ""
    windows: OneOrMany[Positive] = (128,)
    length: Positive | Literal["max"] = "max"
    seeds: OneOrMany[NonNegative] = (0,)
    bos: Literal["auto", "none"] = "auto"
    curate: Curation | None = None


class CalibrationOverride(Table):
    """What a variant's calibration has different from the study's."""

    source: OneOrMany[str] | None = None
    split: str | None = None
    windows: OneOrMany[Positive] | None = None
    seeds: OneOrMany[NonNegative] | None = None


class Data(Table):
    evaluation: OneOrMany[Evaluation]
    """One text, or several side by side: behaviour is measured on each."""
    calibration: Calibration | None = None


class Format(Table):
    """A format with parameters: `{ use = "csr", index = "int64" }`."""

    model_config = ConfigDict(extra="allow", frozen=True)
    use: str

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
    sparsity: OneOrMany[Exact] | None = None
    pattern: OneOrMany[str] = ("unstructured",)
    seed: int | None = Field(default=None, ge=0)
    compat: Literal["exact", "reference"] = "exact"
    """"reference" reproduces the papers' own counting rule (`<=` a threshold) instead of exact counts."""


class PruneStep(StageKeys):
    """`{ prune = "sparsegpt", sparsity = 0.5 }`: the product of its lists. A pattern N:M implies its sparsity."""

    prune: OneOrMany[str]


class QuantizeStep(Table):
    """`{ quantize = "rtn", bits = [8, 4] }`: beside the quantizer stand its own parameters, and lists multiply."""

    model_config = ConfigDict(extra="allow", frozen=True)
    quantize: OneOrMany[str]

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
    method: OneOrMany[str] | None = None
    step: Annotated[tuple[Step, ...], Field(min_length=1)] | None = None
    format: OneOrMany[FormatOrName]
    params: dict[str, dict[str, Any]] = {}
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


class Latency(Table):
    """What is timed: batch sizes × prompt lengths in tokens, and how many tokens are decoded one by one."""

    batch: OneOrMany[Positive] = (1,)
    prompt: OneOrMany[Positive] = (128,)
    decode: OneOrMany[NonNegative] = (32,)
    """Several are read off one run. 0: only the prompt is timed."""
    runs: int = Field(default=10, ge=3)
    """At least so many interleaved rounds (each runs both models twice, in either order) …"""
    seconds: Real = Field(default=2.0, ge=0)
    """… and at least so long …"""
    max_seconds: Real = Field(default=30.0, ge=0)
    """… and then on until the speed-up is known to ± 2 %, but no longer than this for that reason."""
    process: Literal["fresh", "shared"] = "fresh"
    """"fresh": every cell in a process of its own. "shared": in the run's; `--quick` always does that."""
    variants: tuple[str, ...] = ("*",)
    """Globs on variant or cell ids: only these are timed."""


class Sensitivity(Table):
    """The scan of `metrics.use = ["sensitivity"]`, and of the allocation "sensitivity" (its first sparsity)."""

    method: str = "magnitude"
    """One that needs no data."""
    sparsity: OneOrMany[Exact] = (Decimal("0.5"), Decimal("0.7"))


class Tasks(Table):
    """Zero-shot tasks of lm-evaluation-harness, for `metrics.use = ["tasks"]`."""

    use: OneOrMany[str] = ("arc_easy", "arc_challenge", "hellaswag", "winogrande", "piqa")
    limit: Positive | None = None
    """At most this many items of each task, from the start; by default all."""
    fewshot: NonNegative = 0
    """Examples in the prompt."""
    include: str = ""
    """A folder of task files, counted from the spec's. Python that they name is run: include only what you trust."""
    batch: Positive = 8


class Stability(Table):
    """Where behaviour counts as left: the tipping points of methods with several sparsities."""

    perplexity: Real = Field(default=1.1, gt=1)
    """So many times dense's."""
    agreement: Real = Field(default=0.9, gt=0, lt=1)
    """Top-1 agreement below this."""


class Generation(Table):
    """Greedy continuations of `metrics.use = ["generation"]`: prompts from the first evaluation text, tokens."""

    prompts: Positive = 4
    prompt: Positive = 32
    tokens: Positive = 48


class Metrics(Table):
    use: tuple[str, ...] = (
        *("storage", "sparsity", "flops", "agreement", "divergence", "perplexity"),
        *("latency", "profile", "roofline"),
    )
    latency: Latency = Latency()
    sensitivity: Sensitivity = Sensitivity()
    tasks: Tasks = Tasks()
    stability: Stability = Stability()
    generation: Generation = Generation()


class Hardware(Table):
    """The device to measure on, and machines to model bounds for (`sparsity-report list hardware`)."""

    device: Literal["cpu", "cuda"] = "cpu"
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    wait_policy: Literal["default", "passive", "active"] | None = None
    """
    How OpenMP's threads wait while cells are timed in fresh processes; not given, as OMP_WAIT_POLICY says. "default"
    spins for a while: fastest on a quiet machine, useless on a busy one, where "passive" keeps timings usable.
    """
    project: tuple[str, ...] = ()
    """Names of machines; what is said about them is modelled, and says so."""
    context: Positive | None = None
    """Tokens of a sequence, for whether weights and key-value cache fit; by default the model's own."""
    price: dict[str, Annotated[Real, Field(gt=0)]] = {}
    """Per hour, by machine; "this" is the one that the study runs on."""
    currency: str = Field(default="USD", min_length=1)


class Notes(Table):
    """
    The author's own text: Markdown files, their paths counted from the spec's folder.

    They may quote numbers, {{ perplexity | method=wanda, sparsity=0.5 }}, and cite, [@han2015learning].
    """

    question: str = ""
    abstract: str = ""
    related_work: str = ""
    discussion: str = ""
    references: str = ""
    """What they may cite beyond the shipped references: a .bib file, or a .toml like report/references.toml."""


class Report(Table):
    outputs: tuple[Literal["html", "pdf", "latex"], ...] = ("html", "pdf")
    """"latex" writes what a paper includes: tables/*.tex, references.bib and the figures as PDF."""
    layout: Literal["single-column", "two-column"] = "single-column"
    notes: Notes = Notes()
    templates: str = ""
    """A folder whose templates, style sheets and scripts come before those shipped, by name; from the spec's folder."""
    style: str = ""
    """A style sheet that changes the house style, css/house.css; from the spec's folder."""


class Expect(Table):
    """Expected beside observed: a hypothesis, a published figure or a gate."""

    what: str = Field(min_length=1)
    source: str = ""
    where: Selection = {}
    """Selects cells by id, variant, model, method, pattern, scope, sparsity, format. Must select something."""
    need: Literal["all", "any"] = "all"
    metric: str
    over: Literal["target", "model"] | None = None
    conditions: dict[str, Condition] = {}
    """Further conditions of the metric: group, batch, prompt …; of the scan block = 0, "first", "last", "inner"."""
    relative_to: Literal["dense"] | Selection | None = None
    """"dense", or what the cell to compare with has different: { method = "wanda" }."""
    order: tuple[Selection, ...] = ()
    """Instead of bounds: selections, on top of `where`, from the lowest value of the metric to the highest."""
    between: tuple[Real, Real] | None = None
    at_least: Real | None = None
    at_most: Real | None = None
    on_miss: Literal["report", "fail"] = "report"


class Spec(Table):
    spec_version: Literal[1]
    study: Study
    model: tuple[Model, ...] = Field(min_length=1)
    target: Target = Target()
    data: Data
    variant: tuple[Variant, ...] = Field(min_length=1)
    metrics: Metrics = Metrics()
    hardware: Hardware = Hardware()
    report: Report = Report()
    expect: tuple[Expect, ...] = ()
