"""Tables of results: the headline, behaviour, stored bytes by component, latency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..results.model import Fallback
from . import facts, names, numbers, replicates
from .columns import NONE, aligned, measured, share, size, text, without_empty
from .document import Column, Entry, Row, Table
from .markup import plain
from .tables import by_model

if TYPE_CHECKING:
    from ..results.model import CellRecord, Condition, Results

PHASES = ("prefill", "decode")


corpora = facts.texts


def protocol_notes(results: Results) -> tuple[str, ...]:
    """The protocol behind perplexity and agreement, once for each text and model."""
    several = len(results.models) > 1
    return tuple(
        f"Behaviour{f' of {plain(each.model)}' if several else ''}{_on(results, each.called)}: "
        f"protocol {plain(each.protocol)}, "
        f"n = {numbers.count(each.predicted_tokens)} predicted tokens in {numbers.count(each.windows)} windows."
        for each in results.data
        if each.role == "evaluation"
    )


def _on(results: Results, text: str) -> str:
    return f" on {plain(text)}" if len(corpora(results)) > 1 else ""


def seeds_notes(results: Results) -> tuple[str, ...]:
    """What stands in the rows of states that were repeated."""
    if not any(replicates.seeds(cell) > 1 for cell in results.cells):
        return ()
    return ("Rows of several seeds have the mean, and below it smallest–largest of the seeds instead of an interval.",)


def point_text(point: dict[str, Condition]) -> str:
    """A timed point in words: "batch 1, prompt 128"."""
    return ", ".join(f"{name} {value}" for name, value in point.items())


def unfinished_notes(results: Results) -> tuple[str, ...]:
    """Why cells have no numbers, and what did not happen as asked."""
    notes = [
        f"{names.capital(names.variant(results, cell))}: {names.STATUS[cell.status]}, because: "
        f"{plain(cell.reason) or 'no reason recorded'}."
        for cell in results.cells
        if cell.status != "ok"
    ]
    for where, each in fallbacks(results):
        notes.append(f"{names.capital(names.listing(shortened(where)))}: {plain(each.what)} ({plain(each.why)}).")
    return tuple(dict.fromkeys(notes))


NAMED = 3
"""States that a list of many names."""


def shortened(every: list[str]) -> list[str]:
    """The first of many names, and how many more there are."""
    if len(every) <= NAMED + 1:
        return every
    return [*every[:NAMED], f"{numbers.count(len(every) - NAMED)} more"]


def fallbacks(results: Results) -> list[tuple[list[str], Fallback]]:
    """Everything that did not happen as asked, once: the variants it befell, and the counts of all of them added."""
    found: dict[tuple[str, str], dict[str, list[CellRecord]]] = {}
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for cell in results.cells:
        for each in cell.fallbacks:
            key = (each.what, each.why)
            found.setdefault(key, {}).setdefault(cell.node, []).append(cell)
            # Formats of one pruned state repeat what befell its pruning; that happened once.
            counts.setdefault(key, {}).setdefault(cell.node, 0)
            counts[key][cell.node] = max(counts[key][cell.node], each.count)
    formats = {
        node[0].node: len(node) for model in results.models for node in facts.nodes(facts.cells_of(results, model))
    }
    of_pruning = {(node.key, each.what, each.why) for node in results.nodes for each in node.fallbacks}
    several = len(results.models) > 1
    merged = []
    for (what, why), by_node in found.items():
        where = []
        for node, cells in by_node.items():
            whole = len(cells) == formats.get(node, 0) and (len(cells) > 1 or (node, what, why) in of_pruning)
            shown = [names.state(results, cells[0])] if whole else [names.variant(results, cell) for cell in cells]
            prefix = f"{names.model(facts.model_of(results, cells[0]))}, " if several else ""
            where += [prefix + name for name in shown]
        merged.append((where, Fallback(what=what, why=why, count=sum(counts[what, why].values()))))
    return merged


def _speedup(results: Results, cell: CellRecord, phase: str, point: dict[str, Condition]) -> Entry:
    found = facts.speed(results, cell, phase, **facts.of_phase(point, phase))
    if found is None:
        return NONE
    entry = measured(found.ratio)
    if found.verdict == "no difference":
        return Entry("no difference", below=entry.below, sort=entry.sort)
    return entry


def _latency(cell: CellRecord, phase: str, point: dict[str, Condition]) -> Entry:
    return measured(facts.find(cell, f"{phase}_latency_s", **facts.of_phase(point, phase)), 1000, 1)


def headline(results: Results) -> Table:
    """One row a cell: size, sparsity, behaviour, and speed at the first timed point."""
    corpus: dict[str, Condition] = {"corpus": corpora(results)[0]} if corpora(results) else {}
    point = (facts.timing_points(results) or ({},))[0]
    rows: dict[str, list[Row]] = {}
    for cell in results.cells:
        rows.setdefault(cell.variant.model, []).append(_headline_row(results, cell, corpus, point))
    columns = (
        Column("Variant"),
        Column("Format"),
        Column("Stored", "MiB", "counted", numeric=True),
        Column("Sparsity", "%", "counted", numeric=True),
        Column("Top-1", "%", "measured", numeric=True),
        Column("Perplexity", "", "measured", numeric=True),
        Column("Prefill", "ms", "measured", numeric=True),
        Column("Speed-up", "×", "measured", numeric=True),
        Column("Decode", "ms/token", "measured", numeric=True),
        Column("Speed-up", "×", "measured", numeric=True),
    )
    caption = (
        "Headline results, one row a cell. Stored bytes over the whole model, with the ratio to dense below; sparsity "
        "over the whole model; 95 % intervals in brackets."
    )
    notes = [*names.labels_note(results), *protocol_notes(results)]
    if len(corpora(results)) > 1:
        notes.append(f"Top-1 and perplexity are those on {plain(corpora(results)[0])}, the first text.")
    if facts.timing_points(results):
        notes.append(
            f"Latency: medians at {point_text(point)}; speed-up is dense time over the variant's, and “no difference” "
            f"means that it lies within the noise of dense against dense. {numbers.DASH} was not timed."
        )
    notes += [*seeds_notes(results), *unfinished_notes(results)]
    table = Table("tab:headline", caption, columns, by_model(results, rows), tuple(notes), long=True, small=True)
    return aligned(without_empty(table))


def _headline_row(results: Results, cell: CellRecord, corpus: dict[str, Condition], point: dict[str, Condition]) -> Row:
    ratio = facts.size_ratio(results, cell)
    shown_ratio = numbers.times(ratio) if ratio is not None and not cell.is_reference else ""
    status = "" if cell.status == "ok" else names.STATUS[cell.status]
    agreement = measured(facts.find(cell, "agreement_top1", **corpus), 100, 1)
    speed = (
        entry for phase in PHASES for entry in (_latency(cell, phase, point), _speedup(results, cell, phase, point))
    )
    return Row(
        (
            text(names.state(results, cell), names.repeats(cell)),
            text(names.storage_format(cell.variant.format), status),
            size(facts.value(cell, "stored_bytes", over="model"), shown_ratio),
            share(facts.value(cell, "sparsity")),
            agreement,
            measured(facts.find(cell, "perplexity", **corpus)),
            *speed,
        ),
        muted=cell.status != "ok",
    )


def behaviour(results: Results) -> Table:
    """One row a state and text: behaviour belongs to the pruned state, whatever its format."""
    several = len(corpora(results)) > 1
    rows: dict[str, list[Row]] = {}
    seen: set[tuple[str, str, str]] = set()
    for cell in results.cells:
        for corpus in corpora(results):
            key = (cell.variant.model, cell.node, corpus)
            if key in seen or facts.find(cell, "perplexity", corpus=corpus) is None:
                continue
            seen.add(key)
            rows.setdefault(cell.variant.model, []).append(_behaviour_row(results, cell, corpus, several))
    columns = (
        Column("Pruned state"),
        Column("Top-1 agreement", "%", "measured", numeric=True),
        Column("KL from dense", "nat", "measured", numeric=True),
        Column("Perplexity", "", "measured", numeric=True),
        Column("Bits per byte", "", "measured", numeric=True),
    )
    caption = (
        "Behaviour of every pruned state; 95 % intervals in brackets. Bits per byte are comparable across tokenizers."
    )
    notes = (*names.labels_note(results), *protocol_notes(results), *seeds_notes(results))
    table = Table("tab:behaviour", caption, columns, by_model(results, rows), notes, long=True, small=True)
    return aligned(without_empty(table))


def _behaviour_row(results: Results, cell: CellRecord, corpus: str, several: bool) -> Row:
    place = f" on {plain(corpus)}" if several else ""
    return Row(
        (
            text(names.state(results, cell) + place, names.repeats(cell)),
            measured(facts.find(cell, "agreement_top1", corpus=corpus), 100, 1),
            measured(facts.find(cell, "kl_divergence", corpus=corpus), 1, 3),
            measured(facts.find(cell, "perplexity", corpus=corpus)),
            measured(facts.find(cell, "bits_per_byte", corpus=corpus), 1, 3),
        ),
        muted=cell.status != "ok",
    )


def _components(results: Results) -> tuple[str, ...]:
    found = (
        str(each.conditions["component"])
        for cell in results.cells
        for each in cell.metrics
        if each.metric == "stored_bytes" and "component" in each.conditions
    )
    return tuple(dict.fromkeys(found))


def components(results: Results) -> Table:
    """Where the bytes of the targeted matrices are, for the compressed formats and dense; no rows of dense alone."""
    parts = _components(results)
    compressed = any(cell.variant.format.entry not in ("dense", "masked") for cell in results.cells)
    rows: dict[str, list[Row]] = {}
    for cell in results.cells:
        total = facts.value(cell, "stored_bytes", over="target")
        if total is None or cell.variant.format.entry == "masked" or not compressed:
            continue
        ratio = facts.size_ratio(results, cell, "target")
        row = Row(
            (
                text(names.state(results, cell), names.repeats(cell)),
                text(names.storage_format(cell.variant.format)),
                *(size(facts.value(cell, "stored_bytes", over="target", component=part)) for part in parts),
                size(total),
                NONE if ratio is None else Entry(numbers.number(ratio, 3), sort=ratio),
            )
        )
        rows.setdefault(cell.variant.model, []).append(row)
    columns = (
        Column("Variant"),
        Column("Format"),
        *(Column(names.capital(part), "MiB", "counted", numeric=True) for part in parts),
        Column("Total", "MiB", "counted", numeric=True),
        Column("To dense", "×", "counted", numeric=True),
    )
    caption = "Stored bytes of the targeted matrices by component (counted)."
    notes = ("Masked stores what dense stores, and no mask.", *names.labels_note(results))
    return aligned(Table("tab:components", caption, columns, by_model(results, rows), notes, long=True, small=True))


def _rounds(cell: CellRecord, point: dict[str, Condition]) -> Entry:
    """Rounds, and outliers among the latencies below."""
    found = [facts.find(cell, f"{phase}_latency_s", **facts.of_phase(point, phase)) for phase in PHASES]
    read = [each for each in found if each is not None]
    outliers = [str(each.outliers) for each in read if each.outliers is not None]
    count = str(read[0].n or numbers.DASH) if read else numbers.DASH
    return Entry(count, below=f"outliers: {', '.join(outliers)}" if outliers else "")


def costs(results: Results) -> Table:
    """What running a variant takes beside time: loading, memory, energy."""
    point = (facts.timing_points(results) or ({},))[0]
    rows: dict[str, list[Row]] = {}
    for cell in results.cells:
        found = (
            facts.find(cell, "load_seconds"),
            facts.find(cell, "resident_bytes", over="target"),
            facts.find(cell, "resident_bytes", over="process"),
            *(facts.find(cell, f"{phase}_energy_j", **facts.of_phase(point, phase)) for phase in PHASES),
        )
        if not any(found):
            continue
        load, target, process, *energy = found
        row = Row(
            (
                text(names.variant(results, cell), names.repeats(cell)),
                measured(load, 1, 2),
                size(target.value if target else None),
                size(process.value if process else None),
                *(measured(each, 1000, 1) for each in energy),
            )
        )
        rows.setdefault(cell.variant.model, []).append(row)
    columns = (
        Column("Variant"),
        Column("Load", "s", "measured", numeric=True),
        Column("Memory of the layers", "MiB", "measured", numeric=True),
        Column("Peak of the process", "MiB", "measured", numeric=True),
        Column("Prefill", "mJ/token", "measured", numeric=True),
        Column("Decode", "mJ/token", "measured", numeric=True),
    )
    read_energy = any(each.metric.endswith("_energy_j") for cell in results.cells for each in cell.metrics)
    caption = "What running takes beside time (measured where the machine lets it be read, loading once)."
    notes = (
        "Load: dense, from its source to a model that can run; a variant, from its kept state to encoded layers. "
        "Memory of the layers: what the timing process grew by when the targeted layers were built (dense: a copy of "
        "them). Peak of the process: both models, activations, caches and all libraries.",
        *([f"Energy at {point_text(point)}, of the whole processor package or device."] if read_energy else []),
        *names.labels_note(results),
    )
    return aligned(
        without_empty(Table("tab:running", caption, columns, by_model(results, rows), notes, long=True, small=True))
    )


def latency(results: Results) -> Table:
    """Every timed point of every timed cell."""
    rows: dict[str, list[Row]] = {}
    for cell in results.cells:
        for point in facts.timing_points(results):
            if facts.find(cell, "prefill_latency_s", **facts.of_phase(point, "prefill")) is None:
                continue
            speed = (
                entry
                for phase in PHASES
                for entry in (_latency(cell, phase, point), _speedup(results, cell, phase, point))
            )
            row = Row(
                (
                    text(names.variant(results, cell), names.repeats(cell)),
                    text(point_text(point)),
                    *speed,
                    _rounds(cell, point),
                )
            )
            rows.setdefault(cell.variant.model, []).append(row)
    columns = (
        Column("Variant"),
        Column("Point"),
        Column("Prefill", "ms", "measured", numeric=True),
        Column("Speed-up", "×", "measured", numeric=True),
        Column("Decode", "ms/token", "measured", numeric=True),
        Column("Speed-up", "×", "measured", numeric=True),
        Column("Rounds"),
    )
    rounds = {each.n for cell in results.cells for each in cell.metrics if each.metric.endswith("_speedup") and each.n}
    counts = f"n = {min(rounds)}" + (f" to {max(rounds)}" if len(rounds) > 1 else "") if rounds else "n not recorded"
    caption = (
        f"Latency: medians over interleaved rounds ({counts}) with 95 % intervals, and speed-up over dense of the same "
        "rounds."
    )
    notes = (
        "A speed-up is given only where it is further from 1 than its interval and the noise of dense against dense "
        "allow together. Below the rounds: how many are outliers by Tukey's fences, in prefill and decode; "
        "none is left out.",
        *names.labels_note(results),
    )
    return aligned(
        without_empty(Table("tab:latency", caption, columns, by_model(results, rows), notes, long=True, small=True))
    )
