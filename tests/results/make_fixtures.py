"""
Write the hand-made results that reports are tested on: `python tests/results/make_fixtures.py [FOLDER]`.

Every study here is invented and its title says so. The byte and parameter counts are true arithmetic.
"""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import Any

from invented import (
    BITMASK,
    CSR,
    CSR_64,
    DENSE,
    MASKED,
    NM,
    SMOLLM2,
    TINY_OPT,
    Blueprint,
    behaviour,
    calibration,
    cell,
    counted,
    diverged,
    errors,
    latency,
    measured,
    model_record,
    node,
    overlap,
    prune,
    sparsities,
    structure,
    timed,
)
from invented_study import CALIBRATED_ENTRIES, CALIBRATED_QUANTITIES, ENTRIES, calibration_record, study
from invented_texts import two_texts

from sparsity_report.contracts import AttentionShape
from sparsity_report.hardware import machines, project
from sparsity_report.results.model import (
    Alert,
    CellRecord,
    CheckRecord,
    EntryRecord,
    Fallback,
    MachineRecord,
    Measurement,
    NodeRecord,
    OverlapRecord,
    ReadRate,
    Results,
    SensitivityRecord,
    StageRecord,
)

UNPACKED = Fallback(what="unpacked", why="no kernel for N:M on this CPU: weights are unpacked at every call", count=30)
WINDOWS = ((1, 128),)


def leaf_check(error: float) -> Measurement:
    return measured("max_abs_logit_difference", error, "", 0, "lower").model_copy(update={"conditions": {}})


ATTENTION = AttentionShape(heads=5, kv_heads=5, head_dim=32, kept=(None,) * 5)
HERE = MachineRecord(
    name="this",
    title="an invented processor",
    kind="measured here",
    bandwidth=20e9,
    memory_bytes=8 * 1024**3,
    peak={"float32": 1e11},
    source="measured in this study, medians of 7 rounds, 2 threads",
    read_rates=(
        ReadRate(bytes=2**20, bytes_per_s=80e9, ci=(78e9, 82e9)),
        ReadRate(bytes=2**26, bytes_per_s=20e9, ci=(19e9, 21e9)),
    ),
    price_per_hour=0.05,
    currency="USD",
)
PI, A100 = (machines.known()[name] for name in ("raspberry-pi-5", "a100-80gb"))
SHARES = {"target_linear": 0.5, "attention": 0.2, "lm_head": 0.05, "norm_activation": 0.1, "framework": 0.15}


def profiled(anchor: str, made: CellRecord, slower: float, point: dict[str, Any]) -> tuple[Measurement, ...]:
    """Made-up shares whose layers are slower or faster than dense by a factor, and the steps that follow from them."""
    layers = slower if not made.is_reference else 1.0
    whole = 0.5 + 0.5 * layers
    found: list[Measurement] = []
    for phase in ("prefill", "decode"):
        at = {**point, "phase": phase}
        for part, share in SHARES.items():
            own = share * layers if part == "target_linear" else share
            found.append(timed("time_share", own / whole, 0.02, None, **at, part=part))
        found.append(timed("profile_closure", 1.01, 0.02, None, **at))
        found.append(timed("python_share", 0.3 / whole, 0.02, None, **at))
        if made.is_reference:
            found.append(timed("amdahl_limit", 2.0, 0.02, None, **at).model_copy(update={"kind": "modelled"}))
            continue
        size = made.value("stored_bytes", over="target") or 1
        found += [
            counted("bytes_gain", TINY_OPT.weights * 4 / size, "1", "higher", **at),
            timed("product_gain", 1.1 / layers, 0.03, anchor, **at),
            timed("layer_gain", 1 / layers, 0.03, anchor, **at),
            timed("amdahl_gain", 1 / whole, 0.03, None, **at).model_copy(update={"kind": "modelled"}),
        ]
    return tuple(found)


PROJECTED_ENTRIES = (
    *ENTRIES,
    EntryRecord(
        kind="metric", name="profile", summary="shares of the time", cite="amdahl1967validity",
        equation=r"R \leq 1 / (1 - f + f / R_l)",
        spoken="the speed-up is at most one over one minus f plus f over the layers' speed-up",
    ),
    EntryRecord(
        kind="metric", name="roofline", summary="bounds on the time", cite="williams2009roofline",
        equation=r"t \geq \max(Q / \beta, F / \pi)", spoken="the time is at least the larger of two quotients",
    ),
)  # fmt: skip


def damage(entry: str, sparsity: float) -> float:
    """How much a made-up method hurts at a sparsity."""
    return (sparsity / {"magnitude": 0.72, "random": 0.42, "wanda": 0.82, "sparsegpt": 0.86}[entry]) ** 2.6


def pruned(entry: str, sparsity: float, form: Any, model: Blueprint = TINY_OPT, more: Any = (), **words: Any) -> Any:
    share = 1.0 if entry == "random" else 0.9
    metrics = (*structure(model, form, sparsity, share), *behaviour(model, damage(entry, sparsity)), *more)
    return cell(model, (prune(entry, sparsity),), form, metrics, **words)


def course() -> Results:
    """The quickstart's shape: one small model, a sweep, the course study's variants, random pruning, and 2:4."""
    seconds, floor = 0.021, latency(None, 0.021, 1, *WINDOWS)
    dense = cell(
        TINY_OPT, (), DENSE, (*structure(TINY_OPT, DENSE, 0), *behaviour(TINY_OPT, 0), *floor), variant="dense"
    )
    cells = [dense]
    for percent in range(10, 100, 10):
        timing = latency(dense.id, seconds, 1.004, *WINDOWS) if percent == 30 else ()
        cells.append(pruned("magnitude", percent / 100, MASKED, more=timing, variant="sweep"))
    for percent, slower in ((30, 3.1), (50, 2.4), (70, 1.6)):
        timing = (*latency(dense.id, seconds, slower, *WINDOWS), leaf_check(3.1e-5))
        cells.append(pruned("magnitude", percent / 100, CSR, more=timing, variant="course"))
    cells += [pruned("random", percent / 100, MASKED, variant="control") for percent in (30, 50)]
    stages, hurt = (prune("magnitude", pattern="2:4"),), behaviour(TINY_OPT, 0.62)
    for form, slower, fallbacks in ((MASKED, 0.997, ()), (NM, 1.35, (UNPACKED,))):
        metrics = (*structure(TINY_OPT, form, 0.5), *hurt, *latency(dense.id, seconds, slower, *WINDOWS))
        if form is NM:
            metrics += (leaf_check(2.4e-6),)
        cells.append(cell(TINY_OPT, stages, form, metrics, variant="two-of-four", fallbacks=fallbacks))
    checks = (
        CheckRecord(
            what="CSR executes the same function as masked",
            origin="contract",
            expected="at most 0.001",
            observed="0.000031",
            verdict="pass",
            cells=(cells[10].id,),
            metric="max_abs_logit_difference",
        ),
        CheckRecord(
            what="CSR at 30 % is smaller than dense",
            source="Seminar 1",
            expected="below 1",
            verdict="miss",
            observed="1.40",
            cells=(cells[10].id,),
            metric="stored_bytes",
        ),
    )
    return study("Unstructured sparsification of a small OPT (invented numbers)", cells, slug="course", checks=checks)


def pipeline_cells(model: Blueprint, prefix: str) -> list[CellRecord]:
    """Prune, train, quantize: three stages in one node, stored as a bitmask."""
    stages = (
        prune("sparsegpt", 0.5),
        StageRecord(op="train", entry="lora", params={"steps": 200, "rank": 8}, seed=3),
        StageRecord(op="quantize", entry="gptq", params={"bits": 4, "group_size": 128}),
    )
    if model is SMOLLM2:
        return [
            cell(
                model,
                stages,
                BITMASK,
                status="failed",
                prefix=prefix,
                variant="prune–train–quantize",
                reason="RuntimeError: not enough memory: 2.1 GB wanted for <gram> & its inverse",
            )
        ]
    metrics = (*structure(model, BITMASK, 0.5), *behaviour(model, 0.31))
    retry = Fallback(what="Cholesky retried with 10 % more damping", why="the Gram matrix was singular", count=3)
    return [cell(model, stages, BITMASK, metrics, variant="prune–train–quantize", prefix=prefix, fallbacks=(retry,))]


def replicates(model: Blueprint, prefix: str) -> list[CellRecord]:
    """One random variant under three seeds."""
    cells = []
    for replicate in (0, 1, 2):
        hurt = behaviour(model, damage("random", 0.3) * (1 + 0.05 * replicate))
        metrics, stages = (*structure(model, MASKED, 0.3), *hurt), (prune("random", 0.3, seed=replicate),)
        name = "random & replicated"
        cells.append(cell(model, stages, MASKED, metrics, replicate=replicate, prefix=prefix, variant=name))
    return cells


def misfits(model: Blueprint, prefix: str) -> list[CellRecord]:
    """A cell that diverged and one that this machine cannot execute."""
    metrics = (*structure(model, MASKED, 0.9), *diverged(model))
    reason = "perplexity is not finite in 4 of 32 windows"
    lost = cell(model, (prune("magnitude", 0.9),), MASKED, metrics, status="diverged", reason=reason, prefix=prefix)
    stages = (prune("magnitude", pattern="2:4"),)
    reason = "semi-structured kernels need CUDA ≥ 8.0; this is a CPU"
    form = structure(model, NM, 0.5)
    return [lost, cell(model, stages, NM, form, status="not_executed", reason=reason, prefix=prefix)]


def hard_model(model: Blueprint) -> list[CellRecord]:
    """Every status, replicates, and timings over batch × prompt."""
    prefix, points = model.id, ((1, 32), (1, 128), (8, 32), (8, 128))
    seconds = 0.02 if model is TINY_OPT else 0.8
    metrics = (*structure(model, DENSE, 0), *behaviour(model, 0), *latency(None, seconds, 1, *points))
    dense = cell(model, (), DENSE, metrics, variant="dense", prefix=prefix)
    cells = [dense]
    for percent in (30, 50, 70):
        for entry in ("magnitude", "wanda"):
            cells.append(pruned(entry, percent / 100, MASKED, model, prefix=prefix))
    for form, slower in ((CSR, 1.4), (CSR_64, 1.7), (BITMASK, 0.83)):
        timing = latency(dense.id, seconds, slower, *points)
        cells.append(pruned("magnitude", 0.7, form, model, more=timing, prefix=prefix))
    return [*cells, *replicates(model, prefix), *misfits(model, prefix), *pipeline_cells(model, prefix)]


def hardest() -> Results:
    """Two models, one de-quantised; three stages; all statuses and verdicts; text that needs escaping."""
    cells = hard_model(TINY_OPT) + hard_model(SMOLLM2)
    checks = tuple(
        CheckRecord(
            what=f"a claim that ends as “{verdict}” <&>",
            source="Table 1 & Abb. 2",
            expected="0.60 to 0.70",
            observed=observed,
            verdict=verdict,
            cells=(cells[7].id,),
            metric="stored_bytes",
            origin=origin,
            on_miss=on_miss,
        )
        for verdict, observed, origin, on_miss in (
            ("pass", "0.61", "expect", "report"),
            ("miss", "1.40 × dense", "published", "fail"),
            ("undecided", "0.58 to 0.63", "expect", "report"),
            ("cannot_check", "the cell failed", "contract", "fail"),
        )
    )
    alerts = (
        Alert(text="1 cell failed and 2 diverged <script>alert(1)</script>", cells=(cells[-1].id,)),
        Alert(level="note", text="Timings are from a machine with load 2.7 on 2 cores."),
    )
    words = {
        "abstract": "",
        "discussion": "The author’s own words: *why* 2:4 < 50 %? See $x$ & `code`.",
        "instructor": "Prof. Ü. Ñandú",
        "course": "Σ-Compilers",
        "layout": "two-column",
    }
    title = "Größe & Güte: does <b>pruning</b> 50 % of “everything” pay? α ≤ β (invented numbers)"
    return study(
        title, cells, (TINY_OPT, SMOLLM2), slug="hardest", checks=checks, alerts=alerts, words=words, quick=True
    )


def every_cell_failed() -> Results:
    reason = "RuntimeError: the model’s weights contain NaN"
    stages = ((), (prune("magnitude", 0.3),), (prune("magnitude", 0.3),))
    cells = [
        cell(TINY_OPT, each, form, status="failed", reason=reason)
        for each, form in zip(stages, (DENSE, MASKED, CSR), strict=True)
    ]
    return study(
        "A study in which every cell failed (invented numbers)",
        cells,
        slug="every-cell-failed",
        alerts=(Alert(text="All 3 cells failed."),),
    )


def nan_perplexity() -> Results:
    cells = [cell(TINY_OPT, (), DENSE, (*structure(TINY_OPT, DENSE, 0), *behaviour(TINY_OPT, 0)), variant="dense")]
    cells.append(pruned("magnitude", 0.3, MASKED))
    for sparsity in (0.5, 0.7):
        metrics = (*structure(TINY_OPT, MASKED, sparsity), *diverged(TINY_OPT))
        cells.append(
            cell(
                TINY_OPT,
                (prune("magnitude", sparsity),),
                MASKED,
                metrics,
                status="diverged",
                reason="perplexity is not finite",
            )
        )
    return study("A study whose perplexity is not finite (invented numbers)", cells, slug="nan-perplexity")


def csr_larger_everywhere() -> Results:
    cells = [cell(TINY_OPT, (), DENSE, (*structure(TINY_OPT, DENSE, 0), *behaviour(TINY_OPT, 0)), variant="dense")]
    for sparsity in (0.1, 0.2, 0.3, 0.4):
        cells.append(pruned("magnitude", sparsity, MASKED))
        cells += [pruned("magnitude", sparsity, form, more=(leaf_check(4e-5),)) for form in (CSR, CSR_64)]
    return study(
        "CSR that is larger than dense at every sparsity (invented numbers)", cells, slug="csr-larger-everywhere"
    )


CALIBRATED = ("wanda", "sparsegpt")
SEEDS = (0, 1, 2)
HARM = {"magnitude": 1.0, "random": 2.4, "wanda": 0.62, "sparsegpt": 0.5}
ERROR = {"magnitude": 0.35, "random": 0.9, "wanda": 0.2, "sparsegpt": 0.11}
PATTERNS = {"2:4": (0.5, 0.62), "4:8": (0.5, 0.55)}
"""Sparsity and made-up damage of magnitude pruning in a pattern."""
DEAD = Fallback(what="dead columns", why="inputs that are zero on every calibration token", count=4)
RETRY = Fallback(what="Cholesky retries with more damping", why="the Gram matrix was not positive definite", count=2)
FALLBACKS = {"sparsegpt": (DEAD, RETRY), "wanda": (DEAD,)}


def asked(model: Blueprint) -> list[tuple[StageRecord, str, float]]:
    """Every pruned state of the calibrated study: its stage, how its zeros are spread, and its made-up damage."""
    found: list[tuple[StageRecord, str, float]] = []
    for sparsity in (0.3, 0.5, 0.7):
        hurt = (sparsity / 0.72) ** 2.6
        found.append((prune("magnitude", sparsity, scope="layer"), "uniform", hurt * 1.1))
        found.append((prune("magnitude", sparsity), "global", hurt))
        found.append((prune("random", sparsity, scope="layer", seed=5), "uniform", hurt * HARM["random"]))
        for entry in CALIBRATED:
            scope = {"wanda": "row", "sparsegpt": "layer"}[entry]
            for seed in SEEDS:
                stage = prune(entry, sparsity, scope=scope, **calibration(seed), **own_params(entry))
                found.append((stage, "uniform", hurt * HARM[entry] * (1 + 0.02 * seed)))
    for pattern, (_, hurt) in PATTERNS.items():
        found.append((prune("magnitude", pattern=pattern), "uniform", hurt))
        for entry in CALIBRATED:
            stage = prune(entry, pattern=pattern, **calibration(0), **own_params(entry))
            found.append((stage, "uniform", hurt * HARM[entry] * (0.7 if entry == "wanda" else 1)))
    for sparsity in (0.5, 0.7):
        stage = prune(
            "wanda", sparsity, scope="row", allocation={"use": "owl", "outlier": 5, "spread": 0.08}, **calibration(0)
        )
        found.append((stage, "blocks", (sparsity / 0.72) ** 2.6 * 0.5))
    found.append((prune("wanda", pattern="2:4", permute=True, **calibration(0)), "uniform", 0.2))
    found.append((prune("sparsegpt", 0.5, scope="layer", within_block="in-order", **calibration(0)), "uniform", 0.17))
    for sparsity, hurt in ((0.1, 0.5), (0.3, 1.2)):
        found.append((prune("magnitude", sparsity, "row", "layer"), "uniform", hurt * 1.2))
        found.append((prune("wanda", sparsity, "column", "block", **calibration(0)), "blocks", hurt))
        found.append((prune("magnitude", sparsity, "block:4x4", "layer"), "uniform", hurt * 0.5))
    return found


def own_params(entry: str) -> dict[str, Any]:
    return {"block_size": 128, "damping": 0.01} if entry == "sparsegpt" else {}


def asked_sparsity(stage: StageRecord) -> float:
    return float(stage.params.get("sparsity", 0.5))


def seed_of(stage: StageRecord) -> int:
    return int(stage.params.get("calibration", {}).get("seed", 0))


def calibrated_cell(model: Blueprint, stage: StageRecord, spread: str, hurt: float, form: Any) -> CellRecord:
    """A pruned state in a format, with what pruning cost and a ratio to dense of paired windows."""
    sparsity, seed = asked_sparsity(stage), seed_of(stage)
    quality = behaviour(model, hurt)
    ratio = (quality[0].value or 0) / model.perplexity
    seconds = timed("prune_seconds", {"sparsegpt": 9.4, "wanda": 3.1}.get(stage.entry, 0.2) + 0.1 * seed, 0, None)
    memory = timed("prune_memory_bytes", 3.1e8 + 4e6 * seed, 0, None)
    metrics = [
        *structure(model, form, sparsity, 0.9 if spread == "global" else 1.0),
        *quality,
        measured("perplexity_ratio", ratio, "1", 0.012 * ratio, "lower"),
        seconds.model_copy(update={"unit": "s", "direction": "lower", "n": None}),
        memory.model_copy(update={"unit": "B", "direction": "lower", "n": None}),
    ]
    if stage.entry != "random":
        error = measured("reconstruction_error", pooled_error(stage), "1", 0, "lower")
        metrics.append(error.model_copy(update={"conditions": {}, "n": 4096}))
    fallbacks = FALLBACKS.get(stage.entry, ())
    return cell(model, (stage,), form, tuple(metrics), replicate=seed, variant="methods", fallbacks=fallbacks)


def pooled_error(stage: StageRecord) -> float:
    return float(f"{ERROR[stage.entry] * asked_sparsity(stage) ** 2 * (1 + 0.03 * seed_of(stage)):.4g}")


def calibrated_node(model: Blueprint, stage: StageRecord, spread: str) -> NodeRecord:
    share = 0.9 if spread == "global" else 1.0
    found = sparsities(model, asked_sparsity(stage), spread, share)
    wanted = found if stage.params.get("scope") not in ("global", "block") else ()
    error = errors(model, pooled_error(stage)) if stage.entry != "random" else ()
    fallbacks = FALLBACKS.get(stage.entry, ())
    return node(model, (stage,), found, error, requested=wanted, replicate=seed_of(stage), fallbacks=fallbacks)


LIKENESS = {
    frozenset(("magnitude", "wanda")): 0.61,
    frozenset(("magnitude", "sparsegpt")): 0.42,
    frozenset(("wanda", "sparsegpt")): 0.55,
}


def overlaps(nodes: list[NodeRecord]) -> tuple[OverlapRecord, ...]:
    """Every pair of equal pattern and sparsity of the methods' plain states; two seeds of one method as well."""
    plain = [each for each in nodes if not {"allocation", "permute", "within_block"} & set(each.stages[0].params)]
    found = []
    for place, first in enumerate(plain):
        for second in plain[place + 1 :]:
            one, other = first.stages[0], second.stages[0]
            if any(one.params.get(key) != other.params.get(key) for key in ("pattern", "sparsity")):
                continue
            same = one.entry == other.entry
            if same and one.entry in CALIBRATED:
                likeness = 0.93
            elif (seed_of(one), seed_of(other)) != (0, 0) or one.params["pattern"] in ("row", "column", "block:4x4"):
                continue
            else:
                likeness = 0.8 if same else LIKENESS.get(frozenset((one.entry, other.entry)), 0.0)
            found.append(overlap(first, second, asked_sparsity(one), likeness))
    return tuple(found)


def sensitivity(model: Blueprint) -> SensitivityRecord:
    """The first and the last block hurt most; one value is not finite."""
    probes, blocks = (0.3, 0.5, 0.7), tuple(range(model.blocks))
    shape = [1.0 + 2.2 * math.exp(-block) + 0.5 * block / (model.blocks - 1) for block in blocks]
    rows = [[round(0.04 * each * (probe / 0.3) ** 2.4, 5) for probe in probes] for each in shape]
    return SensitivityRecord(
        model=model.id,
        method="wanda",
        sparsity=probes,
        blocks=blocks,
        nll_increase=tuple(
            tuple(None if (block, probe) == (0, 0.7) else each for each, probe in zip(row, probes, strict=True))
            for block, row in zip(blocks, rows, strict=True)
        ),
        tokens=4080,
        forward_equivalents=7.5,
    )


PUBLISHED = (
    ("magnitude at 50 %: perplexity over dense", "Frantar and Alistarh 2023, table 1", "7.0", "1.62", "miss"),
    ("wanda at 50 %: perplexity over dense", "Sun et al. 2024, table 22", "1.31 to 1.43", "1.36", "pass"),
    ("sparsegpt at 2:4: perplexity over dense", "Frantar and Alistarh 2023, table 6", "2.17", "–", "cannot_check"),
)


def calibrated(model: Blueprint = TINY_OPT) -> Results:
    """Methods that look at data, with seeds, allocation, unit patterns, and what they remove matrix by matrix."""
    dense = (*structure(model, DENSE, 0), *behaviour(model, 0))
    cells, nodes = [cell(model, (), DENSE, dense, variant="dense")], []
    for stage, spread, hurt in asked(model):
        both = stage.params.get("sparsity") == "0.5" and stage.params["pattern"] == "unstructured"
        forms = (MASKED, BITMASK) if both and "allocation" not in stage.params else (MASKED,)
        cells += [calibrated_cell(model, stage, spread, hurt, form) for form in forms]
        nodes.append(calibrated_node(model, stage, spread))
    checks = tuple(
        CheckRecord(what=what, source=source, origin="published", expected=wanted, observed=seen, verdict=verdict)
        for what, source, wanted, seen, verdict in PUBLISHED
    )
    return study(
        "Criteria that look at data (invented numbers)",
        cells,
        (model,),
        slug="calibrated",
        question="How much do calibration data and weight updates buy, and at which sparsity?",
        targets=True,
        calibration=[calibration_record(model, seed) for seed in SEEDS],
        entries=CALIBRATED_ENTRIES,
        quantities=CALIBRATED_QUANTITIES,
        nodes=tuple(nodes),
        overlaps=overlaps(nodes),
        sensitivity=(sensitivity(model),),
        checks=checks,
    )


def projected() -> Results:
    """A study with shares, waterfalls and machines: one timed point, three formats, one model."""
    floor = latency(None, 0.021, 1, *WINDOWS)
    point = {"batch": 1, "prompt": 128, "decode": 32}
    dense = cell(
        TINY_OPT, (), DENSE, (*structure(TINY_OPT, DENSE, 0), *behaviour(TINY_OPT, 0), *floor), variant="dense"
    )
    cells, targets = [], (HERE, PI, A100)
    model = model_record(TINY_OPT).model_copy(update={"attention_shape": ATTENTION})
    for form, sparsity, slower in ((DENSE, 0.0, 1.0), (MASKED, 0.5, 1.0), (CSR, 0.5, 2.4), (CSR, 0.9, 0.6)):
        made = (
            dense
            if form is DENSE
            else pruned("magnitude", sparsity, form, more=latency(dense.id, 0.021, slower, *WINDOWS))
        )
        size = made.value("stored_bytes", over="model") or 0
        flops = made.value("flops_per_token") or 0
        timed_records = profiled(dense.id, made, slower, point)
        work = (
            counted("weight_bytes", size, "B"),
            counted("prefill_bytes", size * 1.02, "B", **point), counted("prefill_flops", 128 * flops, "FLOP", **point),
            counted("decode_bytes", size * 1.01, "B", **point), counted("decode_flops", flops, "FLOP", **point),
        )  # fmt: skip
        made = made.model_copy(update={"metrics": (*made.metrics, *timed_records, *work)})
        bounds = project.records(made, model, targets, 256)
        cells.append(made.model_copy(update={"metrics": (*made.metrics, *bounds)}))
    made = study(
        "Where the time goes (invented numbers)", cells, slug="projected", entries=PROJECTED_ENTRIES, machines=targets
    )
    return made.model_copy(update={"models": (made.models[0].model_copy(update={"attention_shape": ATTENTION}),)})


STUDIES = (course, hardest, every_cell_failed, nan_perplexity, csr_larger_everywhere, calibrated, projected, two_texts)


def main(folder: Path) -> None:
    """Only what a study sets is written: that readers fill in the rest is part of the contract."""
    for each in STUDIES:
        made = each()
        text = made.model_dump_json(indent=1, exclude_unset=True)
        if made.nodes:  # long arrays of numbers, on one line each
            text = re.sub(r"\[\s+([-\d.,e\s]+?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text)
        (folder / f"{each.__name__}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "fixtures")
