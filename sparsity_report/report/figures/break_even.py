"""Bytes of every format against sparsity, by arithmetic: from where on does a format pay?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from .. import facts, style
from ..drawing import Drawing, csv_text
from ..numbers import percent, times
from .cells import Names, labelled, models_phrase

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...results.model import ByteCurve, ModelRecord, Results

LINES = ("-", "--", ":", "-.")
EARLY = 12
"""Per cent: a curve that crosses dense before has its name there, since it starts there, too."""
HEIGHT_MM = 62.0


def _curves(model: ModelRecord) -> list[ByteCurve]:
    """Curves with points; masked is dense by definition and would only hide the dense line."""
    return [curve for curve in model.byte_curves if curve.bytes and curve.format.entry not in ("dense", "masked")]


def _dense_bytes(results: Results, model: ModelRecord) -> float | None:
    reference = results.reference(model.id)
    counted = None if reference is None else facts.value(reference, "stored_bytes", over="target")
    masked = (
        curve.bytes[0] for curve in model.byte_curves if curve.bytes and curve.format.entry in ("dense", "masked")
    )
    return counted if counted is not None else next(masked, None)


def _points(results: Results, model: ModelRecord, dense: float) -> list[tuple[str, str, float, float]]:
    """(name, format, sparsity, ratio) of the study's own cells that are neither dense nor masked."""
    naming, found = Names.of(results), []
    for cell in results.cells:
        if cell.variant.model != model.id or cell.variant.format.entry in ("dense", "masked"):
            continue
        size, sparsity = facts.value(cell, "stored_bytes", over="target"), facts.value(cell, "sparsity_target")
        if size is not None and sparsity is not None:
            found.append((naming.cell(cell), cell.variant.format.entry, sparsity, size / dense))
    return found


def _lines(axes: Axes, curves: list[ByteCurve], dense: float) -> None:
    """Each curve with its name where it starts, and its break-even; a format of one sparsity is a hollow marker."""
    looks = style.marks((curve.format.entry for curve in curves), style.FORMATS)
    drawn: Counter[str] = Counter()
    for curve in curves:
        look, ratio = looks[curve.format.entry], [size / dense for size in curve.bytes]
        x = [100 * each for each in curve.sparsity]
        if len(ratio) == 1:
            axes.plot(x, ratio, look.marker, color=look.colour, mfc="white", ms=6.5)
            words = f"{curve.label}: {times(ratio[0])}"
            axes.annotate(words, (x[0], ratio[0]), (-7, -2), textcoords="offset points", ha="right", va="top")
            continue
        axes.plot(x, ratio, LINES[drawn[curve.format.entry] % len(LINES)], color=look.colour)
        drawn[curve.format.entry] += 1
        crossed = curve.break_even is not None and x[0] <= 100 * curve.break_even <= x[-1]
        early = crossed and 100 * (curve.break_even or 0) < EARLY
        if not early:
            axes.annotate(curve.label, (x[0], ratio[0]), (12, 0), textcoords="offset points", va="bottom")
        if crossed:
            even = 100 * (curve.break_even or 0)
            axes.plot([even], [1], "|", color=style.INK, ms=9)
            words = f"{curve.label}, " * early + percent(curve.break_even or 0)
            axes.annotate(words, (even, 1), (2, 4), textcoords="offset points")


def _panel(axes: Axes, results: Results, model: ModelRecord) -> None:
    dense = _dense_bytes(results, model) or 1.0
    curves, points = _curves(model), _points(results, model, dense)
    axes.axhline(1, color=style.INK, lw=0.9, ls=(0, (4, 2)))
    axes.annotate("dense = masked", (100, 1), (-3, 3), textcoords="offset points", ha="right")
    _lines(axes, curves, dense)
    looks = style.marks((form for _, form, *_ in points), style.FORMATS)
    for _, form, sparsity, ratio in points:
        axes.plot([100 * sparsity], [ratio], looks[form].marker, color=looks[form].colour, mec=style.INK, mew=0.6)
    top = max([1.0, *(ratio for *_, ratio in points), *(max(curve.bytes) / dense for curve in curves)])
    axes.set(xlim=(0, 100), ylim=(0, 1.08 * top), xlabel="Sparsity of the targeted matrices (%)")
    axes.set_ylabel("Stored bytes relative to dense")
    axes.grid(True)


def _paint(figure: Figure, results: Results, models: list[ModelRecord]) -> None:
    parts = style.bands(figure, [labelled(model) for model in models], [1] * len(models))
    for part, model in zip(parts, models, strict=True):
        _panel(part.subplots(), results, model)


def _finding(curve: ByteCurve, dense: float) -> str:
    if len(curve.bytes) == 1:
        return f"{curve.label} takes {times(curve.bytes[0] / dense)} dense at {percent(curve.sparsity[0])}"
    if curve.break_even is None:
        return f"{curve.label} is never smaller than dense"
    return f"{curve.label} is smaller than dense above {percent(curve.break_even)} sparsity"


def _sentence(results: Results, model: ModelRecord) -> str:
    dense = _dense_bytes(results, model) or 1.0
    parts = [_finding(curve, dense) for curve in _curves(model)]
    parts += [f"{name} takes {times(ratio)} dense" for name, _, _, ratio in _points(results, model, dense)]
    return f"{labelled(model)}: {'; '.join(parts)}."


def _title(models: list[ModelRecord]) -> str:
    evens = [curve.break_even for model in models for curve in _curves(model) if curve.format.entry == "csr"]
    low = min((even for even in evens if even is not None), default=None)
    return (
        "Stored bytes against sparsity"
        if low is None
        else f"CSR is smaller than dense only above {percent(low)} sparsity"
    )


def draw(results: Results) -> Drawing | None:
    """None when no model has a byte curve, or its dense size is unknown."""
    models = [model for model in results.models if _curves(model) and _dense_bytes(results, model)]
    if not models:
        return None
    data: list[tuple[object, ...]] = []
    for model in models:
        dense = _dense_bytes(results, model) or 1.0
        for curve in _curves(model):
            pairs = zip(curve.sparsity, curve.bytes, strict=True)
            data += [(model.id, model.label, "curve", curve.label, each, size, size / dense) for each, size in pairs]
        data += [
            (model.id, model.label, "cell", name, sparsity, ratio * dense, ratio)
            for name, _, sparsity, ratio in _points(results, model, dense)
        ]
    points = any(_points(results, model, 1.0) for model in models)
    own = " with this study’s variants (counted from the stored tensors; filled points) and" if points else " with"
    return Drawing(
        id="break_even",
        title=_title(models),
        svg=style.render("break_even", HEIGHT_MM * len(models), lambda figure: _paint(figure, results, models)),
        alt="Line chart of stored bytes relative to dense against sparsity. "
        + " ".join(_sentence(results, model) for model in models),
        caption="Bytes of the targeted matrices in each format relative to the dense ones of the same data type "
        f"(counted by arithmetic; lines),{own} the break-even sparsities (ticks on the dense line). "
        f"{models_phrase(models)}",
        how_to_read="Below the dashed line a format stores fewer bytes than dense; above it, pruning makes the "
        "model larger.",
        csv=csv_text(("model", "label", "kind", "name", "sparsity", "bytes", "ratio_to_dense"), data),
    )
