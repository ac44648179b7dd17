"""Figures of the paper, one file each: `draw(results)` gives a Drawing, or None where its data do not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...results.model import Results
    from ..drawing import Drawing


def draw_all(results: Results) -> dict[str, Drawing]:
    """Every figure that the results allow, by id, in the order of the paper."""
    from . import (
        allocation,
        block_diagram,
        break_even,
        flips,
        flops_by_group,
        group_sparsity,
        headline,
        latency,
        layer_error,
        layer_sparsity,
        mask_overlap,
        mask_patterns,
        parameter_fraction,
        pareto_bytes,
        pareto_latency,
        quality_sparsity,
        reliability,
        roofline,
        sensitivity,
        speed_vs_bytes,
        speed_vs_flops,
        speed_vs_sparsity,
        storage_components,
        time_shares,
        waterfall,
        weight_histograms,
    )

    order = (
        block_diagram, mask_patterns, headline, quality_sparsity, flips, reliability, sensitivity, parameter_fraction,
        group_sparsity, allocation, layer_sparsity, weight_histograms, layer_error, mask_overlap, flops_by_group,
        storage_components, break_even, latency, speed_vs_flops, speed_vs_bytes, speed_vs_sparsity, time_shares,
        waterfall, roofline, pareto_bytes, pareto_latency,
    )  # fmt: skip
    drawings = (figure.draw(results) for figure in order)
    return {drawing.id: drawing for drawing in drawings if drawing is not None}
