"""
Published figures beside what a study measured, where model, method, amount and protocol are the same.

The figures are in `published.toml`. Perplexities are compared; accuracies are kept for the day when they are measured.
A figure of another protocol is no check: `near` says what differs.
"""

from __future__ import annotations

import tomllib
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from .. import registry
from ..contracts import Pattern
from .expect import ALL_ORDER, number
from .model import CheckRecord, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .expect import Verdict
    from .model import CellRecord, DataRecord, ModelRecord, Results, StageRecord

FILE = Path(__file__).with_name("published.toml")
COMPARED = "perplexity"
WITHOUT_DATA = ("dense", "magnitude")
"""Methods that look at no text, so that a figure's calibration does not concern them."""
LINEARS = ("attention_linear", "mlp_linear")
"""What the papers prune: every linear map of the decoder blocks and nothing else."""
STAGE_KEYS = (
    *("pattern", "sparsity", "scope", "compat", "allocation", "permute"),
    *("calibration", "propagate", "within_block"),
)
"""What a stage's params hold beside the method's own."""


class Evaluation(Record):
    """The text behind a perplexity; `windows` only where it is the same for every tokenizer."""

    corpus: str
    split: str
    length: int
    joiner: str
    windows: int | None = None


class Calibration(Record):
    """The text on which the methods looked at the model; the seed is that of the papers' own sampler."""

    source: str
    split: str
    windows: int
    length: int
    seed: int | None = None


class Protocol(Record):
    """How a figure came about. Without `evaluation` nothing here measures the same."""

    evaluation: Evaluation | None = None
    calibration: Calibration | None = None
    note: str = ""


class Source(Record):
    """Who published a figure, in words, and the key of its reference ("" without one)."""

    text: str
    reference: str = ""


class Published(Record):
    """
    One figure. `value` keeps the digits of its source; `tolerance` is relative.

    `besides` names what else was done to the model ("4-bit weights"). `why` says what speaks against the figure.
    """

    name: str
    models: tuple[str, ...]
    method: str
    sparsity: Decimal | None = None
    pattern: str = "unstructured"
    scope: str = ""
    allocation: str = "uniform"
    permute: bool = False
    besides: str = ""
    metric: str
    task: str = ""
    value: Decimal
    unit: str
    tolerance: float
    tag: str
    protocol: Protocol
    windows: int | None = None
    """How many windows the whole evaluation text gives with this model's tokenizer; None where it is not known."""
    bos: bool
    source: Source
    basis: Literal["table", "memory", "issue thread"]
    why: str = ""

    @property
    def disputed(self) -> bool:
        return bool(self.why)

    @property
    def doubt(self) -> str:
        """Why the figure cannot refute a study, "" if it can."""
        if self.disputed:
            return f"disputed: {self.why}"
        return "from memory, not verified" if self.basis == "memory" else ""

    @property
    def bounds(self) -> tuple[float, float]:
        """Where a faithful repetition lies: the tolerance, and half a unit of the last printed digit."""
        exponent = self.value.as_tuple().exponent
        half_unit = float(Decimal(1).scaleb(int(exponent))) / 2
        value = float(self.value)
        return value * (1 - self.tolerance) - half_unit, value * (1 + self.tolerance) + half_unit

    @property
    def amount(self) -> str:
        """ "dense", "50 %", "2:4" or "2:4, permuted"."""
        share = "" if self.sparsity is None else f"{self.sparsity * 100:f}".rstrip("0").rstrip(".") + " %"
        pattern = "" if self.pattern == "unstructured" else self.pattern
        more = [self.allocation if self.allocation != "uniform" else "", "permuted" if self.permute else ""]
        return ", ".join(part for part in (pattern, share, *more, self.besides) if part)


class Near(Record):
    """A figure of the same model, method and amount that is no check, because its protocol differs."""

    published: Published
    cells: tuple[str, ...]
    differs: tuple[str, ...]


class Family(Record):
    models: dict[str, tuple[str, ...]]
    bos: bool
    windows: dict[str, int] = Field(default_factory=dict)


class Row(Record):
    method: str
    values: tuple[Decimal, ...]
    models: tuple[str, ...] = ()
    sparsity: Decimal | None = None
    pattern: str = "unstructured"
    scope: str = ""
    allocation: str = "uniform"
    permute: bool = False
    besides: str = ""
    why: str = ""


class Table(Record):
    """Rows of one source and one protocol; their values follow `tasks`, or else `models`."""

    source: str
    protocol: str
    family: str
    models: tuple[str, ...]
    tasks: tuple[str, ...] = ()
    metric: str = COMPARED
    unit: str = "1"
    basis: Literal["table", "memory", "issue thread"] = "table"
    rows: tuple[Row, ...] = Field(min_length=1)


class File(Record):
    tolerance: dict[str, float]
    protocols: dict[str, Protocol]
    sources: dict[str, Source]
    families: dict[str, Family]
    table: tuple[Table, ...]


@cache
def load() -> tuple[Published, ...]:
    """Every published figure, in the order of the file."""
    file = File.model_validate(tomllib.loads(FILE.read_text(encoding="utf-8"), parse_float=Decimal))
    return tuple(figure for table in file.table for row in table.rows for figure in figures(file, table, row))


def figures(file: File, table: Table, row: Row) -> Iterator[Published]:
    """The figures of one row. Raises ValueError when it has not as many values as columns."""
    family, protocol = file.families[table.family], file.protocols[table.protocol]
    models = row.models or table.models
    columns = [(models[0], task) for task in table.tasks] or [(model, "") for model in models]
    own = protocol.evaluation.windows if protocol.evaluation else None
    for (model, task), value in zip(columns, row.values, strict=True):
        yield Published(
            **row.model_dump(exclude={"values", "models"}),
            name=f"{table.family}-{model}",
            models=family.models[model],
            metric=table.metric,
            task=task,
            value=value,
            unit=table.unit,
            tolerance=file.tolerance.get(row.method, file.tolerance["default"]),
            tag=table.protocol,
            protocol=protocol,
            windows=own or family.windows.get(table.protocol),
            bos=family.bos,
            source=file.sources[table.source],
            basis=table.basis,
        )


def reference_of(source: str) -> str:
    """The key of the reference behind a check's `source`; "" without one."""
    return next((each.source.reference for each in load() if source.startswith(each.source.text)), "")


def pruning(cell: CellRecord) -> StageRecord | None:
    """The one stage of a cell that was pruned and nothing else; None for dense."""
    return cell.variant.stages[0] if cell.variant.stages else None


def concerns(figure: Published, cell: CellRecord, model: ModelRecord) -> bool:
    """Whether model, method and amount are the figure's, whatever the protocol."""
    if model.source not in figure.models or figure.metric != COMPARED or figure.protocol.evaluation is None:
        return False
    stage = pruning(cell)
    if stage is None:
        return cell.is_reference and figure.method == "dense"
    if len(cell.variant.stages) > 1 or stage.op != "prune" or stage.entry != figure.method:
        return False
    asked = stage.params.get("sparsity")
    sparsity = None if asked is None else Decimal(str(asked))
    return stage.params.get("pattern", "unstructured") == figure.pattern and sparsity == figure.sparsity


def instead(what: str, ours: object, theirs: object) -> Iterator[str]:
    """What differs, in words, if it does."""
    if ours != theirs:
        yield f"{what} {ours} instead of {theirs}"


def differences(figure: Published, cell: CellRecord, model: ModelRecord, data: Iterable[DataRecord]) -> tuple[str, ...]:
    """Everything in which a cell that the figure concerns was made or measured otherwise."""
    own = [each for each in data if each.model == model.id]
    found = [*measured_otherwise(figure, text_of(figure, model, own))]
    stage = pruning(cell)
    if stage is not None:
        found += pruned_otherwise(figure, stage, model)
        if figure.method not in WITHOUT_DATA:
            found += calibrated_otherwise(figure, stage, [each for each in own if each.role == "calibration"])
    return tuple(found)


def text_of(figure: Published, model: ModelRecord, data: Iterable[DataRecord]) -> DataRecord | None:
    """Of a model's evaluation texts the one that is nearest to the figure's protocol."""
    own = [each for each in data if each.role == "evaluation" and each.model == model.id]
    return min(own, key=lambda each: len([*measured_otherwise(figure, each)]), default=None)


def value_of(figure: Published, cell: CellRecord, results: Results) -> float | None:
    """The cell's number, on the text that the figure is compared on where there are several."""
    model = next(each for each in results.models if each.id == cell.variant.model)
    texts = [each for each in results.data if each.role == "evaluation" and each.model == model.id]
    nearest = text_of(figure, model, texts)
    if nearest is None or len(texts) < 2:
        return cell.value(figure.metric)
    return cell.value(figure.metric, corpus=nearest.called)


def measured_otherwise(figure: Published, text: DataRecord | None) -> Iterator[str]:
    """Text, joiner, windows and BOS. The split is in the record's protocol, before the first comma."""
    wanted = figure.protocol.evaluation
    if wanted is None or text is None:
        yield "the evaluation is not recorded"
        return
    yield from instead("evaluated on", text.protocol.partition(",")[0], f"{wanted.corpus} ({wanted.split})")
    yield from instead("documents joined by", repr(text.joiner), repr(wanted.joiner))
    yield from instead("windows of", f"{text.length} tokens", f"{wanted.length} tokens")
    yield from instead("the text begins with", text.bos, "one BOS before the text" if figure.bos else "no BOS")
    if figure.windows is not None:
        yield from instead("evaluated", f"{text.windows} windows", f"{figure.windows} windows")
    elif not text.tail_tokens_dropped:  # what is left over shows that the windows went to the text's end
        yield f"evaluated {text.windows} windows instead of the whole text"


def pruned_otherwise(figure: Published, stage: StageRecord, model: ModelRecord) -> Iterator[str]:
    """What was pruned, what competed, how sparsity was spread, and the method's own parameters."""
    if [matrix.group in LINEARS for matrix in model.matrices] != [matrix.targeted for matrix in model.matrices]:
        yield "pruned other matrices than all linear maps of the decoder blocks"
    defaults, scope = usual(stage.entry)
    scope = figure.scope or scope
    if scope and not Pattern.parse(figure.pattern).is_nm:
        yield from instead("scope", stage.params.get("scope", "layer"), scope)
    allocation = (stage.params.get("allocation") or {"use": "uniform"})["use"]
    yield from instead("allocation", allocation, figure.allocation)
    yield from instead("permute", stage.params.get("permute", False), figure.permute)
    if figure.besides:
        yield f"nothing besides pruning instead of {figure.besides}"
    for name, value in stage.params.items():
        if name not in STAGE_KEYS:
            yield from instead(name, value, defaults.get(name))


def usual(method: str) -> tuple[dict[str, Any], str]:
    """A method's own parameters and its scope when the spec says nothing: those of its paper."""
    if method not in registry.names("methods"):
        return {}, ""
    module = registry.get("methods", method)
    return module.Params().model_dump(mode="json"), str(module.DEFAULT_SCOPE)


def calibrated_otherwise(figure: Published, stage: StageRecord, sets: Iterable[DataRecord]) -> Iterator[str]:
    """
    The calibration text and its windows, and what its blocks' inputs went through.

    A record of the calibration set, as it was cut, says more than the stage, which holds what was asked for. Seeds are
    not compared: the papers' sampler and ours draw other windows from the same seed.
    """
    wanted, asked = figure.protocol.calibration, stage.params.get("calibration")
    if wanted is None or asked is None:
        yield "the calibration is not recorded"
        return
    key = (asked["source"], asked.get("seed"), asked["windows"])
    made = next((each for each in sets if (each.source, each.seed, each.windows) == key), None)
    text = made.protocol.partition(",")[0] if made else f"{asked['source']} ({asked['split']})"
    yield from instead("calibrated on", text, f"{wanted.source} ({wanted.split})")
    yield from instead("calibrated on", f"{asked['windows']} windows", f"{wanted.windows} windows")
    length = made.length if made else asked["length"]
    yield from instead("calibration windows of", f"{length} tokens", f"{wanted.length} tokens")
    if asked.get("curate"):
        yield "a curated calibration text instead of all of it"
    yield from instead("inputs of blocks that were", stage.params.get("propagate", "pruned"), "pruned")
    yield from instead("matrices of a block pruned", stage.params.get("within_block", "together"), "together")


def concerned(results: Results) -> Iterator[tuple[Published, CellRecord, tuple[str, ...]]]:
    """Every figure with every cell that it concerns, and what differs. A rehearsal is compared with nothing."""
    models = {model.id: model for model in results.models}
    for figure in load() if not results.quick else ():
        for cell in results.cells:
            model = models[cell.variant.model]
            if concerns(figure, cell, model):
                yield figure, cell, differences(figure, cell, model, results.data)


def matches(results: Results) -> tuple[CheckRecord, ...]:
    """
    A check for every figure whose protocol some cells share, in the order of the figures.

    Figures that are disputed or come from memory decide nothing: their verdict is "undecided". Where several cells
    repeat a figure (formats, calibration seeds), the worst of them counts.
    """
    found: dict[Published, list[CellRecord]] = {}
    for figure, cell, differs in concerned(results):
        if not differs and (cell.status != "ok" or cell.find(figure.metric) is not None):
            found.setdefault(figure, []).append(cell)
    return tuple(check(figure, cells, results) for figure, cells in found.items())


def near(results: Results) -> tuple[Near, ...]:
    """Figures that concern cells which no figure matches, and what differs."""
    every = list(concerned(results))
    matched = {cell.id for _, cell, differs in every if not differs}
    found: dict[tuple[Published, tuple[str, ...]], list[str]] = {}
    for figure, cell, differs in every:
        if cell.id not in matched:
            found.setdefault((figure, differs), []).append(cell.id)
    return tuple(
        Near(published=figure, cells=tuple(cells), differs=differs) for (figure, differs), cells in found.items()
    )


def judge(figure: Published, cell: CellRecord, results: Results) -> tuple[Verdict, str]:
    """The verdict on one cell, and what was observed. Both evaluated the same tokens, so no interval is needed."""
    if cell.status in ("failed", "not_executed"):
        return "cannot_check", f"{cell.id}: {cell.status.replace('_', ' ')}"
    value = value_of(figure, cell, results)
    if value is None:
        return "cannot_check", f"{figure.metric} is not finite"
    low, high = figure.bounds
    off = round(100 * (value / float(figure.value) - 1), 1) + 0.0  # never "−0.0"
    verdict: Verdict = "undecided" if figure.doubt else "pass" if low <= value <= high else "miss"
    return verdict, f"{number(value, '1')} ({off:+.1f} %)".replace("(-", "(−")


def check(figure: Published, cells: Iterable[CellRecord], results: Results) -> CheckRecord:
    """Published beside observed."""
    cells = tuple(cells)
    judged = [judge(figure, cell, results) for cell in cells]
    low, high = (number(bound, "1") for bound in figure.bounds)
    printed = str(figure.value).lower().replace("e+", "e")
    doubt = f" ({figure.doubt})" if figure.doubt else ""
    sampler = "" if figure.method in WITHOUT_DATA else "; calibration windows by another sampler"
    return CheckRecord(
        what=f"published {figure.metric} of {figure.name}, " + " ".join(filter(None, (figure.method, figure.amount))),
        source=f"{figure.source.text} (protocol {figure.tag}{sampler})",
        origin="published",
        expected=f"{printed}, thus {low} to {high}{doubt}",
        observed="; ".join(dict.fromkeys(seen for _, seen in judged)),
        verdict=min((verdict for verdict, _ in judged), key=ALL_ORDER.index),
        cells=tuple(cell.id for cell in cells),
        metric=figure.metric,
    )
