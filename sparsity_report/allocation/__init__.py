"""
Layerwise sparsity allocation: how a study's sparsity is spread over its matrices. One file a rule, torch-free heads.

An entry exports `INFO`, `Params`, `NEEDS` (what it reads of the dense model: "outliers", "sensitivity", or nothing) and
`allocate(shapes, sparsity, evidence, params) -> dict[path, float]`: the wanted sparsity of every matrix, in 0..1. The
shares need not add up: `counting.py` turns them into exact counts whose sum is that of the asked sparsity.
"""
