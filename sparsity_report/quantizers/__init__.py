"""
Quantizers, one file each: a weight is replaced by the nearest one that fewer bits can hold.

An entry exports
- `INFO` and `Params`,
- `values(params) -> Values`: what its weights are stored in, by arithmetic,
- `quantize(weight_OI, params) -> LowPrecision`: the values, and scales where there are any.

A zero weight becomes the value 0, exactly, so that masks survive. What a format then stores is the values and the
scales, and the node's behaviour is that of the weights that they stand for: rounding belongs to the stage, not to the
format.
"""
