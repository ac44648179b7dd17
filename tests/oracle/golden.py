"""A matrix and inputs from closed formulas, and what the published rules make of them (computed once, in float64)."""

from __future__ import annotations

import numpy as np

WEIGHT = np.array(
    [[(np.sin(1 + 1.7 * i + 0.9 * j) + 0.3 * np.cos(2.3 * i * j)) * (1 + 0.8 * i) for j in range(8)] for i in range(4)]
)
INPUTS = np.array([[np.cos(0.5 + 0.7 * (t + 1) * (k + 1) ** 1.3) * (1 + 0.5 * k) for k in range(8)] for t in range(12)])
"""One window of 12 tokens, (T, I)."""

SPARSEGPT = {
    # name: (blocksize, compat, pattern, removed by row, loss, output error, output error without weight update)
    "half, <=, blocks of 4": (
        4,
        "reference",
        "",
        "11111111 11011001 10000100 10001001",
        505.514093,
        495.386784,
        554.491457,
    ),
    "half, exact, blocks of 4": (4, "exact", "", "11111111 11011001 00000100 10001000", 372.84848, 364.957, 439.93273),
    "2:4, blocks of 4": (4, "exact", "2:4", "10010110 10011001 10100110 10011001", 490.238662, 479.251483, 599.282123),
    "half, <=, one block": (
        8,
        "reference",
        "",
        "11111110 11011001 10110000 10010000",
        215.07925,
        202.947109,
        483.054194,
    ),
    "2:4, one block": (8, "exact", "2:4", "10010110 10011001 10100110 10011001", 490.238662, 479.251483, 599.282123),
}
SPARSEGPT_ROW_3 = {
    "2:4, blocks of 4": [0.0, 2.998714, 3.72533, 0.0, 0.0, -3.262791, -3.615434, 0.0],
    "half, exact, blocks of 4": [0.0, 2.998714, 3.72533, 1.815768, 0.0, -3.191646, -3.757868, -1.023757],
}
SCORED = {
    # (method, scope, pattern): (removed by row, output error)
    ("wanda", "row", "unstructured"): ("10110100 11001001 11100100 11010001", 473.12653),
    ("wanda", "layer", "2:4"): ("10010110 11001001 10100110 10011001", 614.355481),
    ("magnitude", "layer", "unstructured"): ("11111111 01011001 00100100 10000001", 391.965671),
    ("magnitude", "row", "unstructured"): ("00110110 01011001 10100110 10011001", 622.473831),
}


def removed(rows: str) -> np.ndarray:
    """(O, I) bool from rows of 0 and 1."""
    return np.array([[digit == "1" for digit in row] for row in rows.split()])
