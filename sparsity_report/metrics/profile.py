"""Where the time goes: shares of a forward, measured, and the steps from what bytes allow to what is gained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info, Quantity
from ..results.stats import bootstrap_median, bootstrap_shares
from ._record import record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..engine.profile import PairProfile
    from ..results.model import Condition, Measurement

LEVEL = "profile"
_INTERVAL = "median over rounds; 95 % bootstrap interval"
_HERE = "valid for this machine, its load and its threads"


def _speedup(name: str, definition: str, limits: str = _HERE) -> Quantity:
    return Quantity(name, "1", "measured", "timing", "higher", f"{definition}; {_INTERVAL}", limits)


INFO = Info(
    name="profile",
    summary="shares of linear layers, attention, head, norms and framework in the time of a forward, timed in place",
    equation=r"R_{\mathrm{model}} \;\leq\; \frac{1}{(1 - f) + f \,/\, R_{\mathrm{layers}}}",
    spoken="the model's speed-up is at most one over one minus f plus f over the layers' speed-up, where f is the "
    "share of the pruned layers in the dense time",
    cite="amdahl1967validity",
    quantities=(
        Quantity(
            "time_share",
            "1",
            "measured",
            "timing",
            "none",
            "median own time of a part over the sum of all parts' medians, from clocks around the modules inside a "
            "running model, their own cost taken off; framework is what is inside of no timed module; 95 % bootstrap "
            "interval over rounds",
            "attention is all of its module beside linear maps and norms, so it holds the Python between its kernels",
        ),
        Quantity(
            "python_share",
            "1",
            "measured",
            "timing",
            "lower",
            "share of a forward outside of PyTorch's functions and of formats' products: Python, wherever it is; "
            f"{_INTERVAL}",
            "what a PyTorch function does beside its kernel (dispatch, checks) is not in it",
        ),
        Quantity(
            "profile_closure",
            "1",
            "measured",
            "timing",
            "none",
            f"sum of the parts over the time of the same forward without clocks in it; {_INTERVAL}",
            "1 when the parts add up; what it is off by is the error of the shares",
        ),
        Quantity(
            "bytes_gain",
            "1",
            "counted",
            "exact",
            "higher",
            "dense bytes over the variant's bytes of the targeted weights: the speed-up where only reading takes time",
            "says nothing about kernels",
        ),
        _speedup(
            "product_gain",
            "dense over sparse time of one pass over the products of all targeted matrices alone, no bias, no module",
        ),
        _speedup("layer_gain", "dense over variant time of the targeted layers as the model calls them"),
        Quantity(
            "amdahl_gain",
            "1",
            "modelled",
            "timing",
            "higher",
            "what the layers' speed-up comes to for the whole forward, by the share that these layers have in the "
            f"dense time; {_INTERVAL}",
            "supposes that nothing else changes",
        ),
        Quantity(
            "amdahl_limit",
            "1",
            "modelled",
            "timing",
            "higher",
            f"the same if the targeted layers took no time at all; {_INTERVAL}",
            "supposes that nothing else changes",
        ),
    ),
)


def _timed(
    metric: str, values: NDArray[np.float64], conditions: dict[str, Condition], anchor: str | None = None
) -> Measurement:
    median, ci = bootstrap_median(values)
    return record(INFO, metric, median, conditions, ci=ci, n=len(values), anchor=anchor)


def shares(pair: PairProfile, phase: str, conditions: dict[str, Condition]) -> list[Measurement]:
    """The variant's own shares, and how well they add up; a part that the model does not have is left out."""
    profile = pair.variant[phase]
    parts = {part: seconds for part, seconds in profile.parts.items() if seconds.any()}
    count = len(profile.bare)
    found = [
        record(INFO, "time_share", value, {**conditions, "part": part}, ci=ci, n=count)
        for part, (value, ci) in zip(parts, bootstrap_shares(list(parts.values())), strict=True)
    ]
    whole = {"python_share": profile.python, "profile_closure": profile.closure}
    return found + [_timed(metric, values, conditions) for metric, values in whole.items()]


def measure(pair: PairProfile, conditions: dict[str, Condition], anchor: str, is_reference: bool) -> list[Measurement]:
    """Shares of every phase; of a variant also the steps of its waterfall, of dense what Amdahl's law leaves to win."""
    found: list[Measurement] = []
    for phase, dense in pair.dense.items():
        at = {**conditions, "phase": phase}
        found += shares(pair, phase, at)
        fraction = dense.share("target_linear")
        if is_reference:
            found.append(_timed("amdahl_limit", 1 / (1 - fraction), at))
            continue
        layers = dense.parts["target_linear"] / pair.variant[phase].parts["target_linear"]
        alone = pair.products[phase]
        found.append(record(INFO, "bytes_gain", pair.dense_bytes / pair.variant_bytes, at))
        found.append(_timed("product_gain", alone.dense / alone.variant, at, anchor))
        found.append(_timed("layer_gain", layers, at, anchor))
        found.append(_timed("amdahl_gain", 1 / (1 - fraction + fraction / layers), at, anchor))
    return found
