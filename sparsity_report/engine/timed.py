"""
Times a cell: dense and its variant in one process, at every point of the grid, with a witness of what else went on.

What is here runs in the process that times. A `Job` is what that process is told, `Timed` is what it tells.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from . import energy
from .memory import anonymous_bytes, peak_bytes, reset_peak
from .timing import PairSamples, Setting, time_pair
from .variant import build
from .witness import Witness, watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from ..contracts import FormatChoice
    from .state import ModelState
    from .variant import Variant


@dataclass(frozen=True)
class Trial:
    """A setting and the token ids of its prompts, (B, P)."""

    setting: Setting
    prompt: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Job:
    """A cell as plain data: how to load dense, where its state is kept, its format, what to time, where to answer."""

    request: dict[str, Any]
    target: dict[str, Any]
    state: str
    pattern: str
    entry: str
    params: dict[str, Any]
    trials: tuple[Trial, ...]
    threads: int
    device: str
    answer: str

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Job:
        trials = tuple(
            Trial(setting_of(each["setting"]), tuple(map(tuple, each["prompt"]))) for each in plain["trials"]
        )
        return cls(**plain | {"trials": trials})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Timed:
    """
    What was read of a cell: a pair and a witness for every setting.

    `load_seconds` is loading dense (None where the run had it loaded), `build_seconds` is reading the state and
    encoding the targeted layers, and `resident_bytes` the memory that this took (None where the system does not say);
    `peak_bytes` of the process.
    """

    pairs: tuple[PairSamples, ...]
    witnesses: tuple[Witness, ...]
    load_seconds: float | None
    build_seconds: float
    resident_bytes: int | None
    peak_bytes: int | None
    energy_reason: str
    """Why no energy was read; empty where it was."""

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Timed:
        pairs = tuple(PairSamples(setting_of(each["setting"]), np.array(each["table"])) for each in plain["pairs"])
        return cls(**plain | {"pairs": pairs, "witnesses": tuple(Witness(**each) for each in plain["witnesses"])})

    def as_json(self) -> dict[str, Any]:
        """NaN stands for what was not read: Python's JSON knows it."""
        pairs = [{"setting": asdict(each.setting), "table": each.table.tolist()} for each in self.pairs]
        return asdict(self) | {"pairs": pairs}


def setting_of(plain: dict[str, Any]) -> Setting:
    return Setting(**plain | {"decode": tuple(plain["decode"])})


def separate(variant: Variant, dense: nn.Module) -> None:
    """
    Gives the variant its own copy of targeted weights that it still shares with dense.

    Dense beside itself would find its weights in the cache, which no variant does: the floor would be too low.
    """
    for path in variant.tensors:
        layer, original = variant.model.get_submodule(path), dense.get_submodule(path)
        weight = layer._parameters.get("weight")
        if weight is not None and weight.data_ptr() == original.get_parameter("weight").data_ptr():
            layer.weight = torch.nn.Parameter(weight.clone(), requires_grad=False)


def time_cell(
    dense: ModelState,
    state: ModelState,
    choice: FormatChoice,
    trials: Sequence[Trial],
    device: torch.device,
    load_seconds: float | None = None,
) -> Timed:
    """Builds the variant and times it beside dense at every setting."""
    before, started = anonymous_bytes(), time.perf_counter()
    variant = build(state, choice)
    separate(variant, dense.model)
    seconds, after = time.perf_counter() - started, anonymous_bytes()
    clock, reason = energy.clock(device)
    reset_peak()
    pairs, witnesses = [], []
    for trial in trials:
        prompt_BT: Tensor = torch.tensor(trial.prompt, device=device)
        with watch() as seen:
            pairs.append(time_pair(variant.model, dense.model, prompt_BT, trial.setting, clock))
        witnesses.append(seen[0])
    grown = None if before is None or after is None else max(0, after - before)
    return Timed(tuple(pairs), tuple(witnesses), load_seconds, seconds, grown, peak_bytes(), reason)
