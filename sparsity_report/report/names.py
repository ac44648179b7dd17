"""What models, pruned states, formats and cells are called in text and tables: the names that figures use, escaped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from . import replicates
from .figures import cells
from .markup import plain
from .numbers import NBSP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..results.model import CellRecord, FormatRecord, ModelRecord, Results

STATUS = {"ok": "executed", "failed": "failed", "diverged": "diverged", "not_executed": "not executed"}
UNBROKEN = 16
"""A name that is no longer than this is kept on one line: "magnitude 30 %"."""
METRICS = {
    "sparsity_requested": "sparsity requested",
    "sparsity_target": "sparsity of the target",
    "flops_per_token": "FLOPs per token",
    "agreement_top1": "top-1 agreement",
    "agreement_top5": "top-5 agreement",
    "overlap_top5": "overlap of the first five",
    "kl_divergence": "KL divergence",
    "js_divergence": "JS divergence",
    "flip_rate": "changed first tokens",
    "next_token_accuracy": "next tokens that are right",
    "mean_confidence": "mean confidence",
    "greedy_prefix_tokens": "greedy tokens alike",
    "prefill_latency_s": "prefill latency",
    "decode_latency_s": "decode latency",
    "prefill_speedup": "prefill speed-up",
    "decode_speedup": "decode speed-up",
    "prefill_energy_j": "prefill energy",
    "decode_energy_j": "decode energy",
    "prefill_bytes": "bytes of prefill",
    "decode_bytes": "bytes of decoding",
    "prefill_flops": "FLOPs of prefill",
    "decode_flops": "FLOPs of decoding",
    "prefill_bound_s": "bound of prefill",
    "decode_bound_s": "bound of decoding",
    "sequences_fit": "sequences that fit",
    "cost_per_million_tokens": "cost of a million tokens",
    "python_share": "share of Python",
    "profile_closure": "sum of the shares",
    "bytes_gain": "gain that the bytes allow",
    "product_gain": "gain of the products alone",
    "layer_gain": "gain of the layers",
    "amdahl_gain": "gain by Amdahl’s law",
    "amdahl_limit": "limit by Amdahl’s law",
    "max_abs_logit": "largest logit",
    "other_cores": "cores busy with other work",
    "preemptions_per_s": "preemptions per second",
    "resident_bytes": "resident memory",
    "load_seconds": "load time",
    "max_abs_logit_difference": "largest logit difference",
    "perplexity_ratio": "ratio of perplexities",
    "task_acc": "accuracy on tasks",
    "task_acc_norm": "accuracy on tasks, normalised by length",
    "task_mean": "mean accuracy over tasks",
    "task_retained": "share of dense accuracy retained",
    "prune_seconds": "pruning time",
    "nll_increase": "increase of the NLL by single blocks",
    "prune_memory_bytes": "pruning memory",
}


def metric(name: str) -> str:
    """A metric's name in words."""
    return METRICS.get(name, name.replace("_", " "))


def model(record: ModelRecord) -> str:
    """The model's id, and its label wherever it has one."""
    return plain(f"{record.id} ({record.label})" if record.label else record.id)


def group(name: str) -> str:
    return cells.GROUP_NAMES.get(name, name.replace("_", " "))


def storage_format(record: FormatRecord) -> str:
    """A format in short: "CSR", "CSR int64", "N:M packed", "masked"."""
    return plain(cells.format_name(record).replace(" ", NBSP))


def state(results: Results, cell: CellRecord) -> str:
    """The stages from dense, without the format: "magnitude 30 %"; a replicate has its number."""
    name = plain(cells.Names.of(results).node(cell))
    return name.replace(" ", NBSP) if len(name) <= UNBROKEN else name.replace(" %", f"{NBSP}%")


def variant(results: Results, cell: CellRecord) -> str:
    """State and format: "magnitude 30 %, CSR"."""
    return "dense" if cell.is_reference else f"{state(results, cell)}, {storage_format(cell.variant.format)}"


def repeats(cell: CellRecord) -> str:
    """ "mean of 3 seeds" for a state that was repeated, else nothing."""
    return f"mean of {replicates.seeds(cell)} seeds" if replicates.seeds(cell) > 1 else ""


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def on(results: Results, record: ModelRecord) -> str:
    """Words such as "on smollm2-135m (de-quantised from Q4_1), " where the model must be named; else ""."""
    return f"on {model(record)}, " if len(results.models) > 1 or record.label else ""


def once(results: Results, texts: Iterable[str]) -> tuple[str, ...]:
    """The texts of one paragraph or list, in which the one labelled model of a study is named the first time only."""
    if len(results.models) != 1 or not results.models[0].label:
        return tuple(texts)
    named = re.compile(rf"([Oo]n )?{re.escape(model(results.models[0]))}, (.)")
    said, found = False, []
    for text in texts:
        first = named.search(text)
        kept = 0 if said or first is None else first.end()
        rest = named.sub(lambda each: each[2].upper() if each[1] == "On " else each[2], text[kept:])
        found.append(text[:kept] + rest)
        said = said or first is not None
    return tuple(found)


def sentence(*parts: str) -> str:
    """The parts as one sentence with a capital."""
    return capital("".join(parts))


def listing(items: list[str]) -> str:
    """Items in a sentence: "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def labels_note(results: Results) -> tuple[str, ...]:
    """The note that stands under every table with numbers of a labelled model."""
    return tuple(f"{plain(each.id)} is {plain(each.label)}." for each in results.models if each.label)
