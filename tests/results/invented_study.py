"""What every hand-written study shares: its words, its registry entries, its machine. All of it is invented."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from invented import CORPUS, CSR, CSR_64, MASKED, TINY_OPT, TOKENS, Blueprint, curve, model_record, nm_curve

from sparsity_report.results.model import (
    Author,
    CellRecord,
    DataRecord,
    EntryRecord,
    EnvironmentRecord,
    QuantityRecord,
    Results,
    SpecRecord,
    StudyRecord,
    ToolRecord,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

ENTRIES = (
    EntryRecord(
        kind="method",
        name="magnitude",
        summary="remove the weights of smallest absolute value",
        equation=r"S_{ij} = |W_{ij}|",
        spoken="the score of weight i j is its absolute value",
        cite="han2015learning",
    ),
    EntryRecord(
        kind="method",
        name="random",
        summary="remove weights at random",
        equation=r"S_{ij} \sim \mathcal{U}(0, 1)",
        spoken="the score of weight i j is drawn uniformly between zero and one",
        cite="gale2019state",
    ),
    EntryRecord(kind="format", name="masked", summary="zeros in place, dense kernels"),
    EntryRecord(
        kind="format",
        name="csr",
        summary="compressed sparse rows",
        cite="saad2003iterative",
        equation=r"B_{\mathrm{CSR}} = \mathrm{nnz}\,(b_v + b_i) + (O + 1)\,b_i",
        spoken="bytes are non-zeros times value and index bytes, plus rows plus one times index bytes",
    ),
    EntryRecord(
        kind="format", name="nm", summary="N values of every M with their positions", cite="mishra2021accelerating"
    ),
    EntryRecord(kind="metric", name="storage", summary="bytes of every stored tensor"),
    EntryRecord(kind="metric", name="agreement", summary="top-1 agreement with the dense model"),
    EntryRecord(
        kind="metric",
        name="divergence",
        summary="Kullback-Leibler divergence from the dense model",
        cite="kullback1951information",
    ),
    EntryRecord(kind="metric", name="perplexity", summary="perplexity on held-out text", cite="jelinek1977perplexity"),
    EntryRecord(kind="corpus", name=CORPUS, summary="help topics of the Python standard library", cite="python_topics"),
)

QUANTITIES = tuple(
    QuantityRecord(
        name=name,
        family=family,
        unit=unit,
        kind=kind,
        noise=noise,
        direction=direction,
        definition=definition,
        limits=limits,
    )
    for name, family, unit, kind, noise, direction, definition, limits in (
        (
            "stored_bytes",
            "storage",
            "B",
            "counted",
            "exact",
            "lower",
            "bytes of all stored tensors, indices and pointers included",
            "not the size of a file on disk",
        ),
        ("sparsity", "sparsity", "1", "counted", "exact", "none", "zeros over all parameters", ""),
        ("sparsity_target", "sparsity", "1", "counted", "exact", "none", "zeros over the targeted matrices", ""),
        ("parameter_fraction", "sparsity", "1", "counted", "exact", "none", "a group's share of the parameters", ""),
        (
            "flops_per_token",
            "flops",
            "FLOP",
            "counted",
            "exact",
            "lower",
            "two operations a multiplied weight of the linear maps",
            "says nothing about time",
        ),
        (
            "agreement_top1",
            "agreement",
            "1",
            "measured",
            "float",
            "higher",
            "share of positions at which both models rank the same token first",
            "blind to confidence",
        ),
        (
            "kl_divergence",
            "divergence",
            "nat",
            "measured",
            "float",
            "lower",
            "mean divergence of the variant's distribution from the dense one",
            "depends on the text",
        ),
        (
            "perplexity",
            "perplexity",
            "1",
            "measured",
            "float",
            "lower",
            "exponential of the mean negative log likelihood",
            "comparable within one protocol only",
        ),
        (
            "prefill_latency_s",
            "latency",
            "s",
            "measured",
            "timing",
            "lower",
            "median time of one forward over the prompt",
            "valid for this machine",
        ),
        (
            "decode_latency_s",
            "latency",
            "s",
            "measured",
            "timing",
            "lower",
            "median time of one token",
            "valid for this machine",
        ),
    )
)


TRAITS = ("family", "removes", "speed-up", "hardware", "weight update")
ANY = ("weights, N:M groups, tiles, rows or columns", "as its pattern allows", "any")
TRAITS_OF = {
    "magnitude": ("data-free criterion", *ANY, "none"),
    "random": ("control", *ANY, "none"),
    "wanda": ("activation-aware criterion", *ANY, "none"),
    "sparsegpt": (
        "layer-wise reconstruction",
        "weights or N:M groups",
        "2:4 on semi-structured kernels, else a sparse kernel",
        "any; 2:4 needs Ampere",
        "OBS update of the kept weights",
    ),
}
CALIBRATED_METHODS = (
    *(each for each in ENTRIES if each.kind == "method"),
    EntryRecord(
        kind="method",
        name="wanda",
        summary="remove the weights of smallest magnitude times input norm",
        equation=r"S_{ij} = |W_{ij}| \cdot \Vert X_j \Vert_2",
        spoken="the score of weight i j is its absolute value times the norm of its input j",
        cite="sun2024wanda",
    ),
    EntryRecord(
        kind="method",
        name="sparsegpt",
        summary="remove weights column by column and let the kept ones make up for them",
        equation=r"S_{ij} = W_{ij}^2 \,/\, [H^{-1}]_{jj}",
        spoken="the score of weight i j is its square over entry j j of the inverse Hessian",
        cite="frantar2023sparsegpt",
    ),
)
CALIBRATED_ENTRIES = (
    *(
        each.model_copy(update={"traits": dict(zip(TRAITS, TRAITS_OF[each.name], strict=True))})
        for each in CALIBRATED_METHODS
    ),
    *(each for each in ENTRIES if each.kind != "method"),
    EntryRecord(
        kind="metric",
        name="reconstruction",
        summary="relative error of the pruned matrices' outputs",
        equation=r"E = \Sigma_m \Vert (W_m - \hat{W}_m)\, X_m \Vert^2 \;/\; \Sigma_m \Vert W_m X_m \Vert^2",
        spoken="the error is the sum of the squared differences of outputs over the sum of squared outputs",
        cite="frantar2023sparsegpt",
    ),
    EntryRecord(
        kind="allocation",
        name="owl",
        summary="more sparsity where fewer inputs stand out",
        equation=r"s_\ell \propto 1 - D_\ell",
        spoken="the sparsity of layer l is proportional to one minus its share of outliers",
    ),
)
CALIBRATED_QUANTITIES = tuple(
    QuantityRecord(
        name=name,
        family="pruning",
        unit=unit,
        kind="measured",
        noise=noise,
        direction="lower",
        definition=definition,
        limits=limits,
    )
    for name, unit, noise, definition, limits in (
        ("reconstruction_error", "1", "float", "error of the outputs of the pruned matrices over their size", ""),
        ("prune_seconds", "s", "timing", "time of pruning, calibration included", "valid for this machine"),
        ("prune_memory_bytes", "B", "timing", "largest memory of pruning", "valid for this machine"),
    )
)


def calibration_record(model: Blueprint, seed: int, windows: int = 16) -> DataRecord:
    """The invented calibration text as a seed drew it."""
    return data_record(model).model_copy(
        update={
            "role": "calibration",
            "protocol": f"{CORPUS}/256/stride256/seed{seed}",
            "windows": windows,
            "tokens": windows * 256,
            "predicted_tokens": windows * 255,
            "bytes": windows * 800,
            "tail_tokens_dropped": 77,
            "token_ids_sha256": hashlib.sha256(f"{model.id}{seed}".encode()).hexdigest(),
            "seed": seed,
            "curation": {"before": 412, "after": 371, "short": 30, "headings": 11},
        }
    )


def data_record(model: Blueprint) -> DataRecord:
    return DataRecord(
        role="evaluation",
        corpus=CORPUS,
        source=CORPUS,
        model=model.id,
        protocol=f"{CORPUS}/256/stride256",
        windows=32,
        length=256,
        tokens=8192,
        predicted_tokens=TOKENS,
        bytes=25_400,
        tail_tokens_dropped=131,
        bos="auto",
        joiner="\n\n",
        text_sha256=hashlib.sha256(b"text").hexdigest(),
        token_ids_sha256=hashlib.sha256(model.id.encode()).hexdigest(),
    )


ENVIRONMENT = EnvironmentRecord(
    python="3.11.9",
    platform="Linux x86_64",
    cpu="an invented processor",
    cores=2,
    memory_bytes=8 * 1024**3,
    device="cpu",
    threads=2,
    wait_policy="passive",
    governor="performance",
    load_average=0.3,
    packages={"torch": "2.13.0", "transformers": "5.23.0"},
    variables={"OMP_WAIT_POLICY": "passive"},
    started="2026-01-15T10:00:00+00:00",
    finished="2026-01-15T10:01:02+00:00",
    command="sparsity-report run course.toml",
    fingerprint="0123456789abcdef",
)


def study(title: str, cells: Iterable[CellRecord], models: Iterable[Blueprint] = (TINY_OPT,), **more: Any) -> Results:
    """A whole results record around the cells."""
    slug, models = more.pop("slug"), tuple(models)
    text = f'spec_version = 1\n\n[study]\ntitle = "{title}"\n\n[[model]]\nsource = "{models[0].source}"\n'
    words = StudyRecord(
        title=title,
        slug=slug,
        date="2026-01-15",
        target_reason="The repeated linear maps dominate the compute.",
        authors=(
            Author(
                name="A. Student",
                affiliation="An Invented University",
                course="ECE 718",
                id="000001",
                email="student@example.org",
            ),
        ),
        question=more.pop("question", "Does pruning change what the model predicts, and does CSR make it smaller?"),
        **more.pop("words", {}),
    )
    curves, targets = more.pop("curves", {}), more.pop("targets", False)
    return Results(
        schema_version=1,
        tool=ToolRecord(version="0.0.0"),
        study=words,
        data=(*map(data_record, models), *more.pop("calibration", ())),
        environment=ENVIRONMENT,
        spec=SpecRecord(file=f"{slug}.toml", text=text, sha256=hashlib.sha256(text.encode()).hexdigest()),
        models=tuple(
            model_record(model, *curves.get(model.id, usual_curves(model)), targets=targets) for model in models
        ),
        entries=more.pop("entries", ENTRIES),
        quantities=(*QUANTITIES, *more.pop("quantities", ())),
        cells=tuple(cells),
        seconds=62.0,
        **more,
    )


def usual_curves(model: Blueprint) -> tuple[Any, ...]:
    return (
        curve(model, MASKED, "masked"),
        curve(model, CSR, "CSR, 32-bit indices"),
        curve(model, CSR_64, "CSR, 64-bit indices"),
        nm_curve(model),
    )
