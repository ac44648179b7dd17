"""
Where models come from, one file each.

An entry exports
- `INFO`,
- `matches(source) -> bool`: whether a spec's source is of this kind, by its spelling alone,
- `config(request) -> dict | None`: the model's config, without torch and without a network; None where unknown,
- `load(request) -> LoadedModel`.

Weights are read from safetensors and GGUF only, and code that comes with a model never runs.
"""
