"""
Masked: zeros in place. Dense bytes and dense products; only the values differ (simulated sparsity, and of a quantised
state simulated precision).
"""

from __future__ import annotations

from ..contracts import Info
from .dense import Params, apply, decode, encode, fallback, refuses, stored_bytes

__all__ = [
    "INFO",
    "IN_PLACE",
    "SKIPS_ZEROS",
    "Params",
    "apply",
    "decode",
    "encode",
    "fallback",
    "refuses",
    "stored_bytes",
]

INFO = Info(
    name="masked",
    summary="pruned weights are zeros in a dense matrix: dense bytes, dense arithmetic, no stored mask",
    equation=r"B_{\mathrm{dense}} \;=\; O \, I \, b",
    spoken="bytes are out features times in features times bytes per value",
    cite="gale2019state",
)
SKIPS_ZEROS = False
IN_PLACE = True
