"""
Pruning methods, one file each. Heads are torch-free; shapes: O out features, I in features.

An entry exports
- `INFO`, with `traits` for the table of methods (`contracts.TRAITS`), and `Params`;
- `DEFAULT_SCOPE` (the comparison group of its paper) and `refuses(pattern, scope) -> str`: why a combination makes no
  sense for it, or "";
- `SEEDED`: whether the stage's seed changes the result;
- `NEEDS`: the calibration statistics that it reads (names of `tasks.STATISTICS`); empty without calibration;
- `fingerprint(params, studied: ModelRequest) -> str`, where its masks depend on files beside the spec: what is in them;
- either `score(weight_OI, task, params) -> Tensor` (O, I) float32, higher is kept, from which the engine selects masks
  under every pattern, scope and allocation,
- or `prune(weights, tasks, params) -> list[Outcome]` for the matrices of one input group, when the method chooses or
  changes weights itself.
"""
