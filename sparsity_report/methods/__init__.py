"""
Pruning methods, one file each: a score per weight, higher is kept.

An entry exports `INFO`, `Params`, `DEFAULT_SCOPE` (the method's own comparison group), `SEEDED` (whether the seed
changes the result) and `score(weight_OI, params, seed, path) -> Tensor` of the same shape.
"""
