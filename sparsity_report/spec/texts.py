"""The texts of a study: those that behaviour is measured on, and those that methods look at the model with."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .values import NAME, NonNegative, OneOrMany, Positive, Table


class Evaluation(Table):
    """A text on which behaviour is measured, cut into windows of `length` tokens without overlap."""

    source: str
    """`sparsity-report list corpora`, "text:PATH" or "package:PKG/GLOB"."""
    id: str = Field(default="", pattern=NAME)
    """What the text is called in tables and in `conditions = { corpus = "…" }`; by default its source."""
    split: str = ""
    """"train", "validation" or "test", where the text is divided; by default as the text has it."""
    windows: Positive | None = None
    """At most this many windows, from the start; by default all."""
    length: Positive | Literal["max"] = "max"
    """Tokens of a window; "max" is the model's context."""
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
    """As of an evaluation; several are one state each."""
    split: str = ""
    """As of an evaluation."""
    windows: OneOrMany[Positive] = (128,)
    """How many are drawn."""
    length: Positive | Literal["max"] = "max"
    """Tokens of a window; "max" is the model's context."""
    seeds: OneOrMany[NonNegative] = (0,)
    """Each draws other windows; several are replicates."""
    bos: Literal["auto", "none"] = "auto"
    """As of an evaluation."""
    curate: Curation | None = None
    """By default nothing is taken out of the text."""


class CalibrationOverride(Table):
    """What a variant's calibration has different from the study's."""

    source: OneOrMany[str] | None = None
    """Instead of the study's."""
    split: str | None = None
    """Instead of the study's."""
    windows: OneOrMany[Positive] | None = None
    """Instead of the study's."""
    seeds: OneOrMany[NonNegative] | None = None
    """Instead of the study's."""


class Data(Table):
    """The texts that models read."""

    evaluation: OneOrMany[Evaluation]
    """One text, or several side by side: behaviour is measured on each."""
    calibration: Calibration | None = None
    """Only where a method needs data."""
