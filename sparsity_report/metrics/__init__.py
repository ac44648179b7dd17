"""
Metric families, one file each. `LEVEL` says what a family looks at, and so what `measure` is given:

- "structure": `measure(structure: engine.structure.Structure) -> list[Measurement]`, counted, for every leaf;
- "behaviour": `per_token(scores: engine.behaviour.Scores) -> Tensor` for every predicted position, and
  `measure(values_NT, conditions, windows) -> list[Measurement]` over all of them, once a node;
- "timing": `measure(timed: engine.timed.Timed, anchor, is_reference) -> list[Measurement]`, for timed leaves.

`INFO.quantities` defines every metric that the family reports. All are importable without torch.
"""
