"""Two tasks of lm-evaluation-harness that need no network: YAML files with their items beside them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TASK = """
task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    validation: {name}.jsonl
output_type: multiple_choice
validation_split: validation
doc_to_text: "{{{{question}}}}"
doc_to_target: label
doc_to_choice: "{{{{choices}}}}"
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
{norm}metadata:
  version: {version}
"""
NORM = "  - metric: acc_norm\n    aggregation: mean\n    higher_is_better: true\n"
WORDS = ("list", "function", "the class of an object", "return", "a module that is imported", "if", "file")


def items(count: int, start: int) -> list[dict[str, object]]:
    """Questions whose right answer is anywhere; a small model gets some of them."""
    return [
        {
            "question": f"In Python, number {number} is about",
            "choices": [WORDS[(number + shift) % len(WORDS)] for shift in (0, 2, 3)],
            "label": (number * number) % 3,
        }
        for number in range(start, start + count)
    ]


def write(folder: Path) -> Path:
    """The tasks "tiny_facts" (acc and acc_norm, 24 items) and "tiny_pairs" (acc only, 18 items)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, norm, version, count in (("tiny_facts", NORM, "1.5", 24), ("tiny_pairs", "", "2", 18)):
        lines = "".join(json.dumps(each) + "\n" for each in items(count, len(name)))
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        (folder / f"{name}.yaml").write_text(TASK.format(name=name, norm=norm, version=version), encoding="utf-8")
    return folder
