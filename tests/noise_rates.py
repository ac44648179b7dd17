"""
How often the rule of `results.timing` errs, on recorded noise: dense timed against its copy, process after process.

A study's timing is imitated: one process of a trace gives the noise floor, another the cell that is judged. Of each,
rounds are taken in the order in which they were read, from a random place on (so that serial correlation stays), until
the engine's own rule says that they are enough. A slow-down is injected by multiplying one model's times.

Shapes: P processes, T turns, 2 models, S stages of a turn (prefill, decode).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsity_report.engine.timing import PairSamples, Setting, collect
from sparsity_report.results.stats import bootstrap_median
from sparsity_report.results.timing import floor_of, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trace:
    """`seconds` is (P, T, 2, S); `facts` say where and how it was recorded."""

    seconds: Floats
    facts: dict[str, Any]

    @property
    def setting(self) -> Setting:
        """What was timed, with the default number of rounds and seconds of a spec."""
        return Setting(**self.facts["setting"] | {"decode": tuple(self.facts["setting"]["decode"])})


@dataclass(frozen=True)
class Rates:
    """Of `n` judgements: how many claimed a difference where there is none, and how many found the slow-down."""

    n: int
    false_alarms: float
    found: float


def read(file: Path) -> Trace:
    with np.load(file) as kept:
        return Trace(kept["seconds"].astype(float), json.loads(str(kept["facts"])))


def write(file: Path, trace: Trace) -> None:
    np.savez_compressed(file, seconds=trace.seconds.astype(np.float32), facts=json.dumps(trace.facts))


def stretch(turns: Floats, setting: Setting, rng: np.random.Generator) -> PairSamples:
    """Rounds of one process from a random one on, around the end, until they are enough; models may change sides."""
    rounds = turns.reshape(-1, 2, *turns.shape[1:])
    rounds = np.roll(rounds, -rng.integers(len(rounds)), axis=0)
    rounds = rounds[:, :, :: rng.choice((1, -1))]
    elapsed = 0.0

    def play() -> Iterator[Floats]:
        nonlocal elapsed
        for number, seconds in enumerate(rounds, start=1):
            elapsed += float(seconds.sum()) if number < len(rounds) else math.inf  # a trace has no more than it has
            yield np.stack([seconds, np.full_like(seconds, np.nan)], axis=-1)

    return collect(play(), setting, lambda: elapsed)


def rates(trace: Trace, slow_down: float = 1.10, cells: int = 250, judgements: int = 1000, seed: int = 0) -> Rates:
    """Prefill and decode together: each judgement is of one phase."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(cells):
        process = int(rng.integers(len(trace.seconds)))
        pair = stretch(trace.seconds[process], trace.setting, rng)
        drawn.append((process, [bootstrap_median(phase.ratio) for phase in pair.phases()]))
    false, found, count = 0, 0, 0
    while count < judgements:
        one, other = rng.integers(cells, size=2)
        phase = count % len(drawn[0][1])
        dense, (ratio, judged) = drawn[one][1][phase], drawn[other][1][phase]
        if drawn[one][0] == drawn[other][0] or judged is None:
            continue
        floor = floor_of(*dense)
        slowed = (judged[0] / slow_down, judged[1] / slow_down)
        false += verdict(ratio, judged, floor) != "no difference"
        found += verdict(ratio / slow_down, slowed, floor) == "slower"
        count += 1
    return Rates(count, false / count, found / count)
