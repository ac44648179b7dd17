"""Studies of OPT-125M by SparseGPT's protocol, invented for the purpose, which published figures can be put beside."""

from __future__ import annotations

from typing import Any

import tiny_results
from tiny_results import results

from sparsity_report.results.model import (
    CellRecord,
    DataRecord,
    FormatRecord,
    MatrixRecord,
    Results,
    StageRecord,
    VariantRecord,
)

EVALUATION = DataRecord(
    role="evaluation",
    corpus="wikitext-2",
    source="wikitext-2",
    model="tiny",
    protocol="wikitext-2 (test), 140 × 2048 tokens, no overlap, tail dropped, one BOS before the text",
    windows=140,
    length=2048,
    tokens=286720,
    predicted_tokens=286580,
    bytes=1280000,
    tail_tokens_dropped=925,
    bos="one BOS before the text",
    joiner="\n\n",
)
SEEN = EVALUATION.model_copy(
    update={
        "role": "calibration",
        "corpus": "c4",
        "source": "c4",
        "protocol": "c4 (train), 128 × 2048 tokens drawn from 1000 windows, seed 0, one BOS before the text",
        "windows": 128,
        "seed": 0,
    }
)
C4 = {"source": "c4", "split": "", "windows": 128, "length": "max", "bos": "auto", "seed": 0, "curate": None}
CALIBRATED = {"calibration": C4, "propagate": "pruned"}
LINEARS = tuple(
    MatrixRecord(name=name, group=group, rows=768, cols=768, count=12, targeted=True)
    for name, group in (("self_attn.q_proj", "attention_linear"), ("fc1", "mlp_linear"))
)
HEAD = MatrixRecord(name="lm_head", group="lm_head", rows=50272, cols=768, count=1, targeted=False)


def cell(method: str, value: float | None, form: str = "masked", status: Any = "ok", **params: Any) -> CellRecord:
    """A cell that was pruned with `method`, or the dense reference, and its perplexity."""
    stages = () if method == "dense" else (StageRecord(op="prune", entry=method, params=params),)
    form = form if stages else "dense"
    return CellRecord(
        id="-".join([method, form, *map(str, (v for v in params.values() if isinstance(v, str)))]),
        node=method,
        variant=VariantRecord(id=method, model="tiny", stages=stages, format=FormatRecord(entry=form)),
        status=status,
        metrics=(tiny_results.perplexity(value),) if status != "failed" else (),
    )


def study(*cells: CellRecord, source: str = "facebook/opt-125m", **changed: Any) -> Results:
    """The cells in a study of OPT-125M that follows SparseGPT's protocol, but for what is `changed`."""
    evaluation = EVALUATION.model_copy(update=changed)
    found = results(*cells, data=(evaluation, SEEN))
    model = found.models[0].model_copy(update={"source": source, "matrices": (*LINEARS, HEAD)})
    return found.model_copy(update={"models": (model,)})
