"""
Where the time of a forward goes: the modules of a model timed from inside, in place, while it runs as it is timed.

For a few rounds the `forward` of every linear map, attention, head, norm, activation and look-up is wrapped between
two readings of the clock; a module's time is its own, without that of timed modules inside it. Weights are as cold
and caches as warm as in any other forward, which a replay of single modules would not be. What is inside of no timed
module is the framework's: Python between the modules, residual sums, masks, the cache's bookkeeping, the choice of
the next token.

How much of all that is Python is another question, and has its own runs: every call of a PyTorch function is timed from
outside (and the product of a format as one), and what is left of a bare run is Python, modules included.

The wrappers' own cost is measured on a function that does nothing and taken off; bare and wrapped rounds alternate, and
their ratio (`closure`) says how far the parts add up to the time without any wrapper. On a CUDA device the clock waits
for the device before every reading, which forbids overlap: shares there are of a synchronous forward.
"""

from __future__ import annotations

import functools
import time
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.overrides import TorchFunctionMode

from ..models.anatomy import is_linear
from . import products
from .timing import run_once, synchronise
from .variant import FormattedLinear, stored_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from ..models.anatomy import Anatomy
    from .products import ProductTimes
    from .timing import Setting

    Forward = Callable[..., Any]

TARGET, OTHER, ATTENTION, HEAD, SMALL, FRAMEWORK = (
    *("target_linear", "other_linear", "attention", "lm_head"),
    *("norm_activation", "framework"),
)
PARTS = (TARGET, OTHER, ATTENTION, HEAD, SMALL, FRAMEWORK)
PHASES = ("prefill", "decode")
ROUNDS = (3, 7)
"""At least and at most so many; in between as many as the latency asks for."""
STEPS = 8
"""Decoded tokens a round: shares hardly depend on how many."""
CALIBRATION_CALLS = 2000


@dataclass(frozen=True)
class HookCost:
    """Seconds that a wrapper adds to its own module's time, and to the time of what is around it."""

    inside: float = 0.0
    outside: float = 0.0

    @property
    def total(self) -> float:
        return self.inside + self.outside


@dataclass
class Tally:
    """What a part took in a phase: seconds of its own, its calls, and the timed calls directly inside it."""

    seconds: float = 0.0
    calls: int = 0
    children: int = 0


@dataclass
class Clock:
    """Collects the time of wrapped forwards. The first forward of the whole model is the prefill, the others decode."""

    now: Callable[[], float] = time.perf_counter
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    forwards: int = 0
    inside: float = 0.0
    children: int = 0

    @property
    def phase(self) -> str:
        return "prefill" if self.forwards <= 1 else "decode"

    def wrap(self, forward: Callable[..., Any], part: str, *, whole: bool = False) -> Callable[..., Any]:
        """The same function, timed; `whole` is the model's own forward."""

        @functools.wraps(forward)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if whole:
                self.forwards += 1
            around, siblings = self.inside, self.children
            self.inside, self.children = 0.0, 0
            started = self.now()
            output = forward(*args, **kwargs)
            elapsed = self.now() - started
            tally = self.tallies.setdefault((self.phase, part), Tally())
            tally.seconds += elapsed - self.inside
            tally.calls += 1
            tally.children += self.children
            self.inside, self.children = around + elapsed, siblings + 1
            return output

        return timed


def clock_of(device: torch.device) -> Callable[[], float]:
    """A clock that waits for the device."""
    if device.type == "cpu":
        return time.perf_counter

    def now() -> float:
        synchronise(device)
        return time.perf_counter()

    return now


def hook_cost(now: Callable[[], float] = time.perf_counter) -> HookCost:
    """What a wrapper costs, from many calls of a function that does nothing, bare and wrapped."""

    def nothing() -> None:
        return None

    def seconds(function: Callable[[], None]) -> float:
        started = now()
        for _ in range(CALIBRATION_CALLS):
            function()
        return (now() - started) / CALIBRATION_CALLS

    clock = Clock(now)
    wrapped = clock.wrap(nothing, SMALL)
    seconds(wrapped)
    clock.tallies.clear()
    bare, around = seconds(nothing), seconds(wrapped)
    inside = max(0.0, clock.tallies["prefill", SMALL].seconds / CALIBRATION_CALLS - bare)
    return HookCost(inside, max(0.0, around - bare - inside))


class Kernels(TorchFunctionMode):
    """Collects the time inside of PyTorch's functions, by phase; a format's product counts as one of them."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self.now, self.forwards, self.inside = now, 0, False
        self.seconds = dict.fromkeys(PHASES, 0.0)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return self.timed(func, args, kwargs or {})

    def timed(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call whose time is that of a kernel, unless it is made inside of another one."""
        if self.inside:
            return func(*args, **kwargs)
        self.inside = True
        started = self.now()
        try:
            return func(*args, **kwargs)
        finally:
            self.seconds[PHASES[self.forwards > 1]] += self.now() - started
            self.inside = False

    def kernel(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        """The function as one kernel, whatever it is made of."""
        return lambda *args, **kwargs: self.timed(forward, args, kwargs)

    def whole(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        """The model's own forward: the first is the prefill, the others decode."""

        @functools.wraps(forward)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.forwards += 1
            return forward(*args, **kwargs)

        return counted


def kernel_seconds(model: nn.Module, prompt_BT: Tensor, steps: int, now: Callable[[], float]) -> dict[str, float]:
    """Seconds of one run that are spent inside of kernels, by phase."""
    kernels = Kernels(now)
    wrappers: dict[nn.Module, Callable[[Forward], Forward]] = {model: kernels.whole}
    wrappers |= {module: kernels.kernel for module in model.modules() if isinstance(module, FormattedLinear)}
    with replaced_forwards(wrappers), kernels:
        run_once(model, prompt_BT, steps)
    return kernels.seconds


def parts_of(model: nn.Module, anatomy: Anatomy, targets: Sequence[str]) -> dict[str, str]:
    """The part of every module that is timed, by its path; the others are the framework's."""
    linear = {matrix.module: HEAD if matrix.shape.group == "lm_head" else OTHER for matrix in anatomy.matrices}
    attention = {
        matrix.module.rpartition(".")[0] for matrix in anatomy.matrices if matrix.shape.group == "attention_linear"
    }
    found = {}
    for path, module in model.named_modules():
        if path in targets:
            found[path] = TARGET
        elif path in linear:
            found[path] = linear[path]
        elif path in attention:
            found[path] = ATTENTION
        elif path and not any(True for _ in module.children()) and not is_linear(module):
            found[path] = SMALL
    return found


@contextmanager
def replaced_forwards(
    wrappers: Mapping[nn.Module, Callable[[Callable[..., Any]], Callable[..., Any]]],
) -> Iterator[None]:
    """Modules with their forwards wrapped; as they were afterwards."""
    before = {module: module.__dict__.get("forward") for module in wrappers}
    try:
        for module, wrap in wrappers.items():
            module.forward = wrap(module.forward)
        yield
    finally:
        for module, own in before.items():
            if own is None:
                module.__dict__.pop("forward", None)
            else:
                module.forward = own


def timed_modules(model: nn.Module, parts: dict[str, str], clock: Clock) -> AbstractContextManager[None]:
    """The model with the forwards of its parts and its own wrapped."""
    own = {model: functools.partial(clock.wrap, part=FRAMEWORK, whole=True)}
    return replaced_forwards(
        own | {model.get_submodule(path): functools.partial(clock.wrap, part=part) for path, part in parts.items()}
    )


@dataclass(frozen=True)
class PhaseProfile:
    """
    Seconds of every part in each round, (R,), whose sum is `wrapped`; `bare` is the same without any wrapper, and
    `kernels` what of it is spent inside of PyTorch's functions and formats' products.
    """

    parts: dict[str, NDArray[np.float64]]
    wrapped: NDArray[np.float64]
    bare: NDArray[np.float64]
    kernels: NDArray[np.float64]

    def share(self, part: str) -> NDArray[np.float64]:
        return self.parts[part] / self.wrapped

    @property
    def closure(self) -> NDArray[np.float64]:
        return self.wrapped / self.bare

    @property
    def python(self) -> NDArray[np.float64]:
        """The share outside of all kernels; none where a noisy round has longer kernels than the whole."""
        return np.maximum(0.0, 1 - self.kernels / self.bare)


def split(clock: Clock, phase: str, seconds: float, cost: HookCost) -> dict[str, float]:
    """Seconds of every part of one phase that took `seconds` in all, without the wrappers' cost."""
    tallies = {part: clock.tallies.get((phase, part), Tally()) for part in PARTS}
    net = seconds - cost.total * sum(each.calls for each in tallies.values())
    own = {
        part: max(0.0, each.seconds - cost.inside * each.calls - cost.outside * each.children)
        for part, each in tallies.items()
        if part != FRAMEWORK
    }
    return own | {FRAMEWORK: net - sum(own.values())}


def profile_round(
    model: nn.Module, parts: dict[str, str], prompt_BT: Tensor, steps: int, cost: HookCost, now: Callable[[], float]
) -> dict[str, tuple[dict[str, float], float, float]]:
    """By phase: seconds of every part in one wrapped run, the seconds of one bare run, and those inside of kernels."""
    bare = run_once(model, prompt_BT, steps)
    kernels = kernel_seconds(model, prompt_BT, steps, now)
    clock = Clock(now)
    with timed_modules(model, parts, clock):
        wrapped = run_once(model, prompt_BT, steps)
    scale = {"prefill": 1, "decode": steps}
    return {
        phase: (split(clock, phase, wrapped[place] * scale[phase], cost), bare[place] * scale[phase], kernels[phase])
        for place, phase in enumerate(PHASES)
        if scale[phase]
    }


def gather(rounds: Sequence[dict[str, tuple[dict[str, float], float, float]]]) -> dict[str, PhaseProfile]:
    """The rounds of one model, by phase."""
    found = {}
    for phase in rounds[0]:
        parts = {part: np.array([each[phase][0][part] for each in rounds]) for part in PARTS}
        bare, kernels = (np.array([each[phase][place] for each in rounds]) for place in (1, 2))
        found[phase] = PhaseProfile(parts, np.sum(list(parts.values()), axis=0), bare, kernels)
    return found


@dataclass(frozen=True)
class PairProfile:
    """Where the time of a variant and of dense goes, by phase, and what stands behind a waterfall."""

    setting: Setting
    variant: dict[str, PhaseProfile]
    dense: dict[str, PhaseProfile]
    products: dict[str, ProductTimes]
    """The sparse products alone beside the dense ones; empty for dense itself."""
    variant_bytes: int
    dense_bytes: int
    """Of the targeted layers' weights."""
    cost: HookCost

    def samples(self) -> dict[str, Any]:
        """Raw seconds of every round, for the cell's detail file."""
        at = f"b{self.setting.batch}_p{self.setting.prompt}"
        return {
            f"profile_{phase}_{at}": {
                "variant": {part: values.tolist() for part, values in self.variant[phase].parts.items()},
                "dense": {part: values.tolist() for part, values in self.dense[phase].parts.items()},
                "variant_bare": self.variant[phase].bare.tolist(),
                "dense_bare": self.dense[phase].bare.tolist(),
                "variant_kernels": self.variant[phase].kernels.tolist(),
                "dense_kernels": self.dense[phase].kernels.tolist(),
            }
            for phase in self.variant
        }


def weight_bytes(model: nn.Module, paths: Sequence[str]) -> int:
    """Bytes of the targeted layers as they are held, biases apart."""
    total = 0
    for path in paths:
        module = model.get_submodule(path)
        tensors = [module.get_parameter("weight")] if "weight" in module._parameters else list(module.buffers())
        total += stored_bytes(*tensors)
    return total


def profile_pair(
    variant: nn.Module, dense: nn.Module, anatomy: Anatomy, targets: Sequence[str], prompt_BT: Tensor, setting: Setting
) -> PairProfile:
    """A few rounds of variant and dense, bare and wrapped in turn, and their products alone."""
    steps = min(setting.longest, STEPS)
    count = min(max(setting.runs, ROUNDS[0]), ROUNDS[1])
    now = clock_of(prompt_BT.device)
    cost = hook_cost(now)
    models = {"dense": dense} if variant is dense else {"variant": variant, "dense": dense}
    parts = {name: parts_of(model, anatomy, targets) for name, model in models.items()}
    rounds: dict[str, list[Any]] = {name: [] for name in models}
    for _ in range(count + 1):
        for name, model in models.items():
            rounds[name].append(profile_round(model, parts[name], prompt_BT, steps, cost, now))
    profiles = {name: gather(found[1:]) for name, found in rounds.items()}
    tokens = {"prefill": setting.batch * setting.prompt, "decode": setting.batch}
    alone = {
        phase: products.time_products(variant, dense, targets, tokens[phase], count)
        for phase in profiles["dense"]
        if variant is not dense
    }
    return PairProfile(
        setting,
        profiles.get("variant", profiles["dense"]),
        profiles["dense"],
        alone,
        weight_bytes(variant, targets),
        weight_bytes(dense, targets),
        cost,
    )
