"""
Speed of the sparse layers against dense, on the 72 matrices that pruning OPT-125M prunes.

    python benchmarks/kernels.py --json --quick          # a minute; without --quick: all tokens, sparsities and types
    OMP_WAIT_POLICY=passive python benchmarks/kernels.py  # where other processes are busy

Every row times the modules as users call them, x to y, interleaved with dense in one loop: the order of a round
alternates. `speedup` is F.linear in float32 over the format; `speedup_best_dense` the best dense of the same value type
over it, among F.linear in float32 or, for narrower values, in bfloat16, oneDNN in float32 (to which PyTorch sends
narrower types only) and our own loops on a matrix without zeros. Inputs are bfloat16 where values are; int8 values have
a scale for each row. PyTorch's CSR runs in its best form, W x with 32-bit indices; --quick
leaves it out at many tokens, where it would take most of the time. The noise floor is F.linear against itself, measured
like any other row.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from sparsity_report import onednn
from sparsity_report.contracts import FormatChoice, Pattern
from sparsity_report.engine.variant import FormattedLinear
from sparsity_report.kernels.cpu import instruction_set
from sparsity_report.selection import nm_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    Product = Callable[[Tensor, Tensor], Tensor]

SHAPES = [(768, 768)] * 4 + [(3072, 768), (768, 3072)]
BLOCKS = 12
TOKENS = {True: (1, 4, 16, 256), False: (1, 2, 4, 8, 16, 32, 64, 256, 512)}
SPARSITIES = {True: (0.5, 0.7), False: (0.3, 0.5, 0.7, 0.9)}
DTYPES = {True: (torch.float32,), False: (torch.float32, torch.bfloat16, torch.int8)}
SECONDS = {True: 1.0, False: 1.0}
"""Per number of tokens, sparsity and type."""
TORCH_CSR = "torch CSR"
BFLOAT16 = "F.linear bfloat16"


@dataclass(frozen=True)
class Row:
    """One format at one number of tokens; seconds are the median over rounds for all 72 matrices."""

    format: str
    dtype: str
    sparsity: float | str
    tokens: int
    seconds: float
    speedup: float
    speedup_best_dense: float
    best_dense: str
    speedup_bfloat16: float | None
    """Over F.linear in bfloat16, where it ran beside."""
    stored_bytes: int
    dense_bytes: int
    rounds: int
    spread: float
    """Interquartile range over the median."""


def weights() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator) * 0.02 for _ in range(BLOCKS) for shape in SHAPES]


def pruned(weight: Tensor, sparsity: float | str) -> Tensor:
    """By magnitude: to a share of the matrix, or N:M."""
    if isinstance(sparsity, str):
        return weight * nm_mask(weight.abs(), Pattern.parse(sparsity)) + 0.0
    return torch.where(
        weight.abs() > weight.abs().flatten().kthvalue(int(weight.numel() * sparsity)).values, weight, 0.0
    )


def layers(dense: Sequence[Tensor], format_name: str, sparsity: float | str, dtype: torch.dtype) -> list[nn.Module]:
    """The stack in a format, one layer a matrix."""
    pattern = Pattern.parse(sparsity) if isinstance(sparsity, str) else Pattern()
    choice = FormatChoice(format_name)
    kept = [pruned(weight, sparsity) if sparsity else weight for weight in dense]
    if dtype is not torch.int8:
        return [FormattedLinear(weight.to(dtype), None, choice, pattern) for weight in kept]
    scales = [weight.abs().amax(1) / 127 for weight in kept]
    codes = [(weight / scale[:, None]).round().to(torch.int8) for weight, scale in zip(kept, scales, strict=True)]
    return [
        FormattedLinear(weight, None, choice, pattern, None, scale) for weight, scale in zip(codes, scales, strict=True)
    ]


def bytes_of(stack: Sequence[nn.Module]) -> int:
    return sum(tensor.nbytes for layer in stack for tensor in layer.buffers())


def interleaved(calls: dict[str, Callable[[], Any]], seconds: float) -> dict[str, list[float]]:
    """Seconds of each call in each round."""
    for call in calls.values():
        call()
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    started, names = time.perf_counter(), list(calls)
    while time.perf_counter() - started < seconds or len(times[names[0]]) < 5:
        for name in names:
            begin = time.perf_counter()
            calls[name]()
            times[name].append(time.perf_counter() - begin)
        names.reverse()
    return times


def call_of(stack: Sequence[nn.Module], x: dict[int, Tensor]) -> Callable[[], None]:
    inputs = [x[layer.shape[1]] for layer in stack]  # type: ignore[index]

    def call() -> None:
        for layer, each in zip(stack, inputs, strict=True):
            layer(each)

    return call


def linear(
    matrices: Sequence[Tensor], x: dict[int, Tensor], product: Product = torch.nn.functional.linear
) -> Callable[[], None]:
    pairs = [(x[weight.shape[1]].to(weight.dtype), weight) for weight in matrices]

    def call() -> None:
        for each, weight in pairs:
            product(each, weight)

    return call


def torch_csr(matrices: Sequence[Tensor], x: dict[int, Tensor]) -> Callable[[], None]:
    """W xᵀ by PyTorch's own CSR with 32-bit indices."""
    pairs = []
    for weight in matrices:
        csr = weight.to_sparse_csr()
        indices = (csr.crow_indices().to(torch.int32), csr.col_indices().to(torch.int32))
        narrow = torch.sparse_csr_tensor(*indices, csr.values(), size=weight.shape)
        pairs.append((narrow, x[weight.shape[1]].t().contiguous()))

    def call() -> None:
        for weight, each in pairs:
            weight @ each

    return call


def measure(dense: Sequence[Tensor], dtype: torch.dtype, sparsity: float | str, quick: bool) -> list[Row]:
    """All rows of one stack."""
    names = ["nm"] if isinstance(sparsity, str) else ["bitmask"]
    stacks = {name: layers(dense, name, sparsity, dtype) for name in names}
    own = layers(dense, "bitmask", 0.0, dtype)
    narrow = [weight.to(torch.bfloat16) for weight in dense] if dtype is not torch.float32 else []
    plain = [pruned(weight, sparsity) for weight in dense] if dtype is torch.float32 else []
    warnings.filterwarnings("ignore", "Sparse (CSR|invariant)", UserWarning)
    csr_bytes = sum(8 * int(weight.count_nonzero()) + 4 * (len(weight) + 1) for weight in plain)
    rows = []
    for tokens in TOKENS[quick]:
        generator = torch.Generator().manual_seed(tokens)
        x = {width: torch.randn(tokens, width, generator=generator) for width in (768, 3072)}
        typed = {width: each.to(torch.bfloat16) if dtype is torch.bfloat16 else each for width, each in x.items()}
        calls = {
            "F.linear float32": linear(dense, x),
            "F.linear again": linear(dense, x),
            "oneDNN float32": linear(dense, x, onednn.linear),
            "own loops, no zeros": call_of(own, typed),
        }
        calls |= {BFLOAT16: linear(narrow, x)} if narrow else {}
        calls |= {name: call_of(stack, typed) for name, stack in stacks.items()}
        calls |= {TORCH_CSR: torch_csr(plain, x)} if plain and (tokens <= 16 or not quick) else {}
        times = interleaved(calls, SECONDS[quick])
        shown = [name for name in calls if name in ("F.linear again", TORCH_CSR, *stacks)]
        rivals = {name: statistics.median(times[name]) for name in calls if name not in shown}
        best = min(rivals, key=rivals.__getitem__)
        stored = {name: bytes_of(stack) for name, stack in stacks.items()}
        stored |= {"F.linear again": sum(each.nbytes for each in dense), TORCH_CSR: csr_bytes}
        for name in shown:
            seconds = statistics.median(times[name])
            low, _, high = statistics.quantiles(times[name], n=4)
            rows.append(
                Row(
                    "noise floor" if name == "F.linear again" else name,
                    name_of(dtype) if name != "F.linear again" else "float32",
                    sparsity,
                    tokens,
                    seconds,
                    rivals["F.linear float32"] / seconds,
                    rivals[best] / seconds,
                    best,
                    rivals[BFLOAT16] / seconds if narrow else None,
                    stored[name],
                    sum(each.numel() * dtype.itemsize for each in dense),
                    len(times[name]),
                    (high - low) / seconds,
                )
            )
    return rows


def name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    import numba

    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    model = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return {
        "processor": next(model, platform.processor()),
        "instructions": str(instruction_set()),
        "threads": torch.get_num_threads(),
        "threading_layer": numba.threading_layer(),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", "default"),
        "torch": torch.__version__,
        "numba": numba.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--quick", action="store_true", help="fewer tokens, sparsities and types")
    options = parser.parse_args()
    rows: list[Row] = []
    with torch.inference_mode():
        dense = weights()
        for dtype in DTYPES[options.quick]:
            sparsities: tuple[float | str, ...] = (*SPARSITIES[options.quick], "2:4")
            for sparsity in sparsities:
                rows += measure(dense, dtype, sparsity, options.quick)
    if options.json:
        print(json.dumps({"machine": machine(), "rows": [asdict(row) for row in rows]}, indent=1))
        return
    for row in rows:
        print(
            f"{row.format:12} {row.dtype:9} {row.sparsity!s:>5} {row.tokens:4} tokens {row.seconds * 1e3:8.2f} ms "
            f"± {row.spread:4.0%}  {row.speedup:5.2f} × F.linear float32  "
            f"{row.speedup_best_dense:5.2f} × best dense ({row.best_dense})"
            + (f"  {row.speedup_bfloat16:5.2f} × F.linear bfloat16" if row.speedup_bfloat16 else "")
        )


if __name__ == "__main__":
    main()
