"""
Storage and execution formats, one file each. A format is lossless: what loses information is a stage.

An entry exports
- `INFO` and `Params`,
- `SKIPS_ZEROS`: whether its execution multiplies only by the stored values,
- `IN_PLACE`: whether the weight stays an ordinary dense parameter of its layer,
- `refuses(pattern) -> str`: why it cannot hold a pattern, or "",
- `stored_bytes(rows, cols, kept, value_bytes, pattern, params, permuted=False) -> dict[str, int]`: bytes per component,
  by arithmetic,
- `encode(weight_OI, pattern, params, permutation_I=None) -> dict[str, Tensor]`: the tensors that are stored, named by
  component,
- `decode(tensors, shape, pattern) -> Tensor`: the same weight back, its columns in the order that `encode` was given,
- `apply(tensors, shape, pattern, x, bias) -> Tensor`: x Wᵀ + bias for x of shape (…, I), in x's type,
- `fallback(device, dtype, layers, pattern) -> tuple[str, str, int] | None`: what happens instead of a real execution
  here, why, and in how many of the encoded layers.

`permutation_I` is the order of in_features in which the pattern holds, where that is not the model's own. The weight is
always given in the model's order, and a format that can store it so ignores the permutation; one that needs groups of
neighbours stores the permuted weight and the permutation, and gathers x at every call.

A weight comes in the values in which its state holds it: the model's type, bfloat16, float16, or int8 codes. Row scales
(O,) belong to int8 codes; the layer keeps them beside the format's tensors as "scales", and `apply` must multiply row o
of the product by scales[o] before it adds the bias. `encode`, `decode` and `stored_bytes` know nothing of them.

Components are "values", "indices", "pointers", "positions", "mask", "permutation", "scales"; "dense" is a plain
matrix, and "semi_structured" is PyTorch's own 2:4 tensor on CUDA.
Shapes: O out features, I in features. −0.0 is a zero: it is not stored, and decodes to +0.0.
"""
