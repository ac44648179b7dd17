"""
The compiled loops behind the sparse formats: written in LLVM through Numba, compiled at first use, then cached.

- `cpu` says which instructions this machine has; `compiled` compiles, caches and shares one thread pool with PyTorch;
- `emit` and `lanes` emit LLVM: memory and loops, and what differs between instruction sets;
- `tiles`, `skipping`, `picking`, `dots` and `pairs` are what the loops of `bitmask` and `nm` do with a row or a tile,
  the last two in bfloat16; these two choose by tokens;
- `operators` registers them with PyTorch, so that hooks, `torch.compile` and fake tensors see an ordinary operator.

Every loop is one piece of LLVM for all machines; only a few primitives of `lanes` (spread packed values over lanes,
pick lanes by index) have a form for AVX-512, one for AVX2, and a portable one.

Shapes: O out features (rows), I in features (columns), T tokens. Nothing here imports Numba before it is needed.
"""
