"""
The spec's shape: frozen, strict, free of torch.

Only what one table can know about itself is checked here; what needs the registries or several tables is checked in
`rules.py`, and both report through `load.py` with file, line and hint.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field

from .measuring import Generation, Hardware, Latency, Metrics, Sensitivity, Stability, Tasks
from .stages import Format, PruneStep, QuantizeStep, StageKeys, Variant
from .texts import Calibration, Curation, Data, Evaluation
from .values import NAME, Condition, Group, Real, Selection, Table

__all__ = [
    "Author", "Calibration", "Curation", "Data", "Evaluation", "Expect", "Format", "Generation", "Hardware", "Latency",
    "Metrics", "Model", "Notes", "PruneStep", "QuantizeStep", "Report", "Sensitivity", "Spec", "Stability", "StageKeys",
    "Study", "Target", "Tasks", "Variant",
]  # fmt: skip
SPEC_VERSION = 1


class Author(Table):
    """One of those who ask."""

    name: str
    """As it stands under the title."""
    affiliation: str = ""
    """University, company or group."""
    course: str = ""
    """For course work: its number."""
    id: str = ""
    """A student's number, an ORCID or the like."""
    email: str = ""
    """Printed beside the name."""


class Study(Table):
    """Who asks what."""

    title: str = Field(min_length=1)
    """Of the report."""
    slug: str = Field(default="", pattern=NAME)
    """Names the run's folder, downloads and the entry in a bibliography; by default the spec's file name."""
    authors: tuple[Author, ...] = ()
    """In the order of the title."""
    question: str = ""
    """What the study asks, in a sentence, or as a file of `[report] notes`."""
    abstract: str = ""
    """Your own, here or as a file of `[report] notes`; without it, the report writes one from its results."""
    course: str = ""
    """Stands below the title."""
    instructor: str = ""
    """Stands below the title."""
    date: str = ""
    """Of the report, as YYYY-MM-DD; by default that of the run."""
    seed: int = Field(default=0, ge=0)
    """Of everything random that has no seed of its own."""


class Model(Table):
    """Where a model comes from: hub id, directory, file.gguf, "package:NAME/FILE.gguf" or "bundled:tiny-opt"."""

    source: str = Field(min_length=1)
    """Hub id, directory, file.gguf, "package:NAME/FILE.gguf" or "bundled:tiny-opt"; `sparsity-report list sources`."""
    id: str = Field(default="", pattern=NAME)
    """Short name in tables and cell ids; by default from the source."""
    revision: str = ""
    """Of a hub model: a commit, tag or branch; by default the newest, which the lock file then holds."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """What the weights are loaded as, whatever the file has; bytes are counted by it."""

    @property
    def name(self) -> str:
        last = re.split(r"[/\\:]", self.source.rstrip("/\\:"))[-1].removesuffix(".gguf")
        return self.id or (last if last.strip(".") else "model")


class Target(Table):
    """Which matrices may be pruned. Globs match paths such as "model.decoder.layers.0.fc1"."""

    groups: tuple[Group, ...] = ("attention_linear", "mlp_linear")
    """Kinds of matrices; embedding and lm_head only where they are named."""
    include: tuple[str, ...] = ("*",)
    """Globs on paths: of the groups, only these."""
    exclude: tuple[str, ...] = ()
    """Globs on paths: of those, not these."""
    reason: str = ""
    """Why these, in a sentence for the report."""


class Notes(Table):
    """
    The author's own text: Markdown files, their paths counted from the spec's folder.

    They may quote numbers, {{ perplexity | method=wanda, sparsity=0.5 }}, and cite, [@han2015learning].
    """

    question: str = ""
    """Stands in the first section."""
    abstract: str = ""
    """Instead of the report's own."""
    related_work: str = ""
    """Stands in the first section, too."""
    discussion: str = ""
    """Stands in the discussion."""
    references: str = ""
    """What they may cite beyond the shipped references: a .bib file, or a .toml like report/references.toml."""


class Report(Table):
    """What is written, and how it looks."""

    outputs: tuple[Literal["html", "pdf", "latex"], ...] = ("html", "pdf")
    """"latex" writes what a paper includes: tables/*.tex, references.bib and the figures as PDF."""
    layout: Literal["single-column", "two-column"] = "single-column"
    """Of the PDF."""
    notes: Notes = Notes()
    """Your own text."""
    templates: str = ""
    """A folder whose templates, style sheets and scripts come before those shipped, by name; from the spec's folder."""
    style: str = ""
    """A style sheet that changes the house style, css/house.css; from the spec's folder."""


class Expect(Table):
    """Expected beside observed: a hypothesis, a published figure or a gate."""

    what: str = Field(min_length=1)
    """The expectation in a sentence."""
    source: str = ""
    """Who says so: a paper, a course, common belief."""
    where: Selection = Field(default={})
    """Selects cells by id, variant, model, method, pattern, scope, sparsity, format. Must select something."""
    need: Literal["all", "any"] = "all"
    """Whether all of the selected cells must hold it, or one."""
    metric: str
    """`sparsity-report list metrics` has the names of the values."""
    over: Literal["target", "model"] | None = None
    """Of sizes and sparsities: all targeted matrices, or the whole model."""
    conditions: dict[str, Condition] = Field(default={})
    """Further conditions of the metric: group, batch, prompt …; of the scan block = 0, "first", "last", "inner"."""
    relative_to: Literal["dense"] | Selection | None = None
    """"dense", or what the cell to compare with has different: { method = "wanda" }."""
    order: tuple[Selection, ...] = ()
    """Instead of bounds: selections, on top of `where`, from the lowest value of the metric to the highest."""
    between: tuple[Real, Real] | None = None
    """The value, bounds included; an interval that straddles one is undecided."""
    at_least: Real | None = None
    """A bound alone."""
    at_most: Real | None = None
    """A bound alone."""
    on_miss: Literal["report", "fail"] = "report"
    """"fail" makes it a gate: `sparsity-report check` then exits with 6."""


class Spec(Table):
    """A study."""

    spec_version: Literal[1]
    """Of this format."""
    study: Study
    """The question, and who asks it."""
    model: tuple[Model, ...] = Field(min_length=1)
    """Every variant is made of each."""
    target: Target = Target()
    """Which matrices may be pruned."""
    data: Data
    """Texts to measure behaviour on, and to calibrate methods with."""
    variant: tuple[Variant, ...] = Field(min_length=1)
    """What is made of each model; dense is implicit."""
    metrics: Metrics = Metrics()
    """What is measured, and how long."""
    hardware: Hardware = Hardware()
    """Where it is measured, and for which other machines bounds are modelled."""
    report: Report = Report()
    """The files to write, their look, and your own text."""
    expect: tuple[Expect, ...] = ()
    """What should come out, written down before the run."""
