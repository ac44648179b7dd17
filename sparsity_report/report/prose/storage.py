"""Sentences about stored bytes: which format is larger or smaller than dense, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts, names, numbers
from ..markup import plain, see

if TYPE_CHECKING:
    from ...results.model import CellRecord, FormatRecord, ModelRecord, Results

VALUE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


def compressed(results: Results, model: ModelRecord) -> tuple[tuple[CellRecord, ...], ...]:
    """The model's cells by storage format, only of formats that may leave out zeros, by rising sparsity."""
    groups: dict[str, list[CellRecord]] = {}
    for cell in facts.cells_of(results, model):
        known = facts.size_ratio(results, cell, "target") is not None
        if known and cell.variant.format.entry not in ("dense", "masked") and facts.one_shot(cell):
            groups.setdefault(names.storage_format(cell.variant.format), []).append(cell)
    return tuple(tuple(sorted(cells, key=lambda each: facts.requested(each) or 0)) for cells in groups.values())


def _at(results: Results, cells: list[CellRecord]) -> str:
    """Places such as "at 30 % (1.405×) and 50 % (1.005×)": sparsity and ratio over the target."""
    shown: dict[str, str] = {}
    for cell in cells:
        ratio = facts.size_ratio(results, cell, "target")
        if facts.is_nm(cell):
            place = f"with {facts.pattern(cell)}"
        else:
            place = f"at {numbers.percent(facts.requested(cell) or 0)}"
        shown.setdefault(place, f"{numbers.number(ratio or 0, 3)}×")
    return names.listing([f"{place} ({ratio})" for place, ratio in shown.items()])


def size_sentence(results: Results, cells: tuple[CellRecord, ...]) -> str:
    """Where one format is larger and where it is smaller than dense, over the targeted matrices."""
    larger: list[CellRecord] = []
    smaller: list[CellRecord] = []
    equal: list[CellRecord] = []
    for cell in cells:
        ratio = facts.size_ratio(results, cell, "target") or 0
        (larger if ratio > 1 else smaller if ratio < 1 else equal).append(cell)
    claims = (("more bytes than dense", larger), ("fewer bytes than dense", smaller), ("the bytes of dense", equal))
    parts = [f"{claim} {_at(results, cases)}" for claim, cases in claims if cases]
    name = names.storage_format(cells[0].variant.format)
    prefix = names.on(results, facts.model_of(results, cells[0])) if cells else ""
    return names.sentence(prefix, f"{name} stores the targeted matrices in {names.listing(parts)}.")


def break_even_sentence(model: ModelRecord, cells: tuple[CellRecord, ...]) -> str:
    """From which sparsity on the format pays, by arithmetic on the model's shapes."""
    curve = facts.curve_of(model, cells[0])
    if curve is None or len(curve.sparsity) < 2:
        return ""
    name = names.storage_format(cells[0].variant.format)
    if curve.break_even is None:
        return f"On these shapes {name} is larger than dense at every sparsity below 1."
    return f"On these shapes {name} breaks even at {numbers.percent(curve.break_even)} sparsity."


def reason_sentence(model: ModelRecord, form: FormatRecord) -> str:
    """Why a format costs what it costs."""
    value = VALUE_BYTES.get(model.dtype)
    if value is None:
        return ""
    if form.entry == "csr":
        index = {"int64": 8, "int16": 2}.get(str(form.params.get("index")), 4)
        even = numbers.percent(index / (value + index))
        return (
            f"Beside each kept {value}-byte value it stores a {index}-byte column index, so that a kept weight takes "
            f"{value + index} bytes where dense takes {value}: without row pointers that pays only above {even}."
        )
    if form.entry == "nm":
        return (
            "Positions inside a group of M need a few bits only, so that the packed form is small at a fixed sparsity."
        )
    if form.entry == "bitmask":
        even = numbers.percent(1 / (8 * value))
        return f"It spends one bit on every weight, kept or not, which pays from {even} sparsity on."
    return ""


def model_sentence(results: Results, cells: tuple[CellRecord, ...]) -> str:
    """The whole model, of which only a part is pruned."""
    cell = cells[0]
    model = facts.model_of(results, cell)
    whole, target = facts.size_ratio(results, cell), facts.size_ratio(results, cell, "target")
    if whole is None or target is None or not model.parameters:
        return ""
    own = facts.value(cell, "stored_bytes", over="model") or 0
    return (
        f"The target holds {numbers.percent(model.prunable / model.parameters, 1)} of the parameters; over the whole "
        f"model, {names.variant(results, cell)} takes {numbers.mebibytes(own)}, {numbers.times(whole)} dense."
    )


def masked_sentence(results: Results, model: ModelRecord) -> str:
    """Masked keeps its zeros in place."""
    ratios = {
        facts.size_ratio(results, cell)
        for cell in facts.cells_of(results, model)
        if cell.variant.format.entry == "masked" and facts.one_shot(cell)
    } - {None}
    if ratios == {1.0}:
        return "Masked stores its zeros in place and so takes exactly the dense bytes, whatever the sparsity."
    if ratios:
        worst = max(each for each in ratios if each is not None)
        return f"Masked does not take the dense bytes here: up to {numbers.times(worst)} of them."
    return ""


def sparsity_sentence(results: Results, model: ModelRecord) -> str:
    """Requested sparsity is not the model's: the first pruned state as an example."""
    for cell in facts.cells_of(results, model):
        asked, whole = facts.requested(cell), facts.value(cell, "sparsity")
        target = facts.value(cell, "sparsity_target")
        if asked is not None and whole is not None and target is not None:
            return names.sentence(
                names.on(results, model),
                f"the {numbers.percent(asked)} that {names.state(results, cell)} asks for "
                f"{'follows from the pattern and is' if facts.is_nm(cell) else 'is'} "
                f"{numbers.percent(target, 3)} of the targeted weights and {numbers.percent(whole)} of the model"
                f"{see('tab:variants')}.",
            )
    return ""


def paragraphs(results: Results, model: ModelRecord) -> list[str]:
    """One text a format of the model: size, reason, break-even, dilution."""
    found = []
    for cells in compressed(results, model):
        form = cells[0].variant.format
        sentences = (
            size_sentence(results, cells),
            reason_sentence(model, form),
            break_even_sentence(model, cells),
            model_sentence(results, cells),
        )
        found.append(" ".join(each for each in sentences if each))
    return found


def unavailable_sentences(model: ModelRecord) -> list[str]:
    """Formats whose curve cannot be given, with the reason."""
    return [
        f"No byte curve of {plain(curve.label)}: {plain(curve.unavailable)}."
        for curve in model.byte_curves
        if curve.unavailable
    ]
