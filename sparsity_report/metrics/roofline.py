"""The least work of a forward, counted; and from it the shortest time, the fit and the cost on a machine, modelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contracts import Info, Quantity
from ._record import record

if TYPE_CHECKING:
    from ..engine.traffic import Traffic
    from ..results.model import Measurement

LEVEL = "traffic"
_WORK = "without activations, norms and softmax: the least that an execution moves and computes, not what this one does"
_BOUND = (
    "a bound from below, not a prediction: kernels, Python and irregular access take longer; work is counted as the "
    "format stores and executes it"
)


def _work(phase: str, forward: str) -> tuple[Quantity, ...]:
    return (
        Quantity(
            f"{phase}_bytes",
            "B",
            "counted",
            "exact",
            "lower",
            f"bytes that {forward} must move: stored weights once, the key-value cache, looked-up embeddings",
            _WORK,
        ),
        Quantity(
            f"{phase}_flops",
            "FLOP",
            "counted",
            "exact",
            "lower",
            f"operations of {forward}: linear maps as the format executes them, QKᵀ and AV; with the condition unit "
            "2:4, those of them that multiply 2:4 packed weights",
            _WORK,
        ),
    )


INFO = Info(
    name="roofline",
    summary="the shortest time that bytes and operations allow on a machine, whether the model fits, and what it costs",
    equation=r"t \;\geq\; \max\left( \frac{Q}{\beta} ,\; \frac{F}{\pi} \right)",
    spoken="the time is at least the larger of bytes over bandwidth and operations over peak",
    cite="williams2009roofline",
    quantities=(
        *_work("prefill", "a forward over the prompts"),
        *_work("decode", "a forward of one token a sequence, the mean over the decoded tokens"),
        Quantity(
            "weight_bytes",
            "B",
            "counted",
            "exact",
            "lower",
            "bytes of all parameters and buffers, which a machine must hold",
        ),
        Quantity(
            "prefill_bound_s",
            "s",
            "modelled",
            "exact",
            "lower",
            "seconds that a prefill takes at least on the named machine",
            _BOUND,
        ),
        Quantity(
            "decode_bound_s",
            "s",
            "modelled",
            "exact",
            "lower",
            "seconds that a decoded token takes at least on the named machine",
            _BOUND,
        ),
        Quantity(
            "sequences_fit",
            "1",
            "modelled",
            "exact",
            "higher",
            "sequences of the stated context whose key-value caches fit beside the weights into the machine's memory",
            "without activations, the framework's own memory and the operating system",
        ),
        Quantity(
            "cost_per_million_tokens",
            "currency",
            "modelled",
            "exact",
            "lower",
            "the spec's price per hour for a million tokens at the modelled bound",
            "at least so much: the bound is the fastest possible, and the price is the spec's",
        ),
    ),
)


def measure(traffic: Traffic) -> list[Measurement]:
    """What a variant moves and computes at every point of the latency grid, and the bytes that it holds."""
    found = [record(INFO, "weight_bytes", traffic.weight_bytes)]
    for point in traffic.points:
        at = dict(point.conditions)
        found.append(record(INFO, f"{point.phase}_bytes", point.work.bytes, at))
        found.append(record(INFO, f"{point.phase}_flops", point.work.flops, at))
        if point.work.flops_2_4:
            found.append(record(INFO, f"{point.phase}_flops", point.work.flops_2_4, {**at, "unit": "2:4"}))
    return found
