"""What is measured, how, and on which hardware."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from .values import Exact, NonNegative, OneOrMany, Positive, Real, Table


class Latency(Table):
    """What is timed: batch sizes × prompt lengths in tokens, and how many tokens are decoded one by one."""

    batch: OneOrMany[Positive] = (1,)
    """Sequences at a time."""
    prompt: OneOrMany[Positive] = (128,)
    """Tokens that are read at once."""
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
    """Each matrix alone is pruned to it."""


class Tasks(Table):
    """Zero-shot tasks of lm-evaluation-harness, for `metrics.use = ["tasks"]`."""

    use: OneOrMany[str] = ("arc_easy", "arc_challenge", "hellaswag", "winogrande", "piqa")
    """Names of the harness."""
    limit: Positive | None = None
    """At most this many items of each task, from the start; by default all."""
    fewshot: NonNegative = 0
    """Examples in the prompt."""
    include: str = ""
    """A folder of task files, counted from the spec's. Files that ask for Python are refused: none of theirs is run."""
    batch: Positive = 8
    """Items at a time."""


class Stability(Table):
    """Where behaviour counts as left: the tipping points of methods with several sparsities."""

    perplexity: Real = Field(default=1.1, gt=1)
    """So many times dense's."""
    agreement: Real = Field(default=0.9, gt=0, lt=1)
    """Top-1 agreement below this."""


class Generation(Table):
    """Greedy continuations of `metrics.use = ["generation"]`: prompts from the first evaluation text, tokens."""

    prompts: Positive = 4
    """How many."""
    prompt: Positive = 32
    """Tokens of each."""
    tokens: Positive = 48
    """That are continued."""


class Metrics(Table):
    """What is measured, and how. Tables of what is not in `use` are ignored."""

    use: tuple[str, ...] = (
        *("storage", "sparsity", "flops", "agreement", "divergence", "perplexity"),
        *("latency", "profile", "roofline"),
    )
    """`sparsity-report list metrics`."""
    latency: Latency = Latency()
    """What is timed, and how long."""
    sensitivity: Sensitivity = Sensitivity()
    """How one matrix at a time is pruned."""
    tasks: Tasks = Tasks()
    """Which tasks, and how much of them."""
    stability: Stability = Stability()
    """From where on behaviour counts as left."""
    generation: Generation = Generation()
    """What is continued."""


class Hardware(Table):
    """The device to measure on, and machines to model bounds for (`sparsity-report list hardware`)."""

    device: Literal["cpu", "cuda"] = "cpu"
    """Where everything runs."""
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Of every operation; by default as many as PyTorch takes."""
    wait_policy: Literal["default", "passive", "active"] | None = None
    """
    How OpenMP's threads wait while cells are timed in fresh processes; not given, as OMP_WAIT_POLICY says. "default"
    spins for a while: fastest on a quiet machine, useless on a busy one, where "passive" keeps timings usable.
    """
    project: tuple[str, ...] = ()
    """Names of machines; what is said about them is modelled, and says so."""
    context: Positive | None = None
    """Tokens of a sequence, for whether weights and key-value cache fit; by default the model's own."""
    price: dict[str, Annotated[Real, Field(gt=0)]] = Field(default={})
    """Per hour, by machine; "this" is the one that the study runs on."""
    currency: str = Field(default="USD", min_length=1)
    """Of the prices."""
