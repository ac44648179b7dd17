"""One tiny model of each architecture in turn, and a tokenizer for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
import transformers
from tiny_models import CONFIGS, build_model
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=sorted(CONFIGS))
def architecture(request: pytest.FixtureRequest) -> str:
    """The name of each architecture in turn."""
    return str(request.param)


@pytest.fixture
def model(architecture: str) -> Any:
    return build_model(architecture)


@pytest.fixture
def ids() -> torch.Tensor:
    """(2, 7) token ids."""
    return torch.randint(2, 96, (2, 7), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def build() -> Any:
    """The function that builds a tiny model by name."""
    return build_model


def word_tokenizer() -> Any:
    """96 words, "w0" to "w95", separated by blanks."""
    tokenizer = Tokenizer(WordLevel({f"w{number}": number for number in range(96)}, unk_token="w0"))
    tokenizer.pre_tokenizer = Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="w0", eos_token="w1", model_max_length=64
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A directory with a tiny OPT and its tokenizer."""
    folder = tmp_path / "saved"
    build_model("opt").save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return folder
