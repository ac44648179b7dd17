"""The perplexity protocol: one tokenisation, one BOS, no overlap, tail dropped, and a tag that says so."""

from __future__ import annotations

import hashlib

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from sparsity_report.contracts import CorpusRequest, Text
from sparsity_report.corpora import embedded
from sparsity_report.errors import SpecError
from sparsity_report.windows import Encoding, cut, draw, resolve_length


def text_of(words: str) -> Text:
    return Text(text=words, documents=1, joiner="", split="test", sha256=hashlib.sha256(words.encode()).hexdigest())


def tokenizer(*, with_bos: bool) -> PreTrainedTokenizerFast:
    """One token a word; by its own policy it begins a text with <s>, or does not."""
    vocabulary = {"<s>": 0, "<unk>": 1, **{word: 2 + i for i, word in enumerate("abcdefgh")}, "é": 10}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if with_bos:
        words.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>", unk_token="<unk>")


def test_windows_do_not_overlap_and_the_tail_is_dropped():
    """T42: seven words in windows of three: two windows, one token dropped, and the tag counts them."""
    windows = cut(text_of("a b c d e f g"), tokenizer(with_bos=False), corpus="toy", length=3, count=None, bos="auto")

    assert windows.ids.tolist() == [[2, 3, 4], [5, 6, 7]]
    assert windows.tail_tokens_dropped == 1
    assert windows.predicted_tokens == 4
    assert windows.protocol == "toy (test), 2 × 3 tokens, no overlap, tail dropped, no BOS"


def test_bos_stands_once_before_the_text_and_not_before_each_window():
    """T42: where the tokenizer's own policy has a BOS, it is one token of the whole text."""
    words = text_of("a b c d e")

    by_policy = cut(words, tokenizer(with_bos=True), corpus="toy", length=3, count=None, bos="auto")
    refused = cut(words, tokenizer(with_bos=True), corpus="toy", length=3, count=None, bos="none")

    assert by_policy.ids.tolist() == [[0, 2, 3], [4, 5, 6]]
    assert refused.ids.tolist() == [[2, 3, 4]]
    assert by_policy.bos == "one BOS before the text"


def test_a_limit_of_windows_takes_the_first_and_drops_no_tail():
    windows = cut(text_of("a b c d e f g"), tokenizer(with_bos=False), corpus="toy", length=3, count=1, bos="auto")

    assert windows.ids.tolist() == [[2, 3, 4]]
    assert windows.tail_tokens_dropped == 0


def test_predicted_bytes_are_those_of_all_tokens_but_each_windows_first():
    """T45: bits per byte need the bytes of what is predicted: "é" has two, and a space belongs to what follows it."""
    windows = cut(text_of("a é c d"), tokenizer(with_bos=False), corpus="toy", length=2, count=None, bos="auto")

    assert len(" é".encode()) + len(b" d") == windows.predicted_bytes


@pytest.mark.parametrize(("words", "message"), [("", "is empty"), ("  \n", "is empty"), ("a b", "has 2 tokens")])
def test_an_empty_or_short_text_is_the_specs_fault(words, message):
    with pytest.raises(SpecError, match=message) as problem:
        cut(text_of(words), tokenizer(with_bos=False), corpus="toy", length=3, count=None, bos="auto")

    assert problem.value.exit_code == 3


def test_length_max_is_the_context_but_never_a_huge_nominal_one():
    """T23: a context of 131,072 is no evaluation protocol; a length beyond the context is refused."""
    assert resolve_length("max", 256) == 256
    assert resolve_length("max", 131_072) == 2048
    assert resolve_length("max", None) == 2048
    with pytest.raises(SpecError, match="more than the model's context"):
        resolve_length(512, 256)


def test_token_ids_have_a_stable_fingerprint():
    words, own = text_of("a b c d"), tokenizer(with_bos=False)
    first, second = (cut(words, own, corpus="toy", length=2, count=None, bos="auto") for _ in range(2))
    other = cut(text_of("a b c e"), own, corpus="toy", length=2, count=None, bos="auto")

    assert first.token_ids_sha256 == second.token_ids_sha256 != other.token_ids_sha256


def test_embedded_topics_are_split_by_their_names():
    """No topic is on both sides, none is lost, and the bucket is sha256 of the name modulo five."""
    from pydoc_data.topics import topics

    held_out = {name for name in topics if int(hashlib.sha256(name.encode()).hexdigest(), 16) % 5 == 0}

    assert [topics[name] for name in sorted(held_out)] == list(embedded.split_topics("test"))
    assert len(topics) == len(embedded.split_topics("test")) + len(embedded.split_topics("train"))


def test_another_pythons_text_is_an_alert(monkeypatch):
    monkeypatch.setattr(embedded, "REFERENCE_SHA256", "another")

    assert "another Python version" in embedded.read(CorpusRequest()).alerts[0]


class TestDrawnWindows:
    """Calibration: some of all windows, by seed."""

    def draw(self, tokens=100, **more):
        encoding = Encoding(tuple(range(tokens)), (1,) * tokens, "no BOS")
        return draw(encoding, **{"corpus": "c", "split": "", "length": 10, "count": 4, "seed": 0} | more)

    def test_every_window_is_full_and_taken_once(self):
        """T16: packed windows need no padding; without replacement no window counts twice."""
        windows = self.draw()

        assert windows.ids.shape == (4, 10)
        starts = windows.ids[:, 0].tolist()
        assert starts == sorted(set(starts))
        assert torch.equal(windows.ids, windows.ids[:, :1] + torch.arange(10))
        assert all(start % 10 == 0 for start in starts)

    def test_a_seed_is_a_set_and_another_seed_another(self):
        """T25: the fingerprint is that of the token ids: equal seeds are equal sets."""
        assert self.draw(seed=1).token_ids_sha256 == self.draw(seed=1).token_ids_sha256
        assert len({self.draw(seed=seed).token_ids_sha256 for seed in range(5)}) > 1
        ids = self.draw(seed=1).ids
        assert hashlib.sha256(ids.numpy().tobytes()).hexdigest() == self.draw(seed=1).token_ids_sha256

    def test_all_windows_may_be_asked_for(self):
        assert torch.equal(torch.arange(100).view(10, 10), self.draw(count=10).ids)

    def test_a_short_text_is_refused_at_once(self):
        """T24: no search for documents that are long enough, which a small corpus never ends."""
        with pytest.raises(SpecError, match="has 10 windows of 10 tokens, 11 are asked for"):
            self.draw(count=11)

    def test_the_protocol_says_how_they_were_drawn(self):
        assert "4 × 10 tokens drawn from 10 windows, seed 3" in self.draw(seed=3).protocol

    def test_the_length_is_the_models_context_only_up_to_2048(self):
        """T23: a nominal context of 131,072 tokens is no calibration length."""
        assert resolve_length("max", 131072, "data.calibration.length") == 2048
        assert resolve_length("max", 512, "data.calibration.length") == 512
        with pytest.raises(SpecError, match=r"data\.calibration\.length"):
            resolve_length(1024, 512, "data.calibration.length")
