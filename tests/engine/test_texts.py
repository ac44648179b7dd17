"""Behaviour on several texts, its window means, tipping points and greedy continuations, by whole small studies."""

from __future__ import annotations

import gzip
import json
import math

import pytest
import torch

from sparsity_report.engine.generation import greedy, prompts, same_tokens
from sparsity_report.engine.stability import means_of
from sparsity_report.errors import SpecError
from sparsity_report.spec.model import Generation

HEAD = """
spec_version = 1
[study]
title = "Two texts"
[[model]]
source = "bundled:tiny-opt"
[data]
evaluation = [
  { source = "embedded", length = 64, windows = 4 },
  { source = "embedded", id = "trained-on", split = "train", length = 32, windows = 5 },
]
[[variant]]
id = "sweep"
method = "magnitude"
scope = "global"
sparsity = [0.3, 0.6]
format = "masked"
[metrics]
use = ["sparsity", "agreement", "divergence", "perplexity", "flips", "ranks", "confidence", "generation"]
generation = { prompts = 2, prompt = 8, tokens = 6 }
"""


@pytest.fixture
def spec_file(tmp_path):
    file = tmp_path / "texts.toml"
    file.write_text(HEAD, encoding="utf-8")
    return file


def detail(folder, cell):
    return json.loads(gzip.decompress((folder / "detail" / f"{cell}.json.gz").read_bytes()))


def test_every_text_has_its_numbers_its_record_and_its_window_means(study, tmp_path):
    """Perplexity is the exponential of the mean of the kept window means, on each text."""
    results, _ = study(tmp_path / "run")
    texts = {each.name: each for each in results.data}

    assert {name: each.windows for name, each in texts.items()} == {"embedded": 4, "trained-on": 5}
    assert len({each.protocol for each in texts.values()}) == 2
    for cell in results.cells:
        assert cell.status == "ok"
        for name in texts:
            found = cell.find("perplexity", corpus=name)
            means = detail(tmp_path / "run", cell.id)[found.samples_ref]
            assert found.n == texts[name].predicted_tokens
            assert len(means["nll"]) == texts[name].windows
            assert found.value == pytest.approx(math.exp(sum(means["nll"]) / len(means["nll"])), rel=1e-12)
            assert cell.value("agreement_top1", corpus=name) == pytest.approx(sum(means["top1"]) / len(means["top1"]))
            assert cell.value("flip_rate", corpus=name) == pytest.approx(1 - cell.value("agreement_top1", corpus=name))
    dense = results.cells[0]
    assert [
        dense.value(each, corpus="trained-on") for each in ("agreement_top1", "kl_divergence", "js_divergence")
    ] == [1, 0, 0]
    assert dense.value("rank_correlation", corpus="embedded") == 1


def test_another_text_costs_only_its_own_forwards(study, tmp_path, monkeypatch):
    """What was measured on the first text is taken up again."""
    from sparsity_report.engine import nodes

    one = 'data.evaluation={ source = "embedded", length = 64, windows = 4 }'
    first, _ = study(tmp_path / "run", overrides=[one])
    shapes, original = [], nodes.forward_hidden
    monkeypatch.setattr(nodes, "forward_hidden", lambda model, ids: (shapes.append(ids.shape), original(model, ids))[1])

    both, _ = study(tmp_path / "run")

    assert shapes == [(5, 32)] * 3
    for old, new in zip(first.cells, both.cells, strict=True):
        assert old.value("perplexity") == new.value("perplexity", corpus="embedded")


def test_batched_windows_give_what_single_ones_do(study, tmp_path):
    """T42, T44: short windows share a step of the closing pass; the bundled model's own loss is the judge."""
    from sparsity_report.contracts import CorpusRequest, ModelRequest
    from sparsity_report.corpora import embedded
    from sparsity_report.models.loading import load
    from sparsity_report.windows import cut

    results, _ = study(tmp_path / "run")
    loaded = load(ModelRequest("bundled:tiny-opt"))
    text = embedded.read(CorpusRequest(split="train"))
    windows = cut(text, loaded.tokenizer, corpus="embedded", length=32, count=5, bos="auto")
    with torch.inference_mode():
        losses = [loaded.model(input_ids=each[None], labels=each[None]).loss.item() for each in windows.ids]

    found = results.cells[0].value("perplexity", corpus="trained-on")

    assert found == pytest.approx(math.exp(sum(losses) / len(losses)), rel=1e-5)


def test_tipping_points_lie_on_the_line_through_the_measured_values(study, tmp_path):
    """ln of the ratio of perplexities, from 0 at dense, against the sparsity reached."""
    results, _ = study(tmp_path / "run")
    [record] = [each for each in results.tipping if (each.corpus, each.metric) == ("embedded", "perplexity_ratio")]
    cells = [next(cell for cell in results.cells if cell.node == node) for node in record.nodes]
    ratios = [1.0, *(cell.value("perplexity_ratio", corpus="embedded") for cell in cells)]
    sparsity = [0.0, *(cell.value("sparsity_target") for cell in cells)]

    assert record.sparsity == pytest.approx(sparsity[1:])
    place = next(at for at in range(1, 3) if ratios[at] > 1.1)
    share = (math.log(1.1) - math.log(ratios[place - 1])) / (math.log(ratios[place]) - math.log(ratios[place - 1]))
    expected = sparsity[place - 1] + share * (sparsity[place] - sparsity[place - 1])
    assert record.value == pytest.approx(expected)
    assert record.low <= record.value <= record.high
    assert len(results.tipping) == 4


def test_levels_are_the_specs(study, tmp_path):
    results, _ = study(tmp_path / "run", overrides=["metrics.stability.perplexity=1000000"])
    found = [each for each in results.tipping if each.metric == "perplexity_ratio"]

    assert [(each.level, each.value) for each in found] == [(1e6, None)] * 2


def test_window_means_that_are_not_finite_are_no_numbers():
    found = means_of({"nll": [1.0, None], "nll_of_dense": [0.5, 0.5]})["perplexity_ratio"]

    assert found[0] == 0.5
    assert math.isnan(found[1])


def test_continuations_are_the_models_own_greedy_ones(study, tmp_path, tiny_opt):
    """transformers' own generate is the judge; the metric is the mean of the tokens in common."""
    results, _ = study(tmp_path / "run")
    ids = torch.tensor([tiny_opt.tokenizer("The statement is executed", add_special_tokens=False)["input_ids"][:3]])
    with torch.inference_mode():
        expected = tiny_opt.model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, min_new_tokens=6, do_sample=False
        )

    assert torch.equal(greedy(tiny_opt.model, ids, 6), expected[:, 3:])
    assert len(results.generations) == 2
    for record in results.generations:
        dense, *others = record.continuations
        assert (dense.same, dense.other) == (6, "")
        assert all(other.same == 6 or other.other for other in others)
    node = results.cells[1].node
    same = [each.same for record in results.generations for each in record.continuations if each.node == node]
    assert results.cells[1].value("greedy_prefix_tokens") == sum(same) / 2


def test_prompts_lie_evenly_and_the_first_difference_ends_the_count():
    ids = torch.arange(60).view(6, 10)

    assert prompts(ids, Generation(prompts=3, prompt=2)).tolist() == [[0, 1], [20, 21], [40, 41]]
    assert prompts(ids[:2], Generation(prompts=4, prompt=99)).shape == (2, 10)
    assert [same_tokens(own, [1, 2, 3]) for own in ([1, 2, 3], [1, 9, 3], [9, 2, 3])] == [3, 1, 0]


def test_a_continuation_beyond_the_context_is_refused(study, tmp_path):
    with pytest.raises(SpecError, match="more than the model's context"):
        study(tmp_path / "run", overrides=["metrics.generation.tokens=5000"])
