"""
`results.json`: the public contract between the engine and everything that reads its numbers.

Plain data, frozen, without torch. Values that are not finite are null, and the cell says "diverged".
Units are in the records; bytes are bytes, seconds are seconds, fractions lie in 0..1.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from ..contracts import AttentionShape, Direction, Kind, Noise

SCHEMA_VERSION: Literal[1] = 1

Status = Literal["ok", "failed", "diverged", "not_executed"]
Condition = str | int | float | bool


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Measurement(Record):
    """One number. (metric, conditions) is unique within a cell; `anchor` names the dense cell of a timing pair."""

    metric: str
    value: FiniteFloat | None
    unit: str = ""
    kind: Kind
    noise: Noise
    direction: Direction = "none"
    conditions: dict[str, Condition] = {}
    ci: tuple[FiniteFloat, FiniteFloat] | None = None
    """95 % interval."""
    n: int | None = None
    """How many tokens, windows, items or timed rounds stand behind the value."""
    outliers: int | None = None
    """How many of the n lie beyond Tukey's fences; none of them is left out."""
    stderr: FiniteFloat | None = None
    """Standard error, where another tool gave the value and this with it."""
    samples_ref: str | None = None
    """Key of the raw samples in detail/<cell>.json.gz."""
    anchor: str | None = None


class StageRecord(Record):
    """One step from dense to the variant: op is prune, train, quantize or transform."""

    op: str
    entry: str
    params: dict[str, Any] = {}
    seed: int = 0


class FormatRecord(Record):
    entry: str
    params: dict[str, Any] = {}


class VariantRecord(Record):
    """What a cell is: a model, the stages that changed it, and the format that stores and executes it."""

    id: str
    model: str
    stages: tuple[StageRecord, ...] = ()
    format: FormatRecord
    replicate: int = 0
    values: str = ""
    """How the format stores the weights of a quantised state; empty for values of the model's own type."""


class Fallback(Record):
    """Something that did not happen as asked, and what happened instead. Printed in the report's body."""

    what: str
    why: str
    count: int = 1


class CellRecord(Record):
    """One cell of the study. `node` is shared by the formats of one pruned model: behaviour belongs to it."""

    id: str
    node: str
    variant: VariantRecord
    status: Status
    reason: str = ""
    metrics: tuple[Measurement, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
    seconds: float = 0.0
    peak_memory_bytes: int | None = None

    @property
    def is_reference(self) -> bool:
        return not self.variant.stages and self.variant.format.entry == "dense"

    def find(self, metric: str, **conditions: Condition) -> Measurement | None:
        """The first measurement of `metric` whose conditions contain the given ones."""
        for each in self.metrics:
            if each.metric == metric and conditions.items() <= each.conditions.items():
                return each
        return None

    def value(self, metric: str, **conditions: Condition) -> float | None:
        found = self.find(metric, **conditions)
        return None if found is None else found.value

    def value_at(self, metric: str, conditions: dict[str, Condition]) -> float | None:
        """The value under exactly these conditions."""
        found = (each.value for each in self.metrics if each.metric == metric and each.conditions == conditions)
        return next(found, None)

    @model_validator(mode="after")
    def _metrics_are_unique(self) -> CellRecord:
        keys = [(each.metric, tuple(sorted(each.conditions.items(), key=str))) for each in self.metrics]
        if len(keys) != len(set(keys)):
            raise ValueError(f"cell {self.id}: a (metric, conditions) pair occurs twice")
        return self


class MatrixRecord(Record):
    """Equal matrices of all decoder blocks, as one entry: `name` without its block, canonical (out, in) shape."""

    name: str
    group: str
    rows: int
    cols: int
    count: int
    targeted: bool


class GroupRecord(Record):
    """Parameters of a group; tied weights are counted once, in the group that owns them."""

    group: str
    parameters: int
    bytes: int
    tied_to: str = ""


class ByteCurve(Record):
    """Stored bytes of the targeted matrices in a format against sparsity, by arithmetic (counted)."""

    format: FormatRecord
    label: str
    sparsity: tuple[float, ...]
    bytes: tuple[int, ...]
    break_even: float | None = None
    """Sparsity from which the format is smaller than dense; null where no sparsity below 1 is."""
    unavailable: str = ""
    values: str = ""
    """How a quantised state's weights are stored ("int8 with row scales"); empty for values of the model's own type."""


class ModelRecord(Record):
    """A model as it was loaded. `label` must stand wherever the model's numbers stand ("de-quantised from Q4_1")."""

    id: str
    source: str
    kind: str
    revision: str = ""
    architecture: str
    dtype: str
    label: str = ""
    licence: str = ""
    parameters: int
    prunable: int
    bytes: int
    blocks: int
    hidden: int
    vocabulary: int
    context: int | None = None
    activation: str = ""
    attention: str = ""
    """The attention implementation that ran: others differ in the last digits."""
    attention_shape: AttentionShape | None = None
    """What the size of the key-value cache follows from; null where the config does not say."""
    tied_embeddings: bool = False
    groups: tuple[GroupRecord, ...] = ()
    matrices: tuple[MatrixRecord, ...] = ()
    byte_curves: tuple[ByteCurve, ...] = ()
    targets: tuple[str, ...] = ()
    """Paths of the targeted matrices, block by block: the order of every array in a NodeRecord."""
    target_numel: tuple[int, ...] = ()


class NodeRecord(Record):
    """
    A pruned state of a model: what its stages asked of every matrix and what became of it.

    Arrays have one value per targeted matrix, in the order of the model's `targets`.
    """

    key: str
    model: str
    stages: tuple[StageRecord, ...]
    requested: tuple[float, ...] = ()
    """The sparsity that the allocation gave each matrix; empty where one comparison group spans several matrices."""
    sparsity: tuple[float, ...] = ()
    """Pruned weights over weights, by the keep_masks."""
    reconstruction_error: tuple[float | None, ...] = ()
    """‖(W − Ŵ)X‖² / ‖WX‖² on the dense model's calibration inputs; empty where it was not measured."""
    reconstruction_total: float | None = None
    """The same pooled over all targets: the sum of errors over the sum of ‖WX‖²."""
    seconds: float | None = None
    """Of pruning, calibration included, model loading excluded."""
    peak_memory_bytes: int | None = None
    fallbacks: tuple[Fallback, ...] = ()


class OverlapRecord(Record):
    """How far two states of equal pattern and requested sparsity remove the same weights: Jaccard index per matrix."""

    model: str
    first: str
    """Key of a NodeRecord."""
    second: str
    jaccard: tuple[float, ...]
    total: float
    """Over all targeted weights together."""
    chance: float
    """What two independent random masks of these sparsities would share: s₁s₂ / (s₁ + s₂ − s₁s₂)."""


class SensitivityRecord(Record):
    """The scan: one decoder block pruned at a time, and how much worse the model predicts."""

    model: str
    method: str
    sparsity: tuple[float, ...]
    blocks: tuple[int, ...]
    nll_increase: tuple[tuple[float | None, ...], ...]
    """Mean negative log-likelihood over dense, nats per token: one row a block, one value a sparsity."""
    nll_increase_ci: tuple[tuple[tuple[FiniteFloat, FiniteFloat] | None, ...], ...] = ()
    """95 % intervals of the same over windows, in pairs with dense; null where there are too few windows."""
    tokens: int
    forward_equivalents: float


class TaskRecord(Record):
    """A task as it was evaluated: what two accuracies must share to be compared."""

    task: str
    version: str
    items: int
    of: int
    """Items of the whole task; `items` of them were evaluated, from the start."""
    fewshot: int = 0
    """Examples in the prompt."""
    split: str = ""
    dataset: str = ""
    sha256: str = ""
    """Of the task's configuration and the evaluated items."""
    harness: str = ""
    prompt: str = "no chat template"


class TaskScores(Record):
    """What the harness found for one state: values and standard errors by measure, and every item's 0 or 1."""

    task: str
    fewshot: int
    values: dict[str, float]
    stderr: dict[str, float | None]
    items: dict[str, tuple[float, ...]]


class ExcerptRecord(Record):
    """A corner of a model's first targeted matrix, from (row, col) on, for the visualizer of the page."""

    model: str
    matrix: str
    row: int = 0
    col: int = 0
    weights: tuple[tuple[FiniteFloat, ...], ...] = Field(min_length=1)
    """Values of the dense matrix, (out, in)."""
    input_rms: tuple[FiniteFloat, ...] = ()
    """Root mean square of each input over the calibration tokens; empty where the study has none."""
    tokens: int = 0


class HistogramState(Record):
    """The targeted weights of a state in its record's bins; zeros are in no bin, and `beyond` lie outside of all."""

    node: str
    counts: tuple[int, ...]
    zeros: int
    beyond: int = 0
    updated: int = 0
    """Of the weights that are not zero, those with another value than dense's."""

    @property
    def weights(self) -> int:
        return sum(self.counts) + self.zeros + self.beyond


class HistogramRecord(Record):
    """How a model's targeted weights are distributed: dense first, then pruned states, in the same bins."""

    model: str
    edges: tuple[FiniteFloat, ...] = Field(min_length=2, max_length=65)
    rms: FiniteFloat
    """Root mean square of the dense weights."""
    states: tuple[HistogramState, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _every_bin_is_counted(self) -> HistogramRecord:
        if any(len(each.counts) != len(self.edges) - 1 for each in self.states):
            raise ValueError("a state needs one count for each bin")
        return self


class TippingRecord(Record):
    """
    Where a series of states that differ in their sparsity only leaves dense's behaviour; see `results/stability.py`.

    `level` of the metric: a perplexity this many times dense's, or an agreement this low. `value` is the sparsity of
    the target there, null where the series does not reach the level; `low` and `high` are its 95 % interval, each null
    where the resamples do not reach it.
    """

    model: str
    corpus: str
    metric: Literal["perplexity_ratio", "agreement_top1"]
    level: float
    nodes: tuple[str, ...]
    """Keys of the states, by rising sparsity; one that is not finite ends the series."""
    sparsity: tuple[float, ...]
    value: float | None = None
    low: float | None = None
    high: float | None = None
    windows: int = 0


class Continuation(Record):
    """What a state wrote to a prompt: `shared` is the text of the `same` first tokens that dense wrote too."""

    node: str
    same: int
    shared: str = ""
    other: str = ""


class GenerationRecord(Record):
    """Greedy continuations of one prompt, `tokens` long, dense first."""

    model: str
    corpus: str
    prompt: str
    tokens: int
    continuations: tuple[Continuation, ...]


class DataRecord(Record):
    """A text as it was used. `protocol` is the tag that two perplexities must share to be compared."""

    role: Literal["evaluation", "calibration"]
    corpus: str
    source: str
    name: str = ""
    """What numbers measured on it have as their condition `corpus`; by default the source."""
    model: str
    """Token ids depend on the model's tokenizer."""
    protocol: str
    windows: int
    length: int
    tokens: int
    predicted_tokens: int
    bytes: int
    """UTF-8 bytes of the text that the windows cover."""
    tail_tokens_dropped: int = 0
    bos: str = ""
    joiner: str = ""
    revision: str = ""
    text_sha256: str = ""
    token_ids_sha256: str = ""
    seed: int | None = None
    curation: dict[str, int] = {}
    """Paragraphs before and after curation, and how many each filter dropped."""

    @property
    def called(self) -> str:
        """The condition `corpus` of what was measured on it."""
        return self.name or self.source

    @property
    def short(self) -> str:
        """The name that the spec gives it, else the kind of corpus."""
        return self.name if self.name != self.source and self.name else self.corpus


class Author(Record):
    name: str
    affiliation: str = ""
    course: str = ""
    id: str = ""
    email: str = ""


class NoteRecord(Record):
    """The author's Markdown for one part of the paper, as it was written; `file` is named where a quote goes wrong."""

    part: Literal["question", "abstract", "related_work", "discussion"]
    file: str
    text: str


class StudyRecord(Record):
    """The words of the study's author; text, never code."""

    title: str
    slug: str
    authors: tuple[Author, ...] = ()
    question: str = ""
    abstract: str = ""
    date: str = ""
    instructor: str = ""
    course: str = ""
    target_reason: str = ""
    discussion: str = ""
    """Of older results, whose discussion quoted nothing; newer ones have it among the notes."""
    notes: tuple[NoteRecord, ...] = ()
    references: dict[str, dict[str, str]] = {}
    """The author's own, by key: BibTeX fields, and `type`."""
    layout: Literal["single-column", "two-column"] = "single-column"
    outputs: tuple[str, ...] = ("html", "pdf")

    def note(self, part: str) -> NoteRecord | None:
        return next((each for each in self.notes if each.part == part), None)


class SpecRecord(Record):
    """The spec as it was given (with `--set` overrides beside it), and its hash."""

    file: str = ""
    text: str
    sha256: str
    overrides: tuple[str, ...] = ()


class EntryRecord(Record):
    """A method, format or metric that the study used: what the report needs to define and cite it."""

    kind: Literal["method", "format", "metric", "corpus", "model_source", "allocation", "quantizer"]
    name: str
    summary: str
    equation: str = ""
    spoken: str = ""
    cite: str = ""
    result_version: int = 1
    traits: dict[str, str] = {}
    needs: tuple[str, ...] = ()
    """What it reads of the model beside its weights; results of older versions do not say."""
    constraints: tuple[str, ...] = ()
    """What a format's products on other devices than a CPU take, a sentence each."""


class QuantityRecord(Record):
    """A metric's definition, in words and with its limits."""

    name: str
    family: str
    unit: str
    kind: Kind
    noise: Noise
    direction: Direction
    definition: str
    limits: str = ""


class ToolRecord(Record):
    name: str = "sparsity-report"
    version: str
    commit: str = ""
    dirty: bool = False


class EnvironmentRecord(Record):
    """The machine and its software. No host or user name."""

    python: str = ""
    platform: str = ""
    cpu: str = ""
    cores: int | None = None
    memory_bytes: int | None = None
    device: str = "cpu"
    threads: int | None = None
    wait_policy: str = ""
    """How OpenMP's threads wait where cells are timed."""
    timing_process: Literal["", "fresh", "shared"] = ""
    """Whether every cell was timed in a process of its own, or all in the run's."""
    governor: str = ""
    load_average: float | None = None
    packages: dict[str, str] = {}
    variables: dict[str, str] = {}
    started: str = ""
    finished: str = ""
    command: str = ""
    fingerprint: str = ""
    """Hash of what timings depend on: two runs whose fingerprints differ have no comparable timings."""


class ReadRate(Record):
    """Bytes per second read from a buffer of so many bytes (measured)."""

    bytes: int
    bytes_per_s: float
    ci: tuple[FiniteFloat, FiniteFloat] | None = None


class MachineRecord(Record):
    """
    A machine that numbers are modelled for: a vendor's figures with their source, or "this", whose are measured.

    Peaks are operations per second by dtype; what is not known is left out.
    """

    name: str
    title: str
    kind: str
    bandwidth: float | None = None
    memory_bytes: int | None = None
    peak: dict[str, float] = {}
    peak_2_4: dict[str, float] = {}
    """With 2:4 sparse weights, counted as if they were dense; empty where there is no unit for them."""
    source: str
    url: str = ""
    note: str = ""
    read_rates: tuple[ReadRate, ...] = ()
    """Measured, by growing size of the buffer; a working set that fits into a cache is read faster."""
    peak_ci: dict[str, tuple[FiniteFloat, FiniteFloat]] = {}
    price_per_hour: float | None = None
    """As the spec gives it."""
    currency: str = ""


class CheckRecord(Record):
    """Something expected beside what was observed. "undecided": the observed interval straddles a bound."""

    what: str
    source: str = ""
    origin: Literal["expect", "contract", "published"] = "expect"
    expected: str
    observed: str
    verdict: Literal["pass", "miss", "undecided", "cannot_check"]
    cells: tuple[str, ...] = ()
    metric: str = ""
    on_miss: Literal["report", "fail"] = "report"
    late: bool = False
    """Stated or changed when results were there already."""


class RegistrationRecord(Record):
    """The expectations of a run beside those that were written down before its first result."""

    sha256: str
    """Of the canonical form of all expectations as they are now."""
    registered: str
    """When those from before the first result were written down; "" where there are none."""
    changed: str = ""
    """When the present ones were, if they are others."""
    late: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


class Alert(Record):
    """Something that the reader should worry about, at the top of the report."""

    level: Literal["warning", "note"] = "warning"
    text: str
    cells: tuple[str, ...] = ()


class PartRecord(Record):
    """One study of a report on several: where its numbers come from."""

    name: str = Field(pattern=r"^[^/\\\x00]+$")
    """What its models, cells, states and files are called after."""
    study: StudyRecord
    spec: SpecRecord
    tool: ToolRecord
    environment: EnvironmentRecord = EnvironmentRecord()
    registration: RegistrationRecord | None = None
    seconds: float = 0.0


class Results(Record):
    """All that a report is made of."""

    schema_version: Literal[1] = SCHEMA_VERSION
    tool: ToolRecord
    study: StudyRecord
    spec: SpecRecord
    quick: bool = False
    models: tuple[ModelRecord, ...] = ()
    data: tuple[DataRecord, ...] = ()
    tasks: tuple[TaskRecord, ...] = ()
    environment: EnvironmentRecord = EnvironmentRecord()
    entries: tuple[EntryRecord, ...] = ()
    quantities: tuple[QuantityRecord, ...] = ()
    cells: tuple[CellRecord, ...]
    nodes: tuple[NodeRecord, ...] = ()
    overlaps: tuple[OverlapRecord, ...] = ()
    sensitivity: tuple[SensitivityRecord, ...] = ()
    machines: tuple[MachineRecord, ...] = ()
    """Those that the cells' modelled numbers are for."""
    excerpts: tuple[ExcerptRecord, ...] = ()
    histograms: tuple[HistogramRecord, ...] = ()
    tipping: tuple[TippingRecord, ...] = ()
    generations: tuple[GenerationRecord, ...] = ()
    checks: tuple[CheckRecord, ...] = ()
    registration: RegistrationRecord | None = None
    alerts: tuple[Alert, ...] = ()
    seconds: float = Field(default=0.0, ge=0)
    """Of the last command; a resumed run took longer in all."""
    peak_memory_bytes: int | None = None
    """Largest resident memory of the last command."""
    parts: tuple[PartRecord, ...] = ()
    """The studies, where these are several."""

    @property
    def date(self) -> str:
        """The author's date, or the day on which the run finished."""
        return self.study.date or self.environment.finished[:10]

    @property
    def spec_files(self) -> dict[str, str]:
        """The spec as a file, or that of each of several studies, which together are none: texts by name."""
        return {f"{part.name}.toml": part.spec.text for part in self.parts} or {"spec.toml": self.spec.text}

    def reference(self, model: str) -> CellRecord | None:
        """The dense cell of a model."""
        return next((cell for cell in self.cells if cell.is_reference and cell.variant.model == model), None)

    @model_validator(mode="after")
    def _identities_hold(self) -> Results:
        ids = [cell.id for cell in self.cells]
        if len(ids) != len(set(ids)):
            raise ValueError("two cells have the same id")
        models = {model.id for model in self.models}
        for cell in self.cells:
            if cell.variant.model not in models:
                raise ValueError(
                    f"cell {cell.id} names the model {cell.variant.model!r}, which is not among the models"
                )
            for each in cell.metrics:
                if each.anchor is not None and each.anchor not in ids:
                    raise ValueError(f"cell {cell.id}: {each.metric} is anchored to {each.anchor!r}, which is no cell")
        return self
